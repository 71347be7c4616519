#include "environments/command_runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <thread>

#include "base/check.h"

namespace roost::environments {
namespace {

// How often followers of the log get what is new.
constexpr int kPumpMilliseconds = 100;

// Longer only when the disk hangs; then the lock, which the processes have, still protects the
// folder.
constexpr std::chrono::seconds kEndLimit{10};

using SteadyClock = std::chrono::steady_clock;

SubprocessOptions ToOptions(const Command& command) {
  return {.argv = command.argv,
          .environment = command.environment,
          .working_folder = command.working_folder,
          .stdin_fd = command.stdin_fd,
          .new_session = true};
}

// True when the child has ended; a canceled wait is looked at in between.
bool WaitAWhile(const Subprocess& child, const Cancellation& cancel) {
  // A canceled event stays readable, so that it would end every further wait at once.
  const int event = cancel.IsCanceled() ? -1 : cancel.fd();
  std::array<pollfd, 2> waits{{{child.pidfd(), POLLIN, 0}, {event, POLLIN, 0}}};
  return poll(waits.data(), waits.size(), kPumpMilliseconds) > 0 && waits[0].revents != 0;
}

// The living processes of a session: what a program started, in groups of their own too.
std::vector<pid_t> MembersOf(pid_t session) {
  std::vector<pid_t> members;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadFile(entry->path() / "stat").value_or("");
    // "23959 (a name) S 1 23958 23958 ...": state, parent, group, session.
    const auto name_end = stat.rfind(')');
    char state = 'X';
    int parent = 0;
    int group = 0;
    int its_session = 0;
    if (name_end == std::string::npos || std::sscanf(stat.c_str() + name_end + 1, " %c %d %d %d",
                                                     &state, &parent, &group, &its_session) != 4) {
      continue;
    }
    if (its_session == session && state != 'Z' && state != 'X') members.push_back(std::stoi(name));
  }
  return members;
}

// A killed process lives until the kernel comes to it, and what it writes until then would land in
// the next build. Requires: the session's leader is not reaped, so that the id is no other's.
void EndSession(pid_t session) {
  const SteadyClock::time_point deadline = SteadyClock::now() + kEndLimit;
  while (SteadyClock::now() < deadline) {
    const std::vector<pid_t> members = MembersOf(session);
    if (members.empty()) return;
    for (const pid_t member : members) kill(member, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// What a session's processes, and those that they waited for, have written into files and pipes:
// a download lands in a cache or a temporary folder before it lands in the environment's. 0 where
// the kernel does not count it.
std::uint64_t WrittenBy(pid_t session) {
  constexpr std::string_view kField = "wchar: ";
  std::uint64_t sum = 0;
  for (const pid_t member : MembersOf(session)) {
    const std::string io = ReadFile("/proc/" + std::to_string(member) + "/io").value_or("");
    const auto at = io.find(kField);
    std::uint64_t bytes = 0;
    if (at != std::string::npos) {
      std::from_chars(io.data() + at + kField.size(), io.data() + io.size(), bytes);
    }
    sum += bytes;
  }
  return sum;
}

// Puts a line into the log after each `limit` in which a program wrote nothing there.
class QuietWatch {
 public:
  QuietWatch(BuildLog& log, pid_t session, std::chrono::milliseconds limit)
      : log_(log), session_(session), limit_(limit), size_(log.Size()) {}

  void Look() {
    const SteadyClock::time_point now = SteadyClock::now();
    if (const std::uint64_t size = log_.Size(); size != size_) {
      size_ = size;
      heard_ = now;
    } else if (now - heard_ >= limit_) {
      written_ = std::max(written_, WrittenBy(session_));
      log_.StillAtWork(std::chrono::duration_cast<std::chrono::seconds>(now - begin_), written_);
      size_ = log_.Size();
      heard_ = now;
    }
  }

 private:
  BuildLog& log_;
  const pid_t session_;
  const std::chrono::milliseconds limit_;
  const SteadyClock::time_point begin_ = SteadyClock::now();
  SteadyClock::time_point heard_ = begin_;
  std::uint64_t size_;
  std::uint64_t written_ = 0;
};

}  // namespace

Cancellation::Cancellation() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ROOST_CHECK(event_.valid());
}

void Cancellation::Cancel() {
  canceled_ = true;
  const std::uint64_t one = 1;
  static_cast<void>(!write(event_.get(), &one, sizeof one));
}

Result<int> ProcessRunner::Run(const Command& command, BuildLog& log, const Cancellation& cancel) {
  const auto canceled = [&] {
    return Fail(ErrorCode::kUnavailable, command.argv.front() + " was canceled.");
  };
  if (cancel.IsCanceled()) return canceled();
  SubprocessOptions options = ToOptions(command);
  options.stdout_fd = log.fd();
  options.stderr_fd = log.fd();
  ROOST_ASSIGN(Subprocess child, Subprocess::Start(options));

  bool terminated = false;
  SteadyClock::time_point kill_at{};
  QuietWatch watch(log, child.pid(), quiet_);
  while (!WaitAWhile(child, cancel)) {
    log.Pump();
    watch.Look();
    if (!cancel.IsCanceled()) continue;
    if (!terminated) {
      terminated = true;
      kill(-child.pid(), SIGTERM);
      kill_at = SteadyClock::now() + grace_;
    } else if (SteadyClock::now() >= kill_at) {
      kill(-child.pid(), SIGKILL);
    }
  }
  EndSession(child.pid());
  ROOST_ASSIGN(const ExitStatus status, child.Wait());
  log.Pump();
  if (cancel.IsCanceled()) return canceled();
  return status.code;
}

Result<CapturedRun> ProcessRunner::Ask(const Command& command, std::chrono::milliseconds limit) {
  return RunAndCapture(ToOptions(command), limit);
}

}  // namespace roost::environments
