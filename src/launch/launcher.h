#pragma once

#include <functional>
#include <string>
#include <variant>

#include "base/files.h"
#include "base/result.h"
#include "spec/launch_format.h"

namespace roost::launch {

// What a launcher tells about a launch, always on the engine's loop.
struct Started {
  Micros at = 0;
};
struct Exited {
  spec::ExitRecord record;
};
// The processes are gone and left no exit record: the machine went down, or someone killed the
// shim.
struct Lost {
  std::string reason;  // a sentence
};
using LaunchEvent = std::variant<Started, Exited, Lost>;
using LaunchListener = std::function<void(const std::string& launch_id, const LaunchEvent&)>;

// How work runs in one place (this machine, Slurm). Everything is called on the engine's loop and
// returns soon; news comes through the listener, later, on the same loop.
class Launcher {
 public:
  virtual ~Launcher() = default;

  // Writes the request into `launch_folder` and starts it. The caller has recorded the launch
  // before, so a death between the two is found by Reattach. An error means that nothing runs.
  virtual Status Start(const spec::LaunchRequest& request, const fs::path& launch_folder) = 0;

  // After a restart of the server: finds out about a launch that was recorded. Tells Started or
  // Exited or Lost through the listener. An unclaimed launch is fenced, so it can never start
  // later, and told as Lost.
  virtual void Reattach(const std::string& launch_id, const fs::path& launch_folder) = 0;

  // Ends the whole process tree: TERM, grace, KILL. Exited follows when the last process is gone.
  virtual void Stop(const std::string& launch_id, const fs::path& launch_folder) = 0;
};

}  // namespace roost::launch
