#pragma once

#include <set>
#include <string>

#include "launch/cgroup.h"
#include "launch/proc.h"

namespace roost::launch {

// All processes of one launch, however they try to get away: by a new session, by forking twice, or
// by dropping their environment.
class ProcessTree {
 public:
  // With `shim` the tree is what descends from that process, which has to be a subreaper, so that
  // no descendant is lost. 0: the shim is gone; then members are found by group and environment.
  ProcessTree(std::string launch_id, RunGroup group, pid_t shim)
      : launch_id_(std::move(launch_id)), group_(std::move(group)), shim_(shim) {}

  const RunGroup& group() const { return group_; }
  std::set<ProcessId> Members() const;
  // What descends from the shim; cheaper than Members, and all of them but for odd cases.
  std::set<ProcessId> Descendants() const { return DescendantsOf({shim_}, ListProcesses()); }
  // Asks every member to end; stopped ones are woken so that they can.
  void Terminate() const;
  // Kills every member. To be repeated until none is left.
  void Kill() const;

 private:
  std::string launch_id_;
  RunGroup group_;
  pid_t shim_;
};

}  // namespace roost::launch
