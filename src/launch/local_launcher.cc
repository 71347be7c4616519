#include "launch/local_launcher.h"

#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/subprocess.h"
#include "launch/launch_folder.h"
#include "launch/process_tree.h"
#include "launch/shim.h"

namespace roost::launch {
namespace {

namespace files = spec::launch_files;
using std::chrono::milliseconds;

constexpr milliseconds kClaimLook{5};    // while a started shim has not claimed yet
constexpr milliseconds kLiveLook{50};    // at launches that an earlier server started
constexpr milliseconds kEndingLook{20};  // at a tree that lost its shim
// Unseen twice, because a process that is just being executed shows no environment.
constexpr int kLooksUntilGone = 2;
constexpr int kMostEndingLooks = 500;  // ten seconds, then we say that we could not

// Plain, because nobody reads it before the shim, which starts when it is complete. Its environment
// holds the run's token, so it is nobody else's to read.
Status WriteRequest(const spec::LaunchRequest& request, const fs::path& path) {
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return WriteAll(file.get(), spec::ToJsonText(request), path);
}

Result<Subprocess> StartShim(const fs::path& folder) {
  SubprocessOptions options;
  options.argv = {(folder / files::kShim).string(), folder.string()};
  options.working_folder = folder;
  options.new_session = true;
  return Subprocess::Start(options);
}

std::string ShimFailure(const ExitStatus& status) {
  if (status.signal) return "was killed by signal " + std::to_string(*status.signal);
  return "ended with code " + std::to_string(status.code);
}

}  // namespace

struct LocalLauncher::State {
  // One launch from Start or Reattach to Exited or Lost.
  struct Launch {
    explicit Launch(fs::path path) : folder(std::move(path)) {}
    LaunchFolder folder;
    std::optional<Subprocess> shim;  // while it is our child
    bool told_started = false;
    // Set once the shim is found gone without a record: its tree is ended, then this is told.
    std::optional<std::string> lost;
    bool looked = false;
    bool warned = false;
    int ending_looks = 0;
    int empty_looks = 0;
  };

  State(EventLoop& event_loop, fs::path program, LaunchListener news)
      : loop(event_loop), shim_program(std::move(program)), listener(std::move(news)) {}

  void LookAtAll();
  void Look(const std::string& id, Launch& launch);
  void ShimEnded(const std::string& id);
  void Settle(const std::string& id, Launch& launch, const std::string& shim_failure);
  void EndTree(const std::string& id, Launch& launch);
  void TellStarted(const std::string& id, Launch& launch, Micros at);
  void Finish(const std::string& id, LaunchEvent event);
  void Schedule();
  std::optional<milliseconds> NextLook() const;

