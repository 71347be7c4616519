#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "launch/launcher.h"

namespace roost::launch {

// A launcher that starts nothing. Tests step it: `Begin`, `End` and `Lose` make the news that a
// real one would. With `auto_finish_ms` >= 0 every launch begins and ends with success by itself
// after that time, which is how `roost serve --fake-launcher` runs for API fuzzing.
class FakeLauncher : public Launcher {
 public:
  explicit FakeLauncher(LaunchListener listener) : listener_(std::move(listener)) {}

  Status Start(const spec::LaunchRequest& request, const fs::path& launch_folder) override;
  void Reattach(const std::string& launch_id, const fs::path& launch_folder) override;
  void Stop(const std::string& launch_id, const fs::path& launch_folder) override;

  void Begin(const std::string& launch_id);
  void End(const std::string& launch_id, int code);
  void Lose(const std::string& launch_id, std::string reason);

  std::vector<spec::LaunchRequest> started;
  std::vector<std::string> reattached;
  std::set<std::string> stopped;
  Status start_result;  // what Start answers next

 private:
  LaunchListener listener_;
};

}  // namespace roost::launch
