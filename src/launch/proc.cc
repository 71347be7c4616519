#include "launch/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string_view>

namespace roost::launch {
namespace {

constexpr const char* kLaunchIdVariable = "ROOST_LAUNCH_ID=";

std::string ProcPath(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::int64_t ResidentKbOf(const ProcessId& process) {
  return NumberAfter(ReadSmallFile(ProcPath(process.pid, "status")), "VmRSS:");
}

}  // namespace

bool ParseStat(const std::string& text, ProcessInfo& info) {
  // The name stands in parentheses and may hold spaces and parentheses itself.
  auto name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return false;
  info.id.pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
  const char* place = text.c_str() + name_end + 2;
  const char state = *place;
  // From here all fields are numbers; the state is field 3.
  constexpr int kParent = 4, kThreads = 20, kStartTime = 22;
  ++place;
  std::uint64_t threads = 0;
  for (int field = kParent; field <= kStartTime; ++field) {
    char* end = nullptr;
    const std::uint64_t value = std::strtoull(place, &end, 10);
    if (end == place) return false;
    if (field == kParent) info.parent = static_cast<pid_t>(value);
    if (field == kThreads) threads = value;
    if (field == kStartTime) info.id.start_time = value;
    place = end;
  }
  info.ended = state == 'X' || (state == 'Z' && threads <= 1);
  return info.id.pid > 0;
}

std::vector<ProcessInfo> ListProcesses() {
  std::vector<ProcessInfo> found;
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    ProcessInfo info;
    if (ParseStat(ReadSmallFile(std::string("/proc/") + entry->d_name + "/stat"), info)) {
      found.push_back(info);
    }
  }
  closedir(folder);
  return found;
}

std::set<ProcessId> DescendantsOf(const std::set<pid_t>& roots,
                                  const std::vector<ProcessInfo>& all) {
  std::multimap<pid_t, const ProcessInfo*> children;
  for (const ProcessInfo& info : all) children.emplace(info.parent, &info);
  std::set<ProcessId> found;
  std::set<pid_t> seen = roots;
  std::vector<pid_t> open(roots.begin(), roots.end());
  while (!open.empty()) {
    auto [begin, end] = children.equal_range(open.back());
    open.pop_back();
    for (auto child = begin; child != end; ++child) {
      const ProcessInfo& info = *child->second;
      if (!seen.insert(info.id.pid).second) continue;
      if (!info.ended) found.insert(info.id);
      open.push_back(info.id.pid);
    }
  }
  return found;
}

std::set<ProcessId> WithLaunchId(const std::string& launch_id,
                                 const std::vector<ProcessInfo>& all) {
  const std::string wanted = kLaunchIdVariable + launch_id;
  std::set<ProcessId> found;
  for (const ProcessInfo& info : all) {
    if (info.id.pid == getpid() || info.ended) continue;
    const std::string environment = ReadSmallFile(ProcPath(info.id.pid, "environ"));
    std::string_view rest = environment;
    while (!rest.empty()) {
      const std::string_view entry = rest.substr(0, rest.find('\0'));
      if (entry == wanted) {
        found.insert(info.id);
        break;
      }
      rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    }
  }
  return found;
}

void SignalProcess(const ProcessId& process, int signal) {
  // The descriptor pins the process; only then is its start time compared.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (fd < 0) return;
  ProcessInfo now;
  if (ParseStat(ReadSmallFile(ProcPath(process.pid, "stat")), now) && now.id == process) {
    syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0);
  }
  close(fd);
}

std::int64_t ResidentKb(const std::set<ProcessId>& processes) {
  std::int64_t sum = 0;
  for (const ProcessId& process : processes) sum += ResidentKbOf(process);
  return sum;
}

std::int64_t ProportionalKb(const std::set<ProcessId>& processes) {
  std::int64_t sum = 0;
  for (const ProcessId& process : processes) {
    const std::string text = ReadSmallFile(ProcPath(process.pid, "smaps_rollup"));
    // A process of another user may hide its maps, but not its resident size.
    sum += text.empty() ? ResidentKbOf(process) : NumberAfter(text, "Pss:");
  }
  return sum;
}

std::string BootId() {
  std::string text = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::int64_t OomKillsOfMachine() { return NumberAfter(ReadSmallFile("/proc/vmstat"), "oom_kill"); }

std::string ReadSmallFile(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  close(fd);
  return text;
}

std::int64_t NumberAfter(const std::string& text, const std::string& key) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (line.size() > key.size() && line.starts_with(key) &&
        (line[key.size()] == ' ' || line[key.size()] == '\t')) {
      std::string_view number = line.substr(key.size());
      number.remove_prefix(std::min(number.size(), number.find_first_not_of(" \t")));
      std::int64_t value = 0;
      std::from_chars(number.data(), number.data() + number.size(), value);
      return value;
    }
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return 0;
}

}  // namespace roost::launch
