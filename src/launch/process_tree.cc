#include "launch/process_tree.h"

#include <unistd.h>

#include <csignal>

namespace roost::launch {

std::set<ProcessId> ProcessTree::Members() const {
  const std::vector<ProcessInfo> all = ListProcesses();
  std::set<pid_t> roots = group_.Members();
  if (shim_ != 0) roots.insert(shim_);
  // A group that can kill knows its members; without one the environment is the last trace.
  if (shim_ == 0 || !group_.CanKill()) {
    for (const ProcessId& process : WithLaunchId(launch_id_, all)) roots.insert(process.pid);
  }
  std::set<ProcessId> members = DescendantsOf(roots, all);
  for (const ProcessInfo& info : all) {
    if (info.id.pid != shim_ && info.id.pid != getpid() && !info.ended &&
        roots.contains(info.id.pid)) {
      members.insert(info.id);
    }
  }
  return members;
}

void ProcessTree::Terminate() const {
  const std::set<ProcessId> members = Members();
  for (const ProcessId& process : members) SignalProcess(process, SIGTERM);
  for (const ProcessId& process : members) SignalProcess(process, SIGCONT);
}

void ProcessTree::Kill() const {
  group_.Kill();
  // Stopping all first keeps them from forking away from the walk, however fast they are.
  std::set<ProcessId> stopped;
  for (int passes = 0; passes < 100; ++passes) {
    const std::size_t before = stopped.size();
    for (const ProcessId& process : Members()) {
      if (stopped.insert(process).second) SignalProcess(process, SIGSTOP);
    }
    if (stopped.size() == before) break;
  }
  for (const ProcessId& process : stopped) SignalProcess(process, SIGKILL);
}

}  // namespace roost::launch
