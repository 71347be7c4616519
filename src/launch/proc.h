#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace roost::launch {

// What /proc says about processes. Everything here tolerates processes that end while it looks.

// A process, told apart from a later one with the same id by its start time.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot
  auto operator<=>(const ProcessId&) const = default;
};

struct ProcessInfo {
  ProcessId id;
  pid_t parent = 0;
  bool ended = false;  // a zombie without living threads: only not yet reaped
};

// Parses the content of /proc/<pid>/stat; false when it is none.
bool ParseStat(const std::string& text, ProcessInfo& info);

std::vector<ProcessInfo> ListProcesses();

// The living processes among `all` that descend from one of `roots`, the roots left out.
std::set<ProcessId> DescendantsOf(const std::set<pid_t>& roots,
                                  const std::vector<ProcessInfo>& all);

// The living processes among `all` that were started with ROOST_LAUNCH_ID=<launch_id> in their
// environment, as far as we may read it. Never the caller itself.
std::set<ProcessId> WithLaunchId(const std::string& launch_id, const std::vector<ProcessInfo>& all);

// Signals exactly this process: nothing happens when it is gone and its number is used again.
void SignalProcess(const ProcessId& process, int signal);

// Memory of these processes in KiB. Resident counts a page once for each process that maps it and
// is cheap to read; proportional divides shared pages among their users and costs a page table
// walk.
std::int64_t ResidentKb(const std::set<ProcessId>& processes);
std::int64_t ProportionalKb(const std::set<ProcessId>& processes);

// Identifies this boot of the machine: no process lives on past a change of it.
std::string BootId();
// Kills by the kernel's out-of-memory killer since boot.
std::int64_t OomKillsOfMachine();

// Reads a small file of /proc or /sys; empty when it cannot be read.
std::string ReadSmallFile(const std::string& path);
// The number behind `key` in lines of "key number"; 0 when it is not there.
std::int64_t NumberAfter(const std::string& text, const std::string& key);

}  // namespace roost::launch
