#include "launch/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <sstream>

namespace roost::launch {
namespace {

bool WriteSmallFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Calls `visit` with each group below `folder`, the deepest first, and with `folder` itself.
void VisitGroups(const std::string& folder, const std::function<void(const std::string&)>& visit) {
  DIR* open_folder = opendir(folder.c_str());
  if (open_folder == nullptr) return;
  while (const dirent* entry = readdir(open_folder)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
      VisitGroups(folder + "/" + entry->d_name, visit);
    }
  }
  closedir(open_folder);
  visit(folder);
}

std::string GroupName(const std::string& launch_id) {
  std::string name = "roost-";
  for (const char c : launch_id.substr(0, 200)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    name += plain ? c : '-';
  }
  return name;
}

// Makes the launch's group below `own`; empty when that is not allowed.
std::string MakeGroup(const std::string& own, const std::string& launch_id) {
  if (own.empty()) return {};
  std::string folder = own + "/" + GroupName(launch_id);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return {};
  if (access((folder + "/cgroup.procs").c_str(), W_OK) == 0) return folder;
  rmdir(folder.c_str());
  return {};
}

// mountinfo writes spaces and the like as three octal digits: "\040".
std::string Unescape(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool ListHas(const std::string& comma_list, const std::string& wanted) {
  return ("," + comma_list + ",").find("," + wanted + ",") != std::string::npos;
}

// The path of our group in the hierarchy of `controller` ("" is cgroup v2), from lines such as
// "4:memory:/user.slice".
std::string MembershipPath(const std::string& membership, const std::string& controller) {
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool same = controller.empty() ? controllers.empty() : ListHas(controllers, controller);
    if (same) return line.substr(second + 1);
  }
  return {};
}

struct Mount {
  std::string root;
  std::string place;
  std::string type;
  std::string options;
};

std::vector<Mount> CgroupMounts(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    Mount mount;
    std::string skipped, word;
    std::istringstream words(line);
    words >> skipped >> skipped >> skipped >> mount.root >> mount.place;
    while (words >> word && word != "-") {
    }
    words >> mount.type >> skipped >> mount.options;
    if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
    mount.root = Unescape(mount.root);
    mount.place = Unescape(mount.place);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::string FolderOfGroup(const std::vector<Mount>& mounts, const std::string& membership,
                          const std::string& controller) {
  const std::string path = MembershipPath(membership, controller);
  if (path.empty() || path.find("/..") != std::string::npos) return {};
  for (const Mount& mount : mounts) {
    const bool same = controller.empty()
                          ? mount.type == "cgroup2"
                          : mount.type == "cgroup" && ListHas(mount.options, controller);
    if (!same) continue;
    const std::string root = mount.root == "/" ? "" : mount.root;
    if (!path.starts_with(root)) continue;
    std::string below = path.substr(root.size());
    if (below == "/") below.clear();
    if (!below.empty() && below[0] != '/') continue;
    return mount.place + below;
  }
  return {};
}

}  // namespace

OwnGroups ParseOwnGroups(const std::string& mountinfo, const std::string& membership) {
  const std::vector<Mount> mounts = CgroupMounts(mountinfo);
  return {.unified = FolderOfGroup(mounts, membership, ""),
          .freezer = FolderOfGroup(mounts, membership, "freezer"),
          .memory = FolderOfGroup(mounts, membership, "memory"),
          .cpu = FolderOfGroup(mounts, membership, "cpu")};
}

OwnGroups FindOwnGroups() {
  return ParseOwnGroups(ReadSmallFile("/proc/self/mountinfo"), ReadSmallFile("/proc/self/cgroup"));
}

RunGroup RunGroup::Create(const std::string& launch_id, std::int64_t memory_limit_mb,
                          TreeControl best, const OwnGroups& own) {
  RunGroup group;
  if (best == TreeControl::kCgroup2) group.unified_ = MakeGroup(own.unified, launch_id);
  if (best != TreeControl::kWalk && group.unified_.empty()) {
    group.freezer_ = MakeGroup(own.freezer, launch_id);
  }
  if (best != TreeControl::kWalk && memory_limit_mb > 0) {
    group.LimitMemory(launch_id, memory_limit_mb, own);
  }
  return group;
}

void RunGroup::LimitMemory(const std::string& launch_id, std::int64_t limit_mb,
                           const OwnGroups& own) {
  const std::string limit = std::to_string(limit_mb * 1024 * 1024);
  if (!unified_.empty()) {
    // A group with processes of its own may only hand the controller down when it is the root.
    if (!Exists(unified_ + "/memory.max")) {
      WriteSmallFile(own.unified + "/cgroup.subtree_control", "+memory");
    }
    if (WriteSmallFile(unified_ + "/memory.max", limit)) {
      WriteSmallFile(unified_ + "/memory.swap.max", "0");
      WriteSmallFile(unified_ + "/memory.oom.group", "1");
      memory_ = unified_;
      return;
    }
  }
  const std::string folder = MakeGroup(own.memory, launch_id);
  if (folder.empty()) return;
  if (WriteSmallFile(folder + "/memory.limit_in_bytes", limit)) {
    WriteSmallFile(folder + "/memory.memsw.limit_in_bytes", limit);
    memory_ = folder;
  } else {
    rmdir(folder.c_str());
  }
}

std::vector<std::string> RunGroup::Folders() const {
  std::vector<std::string> folders;
  for (const std::string& folder : {unified_, freezer_, memory_}) {
    if (!folder.empty() && std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

std::string RunGroup::ToText() const {
  std::string text;
  for (const std::string& folder : Folders()) text += folder + "\n";
  return text;
}

RunGroup RunGroup::FromText(const std::string& text) {
  RunGroup group;
  std::istringstream lines(text);
  for (std::string folder; std::getline(lines, folder);) {
    if (Exists(folder + "/cgroup.events")) {
      group.unified_ = folder;
      if (Exists(folder + "/memory.max")) group.memory_ = folder;
    } else if (Exists(folder + "/freezer.state")) {
      group.freezer_ = folder;
    } else if (Exists(folder + "/memory.limit_in_bytes")) {
      group.memory_ = folder;
    }
  }
  return group;
}

std::vector<std::string> RunGroup::JoinFiles(bool born_in) const {
  std::vector<std::string> files;
  for (const std::string& folder : Folders()) {
    if (!born_in || folder != unified_) files.push_back(folder + "/cgroup.procs");
  }
  return files;
}

std::int64_t RunGroup::OomKills() const {
  if (memory_.empty()) return 0;
  const std::string file = memory_ == unified_ ? "/memory.events" : "/memory.oom_control";
  return NumberAfter(ReadSmallFile(memory_ + file), "oom_kill");
}

std::set<pid_t> RunGroup::Members() const {
  std::set<pid_t> members;
  for (const std::string& folder : Folders()) {
    VisitGroups(folder, [&](const std::string& group) {
      std::istringstream numbers(ReadSmallFile(group + "/cgroup.procs"));
      for (pid_t pid = 0; numbers >> pid;) members.insert(pid);
    });
  }
  members.erase(0);  // a member that our process id namespace does not show
  return members;
}

void RunGroup::Kill() const {
  if (!unified_.empty() && WriteSmallFile(unified_ + "/cgroup.kill", "1")) return;
  if (!freezer_.empty()) {
    // Frozen members cannot fork away; the signals arrive when they thaw.
    const std::string state = freezer_ + "/freezer.state";
    WriteSmallFile(state, "FROZEN");
    for (int tries = 0; tries < 50 && !ReadSmallFile(state).starts_with("FROZEN"); ++tries) {
      usleep(1000);
    }
  }
  for (const pid_t pid : Members()) kill(pid, SIGKILL);
  if (!freezer_.empty()) WriteSmallFile(freezer_ + "/freezer.state", "THAWED");
}

void RunGroup::Remove() const {
  for (const std::string& folder : Folders()) {
    // A group counts its last member for a moment after that was reaped.
    for (int tries = 0; tries < 50 && Exists(folder); ++tries) {
      if (tries > 0) usleep(1000);
      VisitGroups(folder, [](const std::string& group) { rmdir(group.c_str()); });
    }
  }
}

}  // namespace roost::launch
