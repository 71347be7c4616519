#include "base/subprocess.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "base/strings.h"

#ifdef __SANITIZE_THREAD__
// The thread sanitizer's own clone takes every child for a fork and then refuses new threads here.
// This is the C library's other name for the same function.
extern "C" int __clone(int (*)(void*), void*, int, void*, ...) noexcept;
#define clone __clone
#endif

namespace roost {
namespace {

// What execvp searches when there is no PATH.
constexpr char kDefaultPath[] = "/bin:/usr/bin";
constexpr std::size_t kChildStackBytes = 64 << 10;

// A program that was written a moment ago may still be open for writing in a child that another
// thread is just starting (ETXTBSY). Such a child closes it within milliseconds; on a machine that
// is overloaded, within seconds.
constexpr int kBusyTries = 1000;
constexpr std::chrono::milliseconds kBusyPause{5};

enum class Step { kNone, kDescriptors, kSession, kFolder, kExec };

// All that the child needs, made before it starts; the child reports where it failed in it.
struct ChildPlan {
  const char* program = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  const char* working_folder = nullptr;
  int descriptors[3] = {-1, -1, -1};
  bool new_session = false;

  Step failed_step = Step::kNone;
  int error = 0;
};

[[gnu::no_sanitize("address", "thread", "undefined")]] int GiveUp(ChildPlan& plan, Step step) {
  plan.failed_step = step;
  plan.error = errno;
  return 127;
}

// The kernel's size of a set of signals, and room for its struct sigaction on every machine.
constexpr std::size_t kSignalSetBytes = 8;
constexpr std::size_t kActionBytes = 64;

// The child from its first to its last instruction of ours. It shares our memory while the thread
// that started it stands still. So it makes system calls and no more: what the C library or a
// sanitizer notes down about signals and descriptors is the parent's.
[[gnu::no_sanitize("address", "thread", "undefined")]] int RunChild(void* argument) {
  ChildPlan& plan = *static_cast<ChildPlan*>(argument);

  // Handlers go before signals are let in: they would run in our memory. All zero is SIG_DFL, and
  // no signal blocked. KILL and STOP refuse, which is right.
  alignas(8) const char zeros[kActionBytes] = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    syscall(SYS_rt_sigaction, signal, zeros, nullptr, kSignalSetBytes);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, nullptr, kSignalSetBytes);

  // First out of the way of 0, 1 and 2, so that no source is overwritten before its turn.
  int sources[3];
  for (int i = 0; i < 3; ++i) {
    sources[i] = static_cast<int>(syscall(SYS_fcntl, plan.descriptors[i], F_DUPFD, 3));
    if (sources[i] < 0) return GiveUp(plan, Step::kDescriptors);
  }
  for (int i = 0; i < 3; ++i) {
    if (syscall(SYS_dup3, sources[i], i, 0) < 0) return GiveUp(plan, Step::kDescriptors);
  }
  if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0) return GiveUp(plan, Step::kDescriptors);

  if (plan.new_session && setsid() < 0) return GiveUp(plan, Step::kSession);
  if (plan.working_folder != nullptr && chdir(plan.working_folder) != 0) {
    return GiveUp(plan, Step::kFolder);
  }
  execve(plan.program, plan.argv, plan.environment);
  return GiveUp(plan, Step::kExec);
}