  EventLoop& loop;
  const fs::path shim_program;
  const LaunchListener listener;
  std::map<std::string, Launch> launches;
  std::optional<EventLoop::TimerId> timer;
  milliseconds timer_delay{0};
};

LocalLauncher::LocalLauncher(EventLoop& loop, fs::path shim_program, LaunchListener listener)
    : state_(std::make_unique<State>(loop, std::move(shim_program), std::move(listener))) {}

LocalLauncher::~LocalLauncher() {
  if (state_->timer) state_->loop.CancelTimer(*state_->timer);
  for (const auto& [id, launch] : state_->launches) {
    if (launch.shim) state_->loop.Unwatch(launch.shim->pidfd());
  }
}

Status LocalLauncher::Start(const spec::LaunchRequest& request, const fs::path& launch_folder) {
  const std::string& id = request.launch_id;
  if (state_->launches.contains(id)) {
    return Fail(ErrorCode::kConflict, "The launch " + id + " was started already.");
  }
  ROOST_ASSIGN(const fs::path folder, AbsolutePath(launch_folder));
  ROOST_TRY(MakeFolders(folder));
  ROOST_TRY(CopyFile(state_->shim_program, folder / files::kShim, 0755));
  ROOST_TRY(WriteRequest(request, folder / files::kRequest));
  ROOST_ASSIGN(Subprocess shim, StartShim(folder));

  State::Launch& launch = state_->launches.emplace(id, folder).first->second;
  launch.shim = std::move(shim);
  state_->loop.Watch(launch.shim->pidfd(), [state = state_.get(), id] { state->ShimEnded(id); });
  state_->Schedule();
  return {};
}

void LocalLauncher::Reattach(const std::string& launch_id, const fs::path& launch_folder) {
  state_->launches.emplace(launch_id, launch_folder);
  state_->Schedule();
}

void LocalLauncher::Stop(const std::string& launch_id, const fs::path& launch_folder) {
  const LaunchFolder folder(launch_folder);
  const Status asked = folder.AskToCancel();
  if (asked) return;
  // The disk may be full; a signal needs no room on it.
  LogWarning("cancel_file_failed", {{"launch", launch_id}, {"error", asked.error().message}});
  const auto launch = state_->launches.find(launch_id);
  if (launch != state_->launches.end() && launch->second.shim) {
    static_cast<void>(launch->second.shim->Signal(SIGTERM));
  } else {
    folder.SignalShim(SIGTERM);
  }
}

void LocalLauncher::State::LookAtAll() {
  std::vector<std::string> ids;
  for (const auto& [id, launch] : launches) ids.push_back(id);
  // The listener may start and stop launches while we go through them.
  for (const std::string& id : ids) {
    const auto launch = launches.find(id);
    if (launch != launches.end()) Look(id, launch->second);
  }
  Schedule();
}

void LocalLauncher::State::Look(const std::string& id, Launch& launch) {
  if (launch.lost) return EndTree(id, launch);
  launch.looked = true;
  if (!launch.shim && !launch.folder.HasLiveShim()) return Settle(id, launch, "is gone");
  if (launch.told_started) return;
  const std::optional<spec::Claim> claim = launch.folder.ReadClaim();
  if (claim && claim->child_pid != 0) TellStarted(id, launch, claim->time);
}

void LocalLauncher::State::ShimEnded(const std::string& id) {
  Launch& launch = launches.at(id);
  loop.Unwatch(launch.shim->pidfd());
  const Result<ExitStatus> status = launch.shim->Wait();
  launch.shim.reset();
  Settle(id, launch, status ? ShimFailure(*status) : "is gone");
  Schedule();
}

// The shim is gone: finds out what it left.
void LocalLauncher::State::Settle(const std::string& id, Launch& launch,
                                  const std::string& shim_failure) {
  switch (const LaunchFolder::End end = launch.folder.FindEnd(); end.kind) {
    case LaunchFolder::EndKind::kRecord:
      // A launch that ended between two looks has begun, too, unless its program never ran.
      if (end.record.cause != spec::EndCause::kStartFailed && end.record.pid != 0) {
        TellStarted(id, launch, end.record.started_at);
      }
      return Finish(id, Exited{end.record});
    case LaunchFolder::EndKind::kUnreadable:
      return Finish(id, Lost{"The exit record cannot be read: " + end.message});
    case LaunchFolder::EndKind::kNeverStarted:
      return Finish(id, Lost{"The launch never started: its supervisor roost-shim " + shim_failure +
                             " before it began."});
    case LaunchFolder::EndKind::kOtherBoot:
      return Finish(id, Lost{"The machine was restarted while the run was going on."});
    case LaunchFolder::EndKind::kStillAlive:
      return;  // followed by its lock from now on
    case LaunchFolder::EndKind::kUnknownYet:
      // Must not be told as lost while it might still start, or have a record; looked at again.
      if (!std::exchange(launch.warned, true)) {
        LogWarning("launch_end_unknown", {{"launch", id}, {"error", end.message}});
      }
      return;
    case LaunchFolder::EndKind::kNoRecord:
      launch.lost = "The run's supervisor roost-shim " + shim_failure +
                    " without an exit record, so how the run ended is unknown; what was left of "
                    "its processes was ended.";
      return EndTree(id, launch);
  }
}

void LocalLauncher::State::EndTree(const std::string& id, Launch& launch) {
  const ProcessTree tree(id, launch.folder.Groups(), 0);
  const bool empty = tree.Members().empty();
  launch.empty_looks = empty ? launch.empty_looks + 1 : 0;
  if (launch.empty_looks >= kLooksUntilGone) {
    tree.group().Remove();
    Finish(id, Lost{*launch.lost});
  } else if (++launch.ending_looks > kMostEndingLooks) {
    Finish(id, Lost{"The run's supervisor roost-shim is gone, and some of the run's processes "
                    "could not be ended; look for ROOST_LAUNCH_ID=" +
                    id + " in their environment."});
  } else if (!empty) {
    tree.Kill();
  }
}

void LocalLauncher::State::TellStarted(const std::string& id, Launch& launch, Micros at) {
  if (std::exchange(launch.told_started, true)) return;
  listener(id, Started{at});
}

void LocalLauncher::State::Finish(const std::string& id, LaunchEvent event) {
  const std::string name = id;  // `id` may be the key that is erased
  launches.erase(name);
  listener(name, event);
}

std::optional<milliseconds> LocalLauncher::State::NextLook() const {
  std::optional<milliseconds> next;
  for (const auto& [id, launch] : launches) {
    if (launch.shim && launch.told_started) continue;  // its descriptor tells the rest
    milliseconds wanted = launch.shim ? kClaimLook : kLiveLook;
    if (!launch.shim && !launch.looked) wanted = milliseconds(0);
    if (launch.lost) wanted = kEndingLook;
    next = std::min(next.value_or(wanted), wanted);
  }
  return next;
}

// Keeps one timer for all launches, as short as the most urgent needs.
void LocalLauncher::State::Schedule() {
  const std::optional<milliseconds> next = NextLook();
  if (timer && (!next || *next < timer_delay)) {
    loop.CancelTimer(*timer);
    timer.reset();
  }
  if (timer || !next) return;
  timer_delay = *next;
  timer = loop.After(*next, [this] {
    timer.reset();
    LookAtAll();
  });
}

}  // namespace roost::launch
