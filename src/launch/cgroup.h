#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "launch/proc.h"

namespace roost::launch {

// Folders of the control groups that this process is in; empty where there is no such hierarchy.
struct OwnGroups {
  std::string unified;  // cgroup v2, also beside v1 controllers
  std::string freezer;  // v1
  std::string memory;   // v1
  std::string cpu;      // v1
};
OwnGroups FindOwnGroups();
// The same from the content of /proc/self/mountinfo and /proc/self/cgroup. Paths that a cgroup
// namespace hides are left empty.
OwnGroups ParseOwnGroups(const std::string& mountinfo, const std::string& membership);

// By which means a launch's processes are held together, best first; each falls back to the next.
// Tests name one to see that all of them work.
enum class TreeControl { kCgroup2, kFreezer, kWalk };

// The control groups made for one launch, below the groups of the process that makes them. They
// name every member exactly, also one that changed its session and its environment, and end all of
// them at once, so that no process forks faster than it is killed. May be empty: then nothing here
// does anything.
class RunGroup {
 public:
  RunGroup() = default;
  // Makes what it may. With a memory limit also tries to have the kernel keep it.
  static RunGroup Create(const std::string& launch_id, std::int64_t memory_limit_mb,
                         TreeControl best, const OwnGroups& own);
  // The folders, one a line, and back: kept in the launch folder, so that a later server can end
  // what a killed shim left behind.
  std::string ToText() const;
  static RunGroup FromText(const std::string& text);

  // The cgroup v2 folder, into which a process can be born; empty when there is none.
  const std::string& birth_folder() const { return unified_; }
  // Writing "0" to these files puts the writer into the groups; with `born_in` into those besides
  // the birth folder. The kernel stops for some ten milliseconds for it.
  std::vector<std::string> JoinFiles(bool born_in) const;
  bool CanKill() const { return !unified_.empty() || !freezer_.empty(); }
  bool LimitsMemory() const { return !memory_.empty(); }
  // Members that the kernel's out-of-memory killer ended.
  std::int64_t OomKills() const;
  std::set<pid_t> Members() const;
  void Kill() const;
  void Remove() const;

 private:
  std::vector<std::string> Folders() const;
  void LimitMemory(const std::string& launch_id, std::int64_t limit_mb, const OwnGroups& own);

  std::string unified_;
  std::string freezer_;
  std::string memory_;  // equal to unified_ where that one limits memory
};

}  // namespace roost::launch
