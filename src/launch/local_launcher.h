#pragma once

#include <map>
#include <memory>

#include "base/event_loop.h"
#include "launch/launcher.h"

namespace roost::launch {

// Runs each launch on this machine under its own copy of roost-shim, in its own session. Neither
// the shim nor the child is tied to the server: descriptors are closed, nothing dies with us. News
// is noticed by watching the shim's pidfd while it is our child, and by polling its lock and exit
// record (every 50 ms) after a restart.
class LocalLauncher : public Launcher {
 public:
  // `shim_program` is the roost-shim that is copied into each launch folder. All three outlive
  // this.
  LocalLauncher(EventLoop& loop, fs::path shim_program, LaunchListener listener);
  ~LocalLauncher() override;

  Status Start(const spec::LaunchRequest& request, const fs::path& launch_folder) override;
  void Reattach(const std::string& launch_id, const fs::path& launch_folder) override;
  void Stop(const std::string& launch_id, const fs::path& launch_folder) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roost::launch
