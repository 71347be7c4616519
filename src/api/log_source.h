#pragma once

#include <optional>
#include <string>

#include "api/event_hub.h"
#include "api/http_types.h"
#include "base/files.h"
#include "store/store.h"

namespace roost::api {

// A log as a stream: what is there from an offset on and, when followed, what is added until the
// run is over and every byte is sent. Size is looked at every 10 ms; the run's state only after a
// commit that had events.
class LogSource : public StreamSource {
 public:
  struct Options {
    fs::path file;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> limit;
    bool follow = false;
    bool fold = false;  // carriage returns, line by line
    RunKey run;
    int attempt = 1;
    std::string path;  // its name, as users see it
  };
  LogSource(store::Store& store, EventHub& hub, Options options);

  Readiness Poll() override;
  Result<bool> Read(std::string* to, std::size_t max) override;

 private:
  Status CheckRun();
  void AppendFolded(std::string_view bytes, bool at_end, std::string* to);
  bool LimitReached() const { return options_.limit && sent_ >= *options_.limit; }

  store::Store& store_;
  EventHub& hub_;
  Options options_;
  Fd fd_;
  std::uint64_t sent_ = 0;
  std::uint64_t seen_generation_ = 0;
  bool complete_ = false;
  std::string line_;  // a line's beginning, while folding
};

}  // namespace roost::api
