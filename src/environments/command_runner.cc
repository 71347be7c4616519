#include "environments/command_runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace roost::environments {
namespace {

// How often followers of the log get what is new.
constexpr int kPumpMilliseconds = 100;

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
  while (!WaitAWhile(child, cancel)) {
    log.Pump();
    if (!cancel.IsCanceled()) continue;
    if (!terminated) {
      terminated = true;
      kill(-child.pid(), SIGTERM);
      kill_at = SteadyClock::now() + grace_;
    } else if (SteadyClock::now() >= kill_at) {
      kill(-child.pid(), SIGKILL);
    }
  }
  // What it left behind must not write into the folder any more. Before the child is reaped its id
  // cannot be another's.
  kill(-child.pid(), SIGKILL);
  ROOST_ASSIGN(const ExitStatus status, child.Wait());
  log.Pump();
  if (cancel.IsCanceled()) return canceled();
  return status.code;
}

Result<CapturedRun> ProcessRunner::Ask(const Command& command, std::chrono::milliseconds limit) {
  return RunAndCapture(ToOptions(command), limit);
}

}  // namespace roost::environments
