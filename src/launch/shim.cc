#include "launch/shim.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/clock.h"
#include "launch/proc.h"
#include "launch/process_tree.h"
#include "launch/shim_child.h"
#include "launch/shim_supervise.h"
#include "spec/launch_format.h"

namespace roost::launch {
namespace {

namespace files = spec::launch_files;

// While the disk is full the record is tried again this often.
constexpr unsigned kRecordPauseSeconds = 1;

void SetUpSignals() {
  for (const int ignored : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2}) {
    ::signal(ignored, SIG_IGN);
  }
  sigset_t waited_for;
  sigemptyset(&waited_for);
  sigaddset(&waited_for, SIGCHLD);
  sigaddset(&waited_for, SIGTERM);
  sigprocmask(SIG_SETMASK, &waited_for, nullptr);
}

// Nothing of the server stays open here, and 0 to 2 are taken, so that no file of ours gets them.
void CloseInherited() {
  close_range(STDERR_FILENO + 1, ~0U, 0);
  int fd = 0;
  while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO) {
  }
  close(fd);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

void AddResourceUse(spec::ExitRecord& record) {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  record.user_cpu_seconds = Seconds(usage.ru_utime);
  record.system_cpu_seconds = Seconds(usage.ru_stime);
  record.max_rss_kb = usage.ru_maxrss;
}

void AddEnd(spec::ExitRecord& record, const TreeEnd& end) {
  record.cause = end.cause;
  record.out_of_memory = end.out_of_memory;
  if (WIFSIGNALED(end.wait_status)) {
    record.signal = WTERMSIG(end.wait_status);
    record.code = 128 + *record.signal;
  } else {
    record.code = WEXITSTATUS(end.wait_status);
  }
}

void AddStartFailure(spec::ExitRecord& record, const Error& error) {
  record.cause = spec::EndCause::kStartFailed;
  record.code = 127;
  record.message = error.message;
}

void AddCanceledBeforeStart(spec::ExitRecord& record) {
  record.cause = spec::EndCause::kCanceled;
  record.signal = SIGTERM;
  record.code = 128 + SIGTERM;
  record.pid = 0;
}

// Nothing else remembers how the launch ended, so a full disk is waited for.
void WriteRecord(const spec::ExitRecord& record) {
  const std::string text = spec::ToJsonText(record);
  while (true) {
    const Status written = WriteFileAtomic(files::kExit, text);
    // Not found: the whole launch folder was removed, so nobody waits for the record.
    if (written || written.error().code == ErrorCode::kNotFound) return;
    sleep(kRecordPauseSeconds);
  }
}

// Not synced: it is of use in this boot only. Without it a killed shim's tree is still found by the
// processes' environment.
void WriteGroups(const RunGroup& group) {
  if (const Result<Fd> file = OpenFile(kGroupsFile, O_WRONLY | O_CREAT | O_TRUNC)) {
    static_cast<void>(WriteAll(file->get(), group.ToText(), kGroupsFile));
  }
}

Result<spec::LaunchRequest> ReadRequest() {
  ROOST_ASSIGN(const std::string text, ReadFile(files::kRequest));
  return spec::ParseLaunchRequest(text);
}

// Makes the claim appear complete and only once; kConflict when the launch was fenced. It is synced
// later, beside the running program: until then a power failure ends the program and its claim
// together, and the script's first line does not wait for the disk.
Result<Fd> MakeClaim(const spec::Claim& claim) {
  const std::string temporary = ".claim-" + std::to_string(getpid());
  ROOST_ASSIGN(Fd file, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC));
  Status made = WriteAll(file.get(), spec::ToJsonText(claim), temporary);
  if (made && link(temporary.c_str(), files::kClaim) != 0) {
    made = Fail(ErrnoError("claiming the launch", errno));
  }
  unlink(temporary.c_str());
  ROOST_TRY(made);
  return file;
}

void SyncClaim(const Fd& claim) {
  fsync(claim.get());
  static_cast<void>(SyncFolder("."));
}

// Starts the claimed program and watches it to the end.
void RunClaimed(const spec::LaunchRequest& request, const ProcessTree& tree, const Fd& claim,
                ShimChild& child, spec::ExitRecord& record) {
  if (access(files::kCancel, F_OK) == 0) {
    child.Abandon();
    AddCanceledBeforeStart(record);
  } else if (const Status started = child.Release(); !started) {
    AddStartFailure(record, started.error());
  } else {
    SyncClaim(claim);
    AddEnd(record, Supervisor(request, tree, child.pid()).Run());
  }
}

// False when the launch was fenced: then nothing was started and there is nothing to tell.
bool RunLaunch(const spec::LaunchRequest& request, TreeControl best, spec::ExitRecord& record) {
  const ProcessTree tree(
      request.launch_id,
      RunGroup::Create(request.launch_id, request.memory_limit_mb, best, FindOwnGroups()),
      getpid());
  WriteGroups(tree.group());

  bool ours = true;
  if (auto child = ShimChild::Fork(request, tree.group())) {
    record.pid = child->pid();
    const spec::Claim claim{.launch_id = request.launch_id,
                            .boot_id = record.boot_id,
                            .shim_pid = getpid(),
                            .child_pid = child->pid(),
                            .time = record.started_at};
    if (const Result<Fd> claimed = MakeClaim(claim)) {
      RunClaimed(request, tree, *claimed, *child, record);
    } else {
      child->Abandon();
      ours = claimed.error().code != ErrorCode::kConflict;
      if (ours) AddStartFailure(record, claimed.error());
    }
  } else {
    AddStartFailure(record, child.error());
  }
  tree.group().Remove();
  return ours;
}

}  // namespace

int RunShim(const fs::path& launch_folder, TreeControl best) {
  SetUpSignals();
  CloseInherited();
  // From here all names are relative, so the data folder may be moved while the launch runs.
  if (chdir(launch_folder.c_str()) != 0) return kShimNoFolder;
  const Result<FileLock> alive = FileLock::Acquire(files::kAlive);
  if (!alive) return kShimNotAlone;
  prctl(PR_SET_CHILD_SUBREAPER, 1);

  spec::ExitRecord record;
  record.boot_id = BootId();
  record.started_at = SystemClock().Now();
  const auto started = SystemClock().Steady();

  if (const Result<spec::LaunchRequest> request = ReadRequest()) {
    record.launch_id = request->launch_id;
    record.attempt = request->attempt;
    record.rank = request->rank;
    if (!RunLaunch(*request, best, record)) return kShimDone;
  } else {
    AddStartFailure(record, request.error());
  }
  // By steady time, so that a clock that goes back makes no negative duration.
  record.ended_at = record.started_at + std::chrono::duration_cast<std::chrono::microseconds>(
                                            SystemClock().Steady() - started)
                                            .count();
  AddResourceUse(record);
  WriteRecord(record);
  return kShimDone;
}

}  // namespace roost::launch
