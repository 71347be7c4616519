#pragma once

#include <sys/types.h>

#include <string>

#include "base/files.h"
#include "base/result.h"
#include "launch/cgroup.h"
#include "spec/launch_format.h"

namespace roost::launch {

// The main process of a launch. Fork makes it and holds it at a gate, so that its id can be written
// into the claim before the program's first instruction; Release lets it go. If this object or the
// shim dies before, the child ends without having run anything.
class ShimChild {
 public:
  // The child is in the launch's groups before it runs the program.
  static Result<ShimChild> Fork(const spec::LaunchRequest& request, const RunGroup& group);
  pid_t pid() const { return pid_; }
  // Waits until the program runs. An error is a sentence that names what could not be started; it
  // stands in the log, too.
  Status Release();
  // The child ends without having run anything, and is reaped.
  void Abandon();

 private:
  ShimChild() = default;

  pid_t pid_ = 0;
  Fd gate_;    // one byte written here opens it
  Fd report_;  // closed by a successful exec, else takes the child's StartFailure
  Fd log_;
  std::string program_;
  std::string working_folder_;
  std::vector<spec::BindMount> mounts_;
};

// Why the program at `path` cannot be executed, and what to do about it.
std::string DescribeExecFailure(const std::string& path, int error_number);

}  // namespace roost::launch
