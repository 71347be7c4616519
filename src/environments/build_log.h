#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost::environments {

// The log of one build: a file that programs write into directly, and any number of followers
// (the logs of the runs that wait for the build) that get a copy of all of it, live. The build's
// thread writes and pumps; followers may come from any thread.
class BuildLog {
 public:
  // Until it is opened, lines go to the followers alone.
  BuildLog() = default;
  // Makes the file anew; one that another build left is replaced, not written into.
  Status Open(const fs::path& path);
  int fd() const { return file_.get(); }
  const fs::path& path() const { return path_; }

  // Appends to `path`, made when missing, from the build's first byte on.
  Status Follow(const fs::path& path);
  void Unfollow(const fs::path& path);
  void Line(std::string_view text);
  // Says on a line of its own that a program which writes nothing is at work, and since when;
  // `written` are the bytes that it put into files.
  void StillAtWork(std::chrono::seconds since, std::uint64_t written);
  std::uint64_t Size() const;  // of the file
  // Copies what is new to all followers; one that cannot be written (disk full) is dropped.
  void Pump();

 private:
  struct Follower {
    fs::path path;
    Fd file;
    std::uint64_t offset = 0;
  };
  void PumpLocked();

  fs::path path_;
  Fd file_;
  std::mutex mutex_;  // guards followers_ and early_
  std::vector<Follower> followers_;
  std::string early_;  // lines from before the file was opened
};

// `text` of a log without StillAtWork's lines: where only a few lines are shown they say nothing.
std::string WithoutStillAtWork(std::string_view text);

}  // namespace roost::environments
