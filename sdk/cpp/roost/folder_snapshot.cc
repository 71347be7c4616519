#include "roost/folder_snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "spec/ignore.h"

namespace roost::client {
namespace {

// More would hide the first ones; the rest is counted.
constexpr std::size_t kProblemsNamed = 50;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::string ErrnoText(int error_number) {
  return std::error_code(error_number, std::generic_category()).message();
}

Result<spec::IgnoreRules> ReadIgnoreRules(const fs::path& folder) {
  for (const char* name : {".amlignore", ".gitignore"}) {
    auto text = ReadFile(folder / name);
    if (text) return spec::IgnoreRules::Parse(*text);
    if (text.error().code != ErrorCode::kNotFound) return Fail(text.error());
  }
  return spec::IgnoreRules{};
}

// Walks the tree and collects paths and sizes; digests come later.
class Walker {
 public:
  Walker(const fs::path& root, const spec::IgnoreRules& rules)
      : root_(root), root_prefix_(root == "/" ? "/" : root.string() + "/"), rules_(rules) {}

  void Walk() {
    struct stat info {};
    if (::stat(root_.c_str(), &info) == 0) ancestors_.emplace_back(info.st_dev, info.st_ino);
    WalkFolder("");
  }

  std::vector<spec::SnapshotFile> files;
  std::vector<Problem> problems;

 private:
  void WalkFolder(const std::string& prefix) {
    const std::string path = root_prefix_ + prefix;
    const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
    if (!folder) {
      problems.push_back(
          {prefix.empty() ? "." : prefix, "the folder cannot be read: " + ErrnoText(errno)});
      return;
    }
    while (const dirent* entry = ::readdir(folder.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || name == ".git") continue;
      Visit(::dirfd(folder.get()), name, prefix + name, entry->d_type);
    }
  }

  void Visit(int folder_fd, const std::string& name, const std::string& path,
             unsigned char type_hint) {
    // Most ignored files are known by name, without a look at them.
    if (type_hint == DT_REG && rules_.Ignores(path, false)) return;
    if (type_hint == DT_DIR && rules_.Ignores(path, true)) return;
    struct stat info {};
    if (::fstatat(folder_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) problems.push_back({path, "cannot be read: " + ErrnoText(errno)});
      return;
    }
    if (S_ISLNK(info.st_mode)) {
      if (!FollowLink(path, info)) return;
    } else if (type_hint == DT_UNKNOWN && rules_.Ignores(path, S_ISDIR(info.st_mode))) {
      return;
    }
    if (S_ISDIR(info.st_mode)) {
      Enter(path, info);
    } else if (S_ISREG(info.st_mode)) {
      AddFile(path, info);
    }
  }

  // Replaces `info` by the target's; false when the link is ignored or is a problem.
  bool FollowLink(const std::string& path, struct stat& info) {
    const bool exists = ::stat((root_prefix_ + path).c_str(), &info) == 0;
    if (rules_.Ignores(path, exists && S_ISDIR(info.st_mode))) return false;
    if (!exists) {
      problems.push_back({path, "the link's target does not exist"});
      return false;
    }
    std::array<char, PATH_MAX> resolved{};
    if (::realpath((root_prefix_ + path).c_str(), resolved.data()) == nullptr) {
      problems.push_back({path, "the link cannot be followed: " + ErrnoText(errno)});
      return false;
    }
    const std::string target = resolved.data();
    if (target != root_.string() && !target.starts_with(root_prefix_)) {
      problems.push_back({path, "the link leaves the folder: it points to " + target});
      return false;
    }
    return true;
  }

  void Enter(const std::string& path, const struct stat& info) {
    const std::pair<dev_t, ino_t> identity(info.st_dev, info.st_ino);
    if (std::find(ancestors_.begin(), ancestors_.end(), identity) != ancestors_.end()) {
      problems.push_back({path, "the link leads back to a folder that contains it"});
      return;
    }
    ancestors_.push_back(identity);
    WalkFolder(path + "/");
    ancestors_.pop_back();
  }

