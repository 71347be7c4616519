#pragma once

#include "base/files.h"
#include "launch/cgroup.h"

namespace roost::launch {

// The folder of a launch also has this file: the control groups of its processes, one a line.
inline constexpr const char* kGroupsFile = "cgroups";

// What roost-shim's exit code tells its parent. The launch's own end stands in exit.json alone.
enum ShimExit : int {
  kShimDone = 0,      // exit.json is written, or the launch was fenced and nothing was started
  kShimUsage = 2,     // wrong arguments
  kShimNoFolder = 3,  // the launch folder cannot be entered
  kShimNotAlone = 4,  // another shim holds the lock
};

// The whole life of a shim: takes the lock, claims the launch, starts its program, watches over
// the tree, writes the exit record. Returns the program's exit code.
int RunShim(const fs::path& launch_folder, TreeControl best);

}  // namespace roost::launch
