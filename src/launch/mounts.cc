#include "launch/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace roost::launch {
namespace {

// As in linux/mount.h, which does not go together with older sys/mount.h.
struct MountAttributes {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  std::uint64_t propagation = 0;
  std::uint64_t user_namespace = 0;
};
constexpr std::uint64_t kReadOnly = 1;
constexpr unsigned kRecursive = 0x8000;
#ifdef SYS_mount_setattr
constexpr long kMountSetattr = SYS_mount_setattr;
#else
constexpr long kMountSetattr = 442;
#endif

// For kernels before 5.12. The flags that are there must be given again, or it is refused where the
// mount comes from another user's namespace.
bool MakeOneReadOnly(const char* target) {
  struct statvfs info {};
  if (statvfs(target, &info) != 0) return false;
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
  if ((info.f_flag & ST_NOSUID) != 0) flags |= MS_NOSUID;
  if ((info.f_flag & ST_NODEV) != 0) flags |= MS_NODEV;
  if ((info.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  return mount(nullptr, target, nullptr, flags, nullptr) == 0;
}

bool BindReadOnly(const char* source, const char* target) {
  if (mount(source, target, nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  MountAttributes attributes;
  attributes.set = kReadOnly;
  if (syscall(kMountSetattr, AT_FDCWD, target, kRecursive, &attributes, sizeof attributes) == 0) {
    return true;
  }
  if (errno != ENOSYS) return false;
  // What is mounted below could not be protected, so it is left out.
  if (umount2(target, MNT_DETACH) != 0) return false;
  return mount(source, target, nullptr, MS_BIND, nullptr) == 0 && MakeOneReadOnly(target);
}

}  // namespace

int EnterMounts(const std::vector<spec::BindMount>& mounts, std::size_t* failed) {
  *failed = mounts.size();
  if (mounts.empty()) return 0;
  if (unshare(CLONE_NEWNS) != 0) return errno;
  // What the machine mounts later still comes; what is mounted here does not leave.
  if (mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return errno;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    *failed = i;
    if (!BindReadOnly(mounts[i].source.c_str(), mounts[i].target.c_str())) return errno;
  }
  return 0;
}

bool CanMount(const fs::path& folder) {
  const std::vector<spec::BindMount> mounts = {{folder.string(), folder.string()}};
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    std::size_t failed = 0;
    _exit(EnterMounts(mounts, &failed) == 0 ? 0 : 1);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace roost::launch
