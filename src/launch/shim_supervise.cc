#include "launch/shim_supervise.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>

namespace roost::launch {
namespace {

using std::chrono::milliseconds;

// What the main process leaves behind gets this long to end, at most the run's own grace.
constexpr milliseconds kLeftoverGrace{2000};
constexpr milliseconds kLongestGrace = std::chrono::hours(24 * 365);
// A change on another machine's side of a shared file system makes no inotify event.
constexpr milliseconds kCancelLook{1000};
constexpr milliseconds kMemoryLook{250};
constexpr milliseconds kFirstKillPause{20};
constexpr milliseconds kLongestKillPause{1000};
// Processes that carry the launch's mark but are not our descendants may be out of our reach.
constexpr int kMostStrayPasses = 20;

Fd SignalDescriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  return Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

Fd WatchThisFolder() {
  Fd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd.valid()) inotify_add_watch(fd.get(), ".", IN_CREATE | IN_MOVED_TO);
  return fd;
}

void Drain(int fd) {
  char buffer[4096];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
}

}  // namespace

Supervisor::Supervisor(const spec::LaunchRequest& request, const ProcessTree& tree, pid_t main)
    : request_(request),
      tree_(tree),
      main_(main),
      started_(std::chrono::steady_clock::now()),
      machine_oom_kills_at_start_(OomKillsOfMachine()),
      signals_(SignalDescriptor()),
      folder_changes_(WatchThisFolder()),
      next_memory_look_(started_) {}

TreeEnd Supervisor::Run() {
  while (!(ReapAll() && TreeIsGone())) {
    const Time now = std::chrono::steady_clock::now();
    Step(now);
    WaitForNews(UntilNextLook(std::chrono::steady_clock::now()));
  }
  end_.out_of_memory = WasKilledForMemory();
  const bool failed = !WIFEXITED(end_.wait_status) || WEXITSTATUS(end_.wait_status) != 0;
  if (end_.cause == spec::EndCause::kExited && failed && tree_.group().OomKills() > 0) {
    end_.cause = spec::EndCause::kMemoryLimit;
  }
  return end_;
}

void Supervisor::Step(Time now) {
  switch (phase_) {
    case Phase::kRunning:
      if (main_ended_) {
        BeginEnding(now, std::min(kLeftoverGrace, milliseconds(request_.grace_ms)));
      } else {
        CheckReasons(now);
      }
      break;
    case Phase::kTerminating:
      if (main_ended_) kill_at_ = std::min(kill_at_, now + kLeftoverGrace);
      if (now >= kill_at_) phase_ = Phase::kKilling;
      break;
    case Phase::kKilling:
      break;
  }
  if (phase_ == Phase::kKilling) {
    kill_sent_ = kill_sent_ || !main_ended_;
    ++kill_passes_;
    tree_.Kill();
  }
}

bool Supervisor::ReapAll() {
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid == 0) return false;
    if (pid < 0) {
      if (errno == EINTR) continue;
      return errno == ECHILD;
    }
    if (pid == main_) {
      main_ended_ = true;
      end_.wait_status = status;
    }
  }
}

bool Supervisor::TreeIsGone() {
  return tree_.Members().empty() || ++stray_passes_ > kMostStrayPasses;
}

void Supervisor::CheckReasons(Time now) {
  if (const auto grace = CancelGrace()) {
    EndFor(spec::EndCause::kCanceled, now, *grace);
  } else if (request_.time_limit_ms > 0 && now - started_ >= milliseconds(request_.time_limit_ms)) {
    EndFor(spec::EndCause::kTimeLimit, now, milliseconds(request_.grace_ms));
  } else if (IsOverMemory(now)) {
    // The machine's memory is at stake: no time for a farewell.
    EndFor(spec::EndCause::kMemoryLimit, now, milliseconds(0));
  }
}

void Supervisor::EndFor(spec::EndCause cause, Time now, milliseconds grace) {
  end_.cause = cause;
  BeginEnding(now, grace);
}

void Supervisor::BeginEnding(Time now, milliseconds grace) {
  kill_at_ = now + std::min(grace, kLongestGrace);
  phase_ = grace.count() > 0 ? Phase::kTerminating : Phase::kKilling;
  if (phase_ == Phase::kTerminating) tree_.Terminate();
}

std::optional<milliseconds> Supervisor::CancelGrace() {
  const milliseconds usual(request_.grace_ms);
  if (sigterm_) return usual;
  if (access(spec::launch_files::kCancel, F_OK) != 0) return std::nullopt;
  const std::string text = ReadSmallFile(spec::launch_files::kCancel);
  std::int64_t grace_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), grace_ms);
  if (error != std::errc{} || grace_ms < 0) return usual;
  return milliseconds(grace_ms);
}

bool Supervisor::IsOverMemory(Time now) {
  if (request_.memory_limit_mb <= 0 || now < next_memory_look_) return false;
  next_memory_look_ = now + kMemoryLook;
  // The kernel may have ended one process only. A training job that lost a worker hangs; better
  // that all of it ends.
  if (tree_.group().LimitsMemory()) return tree_.group().OomKills() > 0;

  const std::int64_t limit_kb = request_.memory_limit_mb * 1024;
  const std::set<ProcessId> processes = tree_.Descendants();
  // Shared pages count once for each process in the cheap figure: only a reason to look closer.
  return ResidentKb(processes) > limit_kb && ProportionalKb(processes) > limit_kb;
}

bool Supervisor::WasKilledForMemory() const {
  if (end_.cause == spec::EndCause::kMemoryLimit || tree_.group().OomKills() > 0) return true;
  const bool killed = WIFSIGNALED(end_.wait_status) && WTERMSIG(end_.wait_status) == SIGKILL;
  return killed && !kill_sent_ && OomKillsOfMachine() > machine_oom_kills_at_start_;
}

milliseconds Supervisor::UntilNextLook(Time now) const {
  const auto until = [now](Time then) {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(then - now));
  };
  if (phase_ == Phase::kKilling) {
    const int doublings = std::min(kill_passes_ - 1, 10);
    return std::min(kLongestKillPause, kFirstKillPause * (1 << std::max(doublings, 0)));
  }
  if (phase_ == Phase::kTerminating) return std::min(kCancelLook, until(kill_at_));
  milliseconds wait = kCancelLook;
  if (request_.time_limit_ms > 0) {
    wait = std::min(wait, until(started_ + milliseconds(request_.time_limit_ms)));
  }
  if (request_.memory_limit_mb > 0) wait = std::min(wait, until(next_memory_look_));
  return wait;
}

void Supervisor::WaitForNews(milliseconds at_most) {
  pollfd wanted[] = {{signals_.get(), POLLIN, 0}, {folder_changes_.get(), POLLIN, 0}};
  poll(wanted, std::size(wanted), static_cast<int>(at_most.count()));
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM) sigterm_ = true;
  }
  if (folder_changes_.valid()) Drain(folder_changes_.get());
}

}  // namespace roost::launch