  void AddFile(const std::string& path, const struct stat& info) {
    if (!IsValidUtf8(path)) {
      problems.push_back({ToValidUtf8(path), "the name is not UTF-8"});
      return;
    }
    if (!IsSafeRelativePath(path)) {
      problems.push_back({path, "the name has control characters"});
      return;
    }
    files.push_back({path,
                     {},
                     static_cast<std::uint64_t>(info.st_size),
                     (info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0});
  }

  fs::path root_;
  std::string root_prefix_;
  const spec::IgnoreRules& rules_;
  std::vector<std::pair<dev_t, ino_t>> ancestors_;
};

// Digest and size of one file by one pass, so that they belong together.
Status HashFile(int root_fd, spec::SnapshotFile& file, std::vector<char>& buffer) {
  const Fd fd(::openat(root_fd, file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return Fail(ErrnoError("cannot be read", errno));
  Hasher hasher;
  std::uint64_t size = 0;
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrnoError("cannot be read", errno));
    if (got == 0) break;
    hasher.Update({buffer.data(), static_cast<std::size_t>(got)});
    size += static_cast<std::uint64_t>(got);
    if (size == file.size && static_cast<std::size_t>(got) < buffer.size()) break;
  }
  file.size = size;
  file.digest = hasher.Finish();
  return {};
}

// Two threads: one waits for the disk while the other hashes.
Result<std::vector<Problem>> HashAll(const fs::path& root, std::vector<spec::SnapshotFile>& files) {
  ROOST_ASSIGN(const Fd root_fd, OpenFile(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards problems
  std::vector<Problem> problems;
  const auto work = [&] {
    constexpr std::size_t kStep = 32;
    std::vector<char> buffer(256 << 10);
    for (std::size_t first = next.fetch_add(kStep); first < files.size();
         first = next.fetch_add(kStep)) {
      for (std::size_t i = first; i < std::min(first + kStep, files.size()); ++i) {
        if (auto hashed = HashFile(root_fd.get(), files[i], buffer); !hashed) {
          const std::lock_guard lock(mutex);
          problems.push_back({files[i].path, hashed.error().message});
        }
      }
    }
  };
  std::thread second(work);
  work();
  second.join();
  return problems;
}

Error ProblemsError(const std::string& sentence, const std::string& way_out,
                    std::vector<Problem> problems) {
  std::sort(problems.begin(), problems.end(),
            [](const Problem& a, const Problem& b) { return a.field < b.field; });
  Error error;
  error.code = ErrorCode::kInvalidArgument;
  error.message =
      sentence + ": " + problems.front().field + ": " + problems.front().message + ". " + way_out;
  const std::size_t more = problems.size() > kProblemsNamed ? problems.size() - kProblemsNamed : 0;
  if (more > 0) {
    problems.resize(kProblemsNamed);
    problems.push_back({"", "and " + std::to_string(more) + " more"});
  }
  error.details = std::move(problems);
  return error;
}

}  // namespace

Result<FolderSnapshot> ReadFolder(const fs::path& folder, const spec::SnapshotLimits& limits) {
  std::error_code failure;
  const fs::path root = fs::canonical(folder, failure);
  if (failure) {
    return Fail(ErrorCode::kInvalidArgument, "The source folder " + folder.string() +
                                                 " cannot be read: " + failure.message() + ".");
  }
  if (!fs::is_directory(root)) {
    return Fail(ErrorCode::kInvalidArgument,
                "The source folder " + folder.string() +
                    " is a file. Name the folder that holds it, then the script.");
  }
  ROOST_ASSIGN(const spec::IgnoreRules rules, ReadIgnoreRules(root));
  Walker walker(root, rules);
  walker.Walk();

  FolderSnapshot snapshot{root, {std::move(walker.files)}};
  auto& files = snapshot.manifest.files;
  std::sort(
      files.begin(), files.end(),
      [](const spec::SnapshotFile& a, const spec::SnapshotFile& b) { return a.path < b.path; });
  ROOST_TRY(spec::CheckSnapshotLimits(snapshot.manifest, limits));

  ROOST_ASSIGN(auto unreadable, HashAll(root, files));
  walker.problems.insert(walker.problems.end(), unreadable.begin(), unreadable.end());
  if (!walker.problems.empty()) {
    return Fail(ProblemsError("The snapshot of " + root.string() + " cannot be taken",
                              "Mend what is named here, or list it in .amlignore.",
                              std::move(walker.problems)));
  }
  return snapshot;
}

Result<FolderSnapshot> ReadDataFolder(const fs::path& path) {
  std::error_code failure;
  const fs::path root = fs::canonical(path, failure);
  if (failure) {
    return Fail(ErrorCode::kInvalidArgument,
                path.string() + " cannot be read: " + failure.message() + ".");
  }
  FolderSnapshot data{root, {}};
  std::vector<Problem> problems;
  if (fs::is_directory(root)) {
    const spec::IgnoreRules none;
    Walker walker(root, none);
    walker.Walk();
    data.manifest.files = std::move(walker.files);
    problems = std::move(walker.problems);
  } else {
    data.folder = root.parent_path();
    data.manifest.files.push_back({root.filename().string(), {}, fs::file_size(root), false});
  }
  auto& files = data.manifest.files;
  std::sort(
      files.begin(), files.end(),
      [](const spec::SnapshotFile& a, const spec::SnapshotFile& b) { return a.path < b.path; });
  ROOST_ASSIGN(auto unreadable, HashAll(data.folder, files));
  problems.insert(problems.end(), unreadable.begin(), unreadable.end());
  if (!problems.empty()) {
    return Fail(ProblemsError(root.string() + " cannot be uploaded",
                              "Mend what is named here, or move it away.", std::move(problems)));
  }
  return data;
}

}  // namespace roost::client