class ChildStack {
 public:
  ChildStack()
      : base_(mmap(nullptr, kChildStackBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~ChildStack() {
    if (valid()) munmap(base_, kChildStackBytes);
  }
  ChildStack(const ChildStack&) = delete;
  bool valid() const { return base_ != MAP_FAILED; }
  void* top() const { return static_cast<char*>(base_) + kChildStackBytes; }

 private:
  void* base_;
};

struct Child {
  int pid = -1;
  Fd pidfd;
};

// Returns when the child has become the program or has given up; the plan tells which.
Result<Child> Clone(ChildPlan& plan) {
  const ChildStack stack;
  if (!stack.valid()) return Fail(ErrnoError("making a process", errno));

  // No handler of ours may run in the child, which has our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const int pid =
      clone(RunChild, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) return Fail(ErrnoError("making a process", error));
  return Child{pid, Fd(pidfd)};
}

// Waits for the child's end by its descriptor and takes it off the process table.
int Reap(int pidfd, siginfo_t& info, rusage& usage) {
  while (true) {
    // Only the system call itself, not the C library's function, tells the resource use.
    if (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED, &usage) == 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool IsExecutableFile(const std::filesystem::path& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

Status CheckOptions(const SubprocessOptions& options) {
  if (options.argv.empty() || options.argv.front().empty()) {
    return Fail(ErrorCode::kInvalidArgument, "There is no program to start: the command is empty.");
  }
  if (std::any_of(options.argv.begin(), options.argv.end(), HasNul)) {
    return Fail(ErrorCode::kInvalidArgument,
                "An argument of " + options.argv.front() + " holds a NUL character.");
  }
  for (const auto& [name, value] : options.environment) {
    if (name.empty() || name.find('=') != std::string::npos || HasNul(name) || HasNul(value)) {
      return Fail(ErrorCode::kInvalidArgument,
                  "The environment variable \"" + ToValidUtf8(name) +
                      "\" cannot be set: names are not empty and hold no '=', and neither name nor "
                      "value holds a NUL character.");
    }
  }
  return {};
}

// A name is looked up in PATH; a path is left as it is, relative to the child's working folder.
Result<std::string> ResolveProgram(const SubprocessOptions& options) {
  const std::string& name = options.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const auto path = options.environment.find("PATH");
  const std::string search = path != options.environment.end() ? path->second : kDefaultPath;
  const std::optional<std::filesystem::path> found = FindProgram(name, search);
  if (!found) {
    return Fail(ErrorCode::kNotFound, "There is no program \"" + name + "\" in PATH (" + search +
                                          "). Install it or give its full path.");
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(*found, error);
  return error ? found->string() : absolute.string();
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

Error StartError(const ChildPlan& plan, const SubprocessOptions& options) {
  const std::string starting = "starting " + options.argv.front();
  switch (plan.failed_step) {
    case Step::kFolder:
      return ErrnoError(starting + " in the folder " + options.working_folder.string(), plan.error);
    case Step::kExec: {
      Error error = ErrnoError(starting, plan.error);
      if (plan.error == ENOENT && IsExecutableFile(options.working_folder / plan.program)) {
        error.message +=
            "; the file is there, but the interpreter that its first line names is not";
      } else if (plan.error == ENOEXEC) {
        error.message += "; a script needs a first line such as #!/bin/sh";
      } else if (plan.error == EACCES) {
        error.message += "; is it a file that you may execute?";
      }
      return error;
    }
    default:
      return ErrnoError(starting, plan.error);
  }
}

}  // namespace

Result<Subprocess> Subprocess::Start(const SubprocessOptions& options) {
  ROOST_TRY(CheckOptions(options));
  ROOST_ASSIGN(const std::string program, ResolveProgram(options));
  ROOST_ASSIGN(const Fd nothing, OpenFile("/dev/null", O_RDWR));

  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> environment = Pointers(variables);

  ChildPlan plan;
  plan.program = program.c_str();
  plan.argv = argv.data();
  plan.environment = environment.data();
  plan.working_folder = options.working_folder.empty() ? nullptr : options.working_folder.c_str();
  plan.new_session = options.new_session;
  const int given[3] = {options.stdin_fd, options.stdout_fd, options.stderr_fd};
  for (int i = 0; i < 3; ++i) plan.descriptors[i] = given[i] >= 0 ? given[i] : nothing.get();

  for (int tries = 1;; ++tries) {
    plan.failed_step = Step::kNone;
    ROOST_ASSIGN(Child child, Clone(plan));
    if (plan.failed_step == Step::kNone) {
      Subprocess process;
      process.pid_ = child.pid;
      process.pidfd_ = std::move(child.pidfd);
      return process;
    }
    siginfo_t info{};
    rusage usage{};
    Reap(child.pidfd.get(), info, usage);
    if (plan.error != ETXTBSY || tries == kBusyTries) return Fail(StartError(plan, options));
    std::this_thread::sleep_for(kBusyPause);
  }
}

Status Subprocess::Signal(int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0U) == 0) return {};
  return Fail(ErrnoError("signaling process " + std::to_string(pid_), errno));
}

Result<ExitStatus> Subprocess::Wait() {
  ExitStatus status;
  siginfo_t info{};
  if (const int error = Reap(pidfd_.get(), info, status.usage); error != 0) {
    return Fail(ErrnoError("waiting for process " + std::to_string(pid_), error));
  }
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.code = 128 + info.si_status;
    status.signal = info.si_status;
  }
  return status;
}

std::map<std::string, std::string> CurrentEnvironment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) continue;
    // The first of two equal names is the one that getenv finds.
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::optional<std::filesystem::path> FindProgram(const std::string& name,
                                                 const std::string& search_path) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string::npos) {
    if (IsExecutableFile(name)) return name;
    return std::nullopt;
  }
  for (const std::string& folder : Split(search_path, ':')) {
    // An empty part stands for the current folder.
    const std::filesystem::path path = std::filesystem::path(folder.empty() ? "." : folder) / name;
    if (IsExecutableFile(path)) return path;
  }
  return std::nullopt;
}

}  // namespace roost
