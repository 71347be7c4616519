#include "environments/environment_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/log_file.h"
#include "base/strings.h"
#include "environments/container_builder.h"
#include "environments/environment_builder.h"
#include "environments/interpreter.h"
#include "environments/python_finder.h"

namespace roost::environments {
namespace {

using spec::EnvironmentKind;

// Part of every digest: raised when builds of an older version must not be used any more.
constexpr std::string_view kBuildFormat = "1";
constexpr std::chrono::milliseconds kLockPause{100};
constexpr std::uint64_t kErrorLines = 12;
constexpr std::uint64_t kLinesToRead = 500;  // a long silence has its own lines in the log

bool IsBuilt(EnvironmentKind kind) {
  return kind == EnvironmentKind::kConda || kind == EnvironmentKind::kPip ||
         kind == EnvironmentKind::kImage;
}

Error CanceledError() {
  return {ErrorCode::kUnavailable, "The build of the environment was canceled.", {}};
}

}  // namespace

class EnvironmentCache::Request {
 public:
  Request(std::string key, fs::path log_file, Done done)
      : key_(std::move(key)), log_file_(std::move(log_file)), done_(std::move(done)) {}
  // Requires: no lock is held.
  void Finish(Result<ReadyEnvironment> result) {
    if (const Done done = std::exchange(done_, nullptr); done) done(std::move(result));
  }

 private:
  friend class EnvironmentCache;
  const std::string key_;  // empty: nothing is built for it
  const fs::path log_file_;
  Done done_;
  bool canceled_ = false;
};

// One build, or the look-up of a conda environment, on a thread of its own.
struct EnvironmentCache::Build {
  spec::EnvironmentDefinition definition;
  Digest digest;
  std::string key;
  BuildLog log;
  Cancellation cancel;
  std::vector<std::shared_ptr<Request>> requests;
  // Everyone had canceled when these came: they get a new build once this one has ended.
  std::vector<std::shared_ptr<Request>> next;
};

EnvironmentCache::EnvironmentCache(BuildSettings settings, CommandRunner& runner, Clock& clock)
    : settings_(std::move(settings)),
      runner_(runner),
      clock_(clock),
      leases_(std::make_shared<LeaseTable>()) {
  ROOST_CHECK(settings_.folder.is_absolute());
}

EnvironmentCache::~EnvironmentCache() {
  std::map<std::thread::id, std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;  // from here on no thread is started
    for (auto& [key, build] : builds_) build->cancel.Cancel();
    threads = std::move(threads_);
    threads_.clear();
  }
  for (auto& [id, thread] : threads) thread.join();
}

Result<Digest> EnvironmentCache::DigestFor(const spec::EnvironmentDefinition& definition) const {
  ROOST_ASSIGN(std::string settings, settings_.Canonical());
  if (RunsInContainer(definition, settings_)) {
    const auto tool = FindContainerTool(settings_.variables);
    const spec::DockerSection& docker = definition.docker;
    settings += nlohmann::json({{"tool", tool ? tool->program.string() : ""},
                                {"image", docker.base_image},
                                {"dockerfile", docker.base_dockerfile},
                                {"shm_size", docker.shm_size},
                                {"arguments", docker.arguments}})
                    .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return DigestOf(fmt::format("{}\n{}\n{}\n", kBuildFormat, definition.CanonicalBuild(), settings));
}

Result<ReadyEnvironment> EnvironmentCache::Open(const Digest& digest) {
  const std::string key = KeyOf(digest);
  const fs::path folder = settings_.folder / key;
  ReadyEnvironment ready{folder / "bin" / "python", folder, digest, leases_->Take(key)};
  if (ready.lease == nullptr) {
    return Fail(ErrorCode::kNotFound, folder.string() + " is being removed.");
  }
  ROOST_ASSIGN(const ReadyMark mark, ReadReadyMark(folder));
  ready.notes = mark.notes;
  std::error_code error;
  if (fs::exists(folder / "container.json", error) && mark.digest == digest) {
    ROOST_ASSIGN(ready.container, ReadContainerImage(folder));
    ready.python = ready.container->python;
    ready.prefix.clear();
    static_cast<void>(SetLastUse(folder, clock_.Now()));
    return ready;
  }
  // The interpreter is a link to one of the machine, which may have gone since.
  if (mark.digest != digest || access(ready.python.c_str(), X_OK) != 0) {
    return Fail(ErrorCode::kNotFound, folder.string() + " must be built anew.");
  }
  static_cast<void>(SetLastUse(folder, clock_.Now()));
  return ready;
}

Result<std::optional<ReadyEnvironment>> EnvironmentCache::Find(
    const spec::EnvironmentDefinition& definition) {
  const EnvironmentKind kind = definition.Kind();
  if (RunsInContainer(definition, settings_)) {
    if (!FindContainerTool(settings_.variables)) return Fail(NoContainerTool(definition));
    ROOST_TRY(CheckContainerArguments(definition.docker.arguments));
    return std::nullopt;
  }
  if (kind == EnvironmentKind::kServerPython || kind == EnvironmentKind::kInterpreter) {
    ROOST_ASSIGN(const Interpreter found,
                 FindInterpreter(definition.interpreter, settings_.python));
    return ReadyEnvironment{found.path, {}, {}, nullptr};
  }
  if (!IsBuilt(kind)) return std::nullopt;
  ROOST_ASSIGN(const Digest digest, DigestFor(definition));
  Result<ReadyEnvironment> ready = Open(digest);
  if (ready) return std::move(*ready);
  if (ready.error().code == ErrorCode::kNotFound) return std::nullopt;
  return Fail(ready.error());
}

std::shared_ptr<EnvironmentCache::Request> EnvironmentCache::Prepare(
    const spec::EnvironmentDefinition& definition, const fs::path& log_file, Done done) {
  JoinFinished();
  const auto answered = [&](Result<ReadyEnvironment> result) {
    auto request = std::make_shared<Request>("", log_file, std::move(done));
    request->Finish(std::move(result));
    return request;
  };
  Result<std::optional<ReadyEnvironment>> found = Find(definition);
  if (!found) return answered(Fail(found.error()));
  if (*found) return answered(std::move(**found));
  const Result<Digest> digest = DigestFor(definition);
  if (!digest) return answered(Fail(digest.error()));

  auto request = std::make_shared<Request>(KeyOf(*digest), log_file, std::move(done));
  Status following;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) following = Fail(CanceledError());
    std::shared_ptr<Build>& build = builds_[request->key_];
    if (build != nullptr && build->cancel.IsCanceled() && !closing_) {
      build->next.push_back(request);
      return request;
    }
    const bool is_new = build == nullptr;
    if (is_new) {
      build = std::make_shared<Build>();
      build->definition = definition;
      build->digest = *digest;
      build->key = request->key_;
    }
    if (following && !log_file.empty()) following = build->log.Follow(log_file);
    if (following) build->requests.push_back(request);
    if (is_new && following) Start(build);
    if (is_new && !following) builds_.erase(request->key_);
  }
  if (!following) request->Finish(Fail(following.error()));
  return request;
}

void EnvironmentCache::Start(const std::shared_ptr<Build>& build) {
  std::thread thread([this, build] { RunBuild(build); });
  const std::thread::id id = thread.get_id();
  threads_.emplace(id, std::move(thread));
  failures_.erase(build->key);
}

void EnvironmentCache::Cancel(const std::shared_ptr<Request>& request) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = builds_.find(request->key_);
    if (found == builds_.end()) return;
    Build& build = *found->second;
    const auto take_out = [&](std::vector<std::shared_ptr<Request>>& list) {
      return std::erase(list, request) > 0;
    };
    if (!take_out(build.next)) {
      const auto waits = [](const auto& one) { return !one->canceled_; };
      const auto place = std::find(build.requests.begin(), build.requests.end(), request);
      if (place == build.requests.end()) return;
      request->canceled_ = true;
      if (std::none_of(build.requests.begin(), build.requests.end(), waits)) {
        build.cancel.Cancel();  // RunBuild answers when all is gone
        return;
      }
      build.requests.erase(place);
      if (!request->log_file_.empty()) build.log.Unfollow(request->log_file_);
    }
  }
  request->Finish(Fail(CanceledError()));
}

void EnvironmentCache::RunBuild(const std::shared_ptr<Build>& build) {
  Result<ReadyEnvironment> result = BuildOrOpen(*build);
  build->log.Pump();
  std::vector<std::shared_ptr<Request>> requests;
  {
    const std::lock_guard lock(mutex_);
    requests = std::move(build->requests);
    builds_.erase(build->key);
    if (!result && !build->cancel.IsCanceled()) failures_[build->key] = result.error().message;
    if (closing_) {
      requests.insert(requests.end(), build->next.begin(), build->next.end());
    } else if (!build->next.empty()) {
      StartNext(*build);
    }
  }
  if (build->cancel.IsCanceled()) result = Fail(CanceledError());
  // The last one gets this thread's own lease: who is answered may want to remove the environment.
  for (std::size_t i = 0; i + 1 < requests.size(); ++i) requests[i]->Finish(result);
  if (!requests.empty()) requests.back()->Finish(std::move(result));
  const std::lock_guard lock(mutex_);
  finished_.push_back(std::this_thread::get_id());
}

void EnvironmentCache::StartNext(const Build& build) {
  auto next = std::make_shared<Build>();
  next->definition = build.definition;
  next->digest = build.digest;
  next->key = build.key;
  next->requests = build.next;
  for (const auto& request : next->requests) {
    if (!request->log_file_.empty()) static_cast<void>(next->log.Follow(request->log_file_));
  }
  builds_[next->key] = next;
  Start(next);
}

Result<ReadyEnvironment> EnvironmentCache::BuildOrOpen(Build& build) {
  if (!IsBuilt(build.definition.Kind())) {
    ROOST_ASSIGN(const fs::path python, FindCondaEnvironment(build.definition.conda_environment,
                                                             settings_.variables, runner_));
    return ReadyEnvironment{python, python.parent_path().parent_path(), {}, nullptr};
  }
  ROOST_TRY(MakeFolders(settings_.folder));
  ROOST_TRY(WaitForTurn(build));
  const std::shared_ptr<void> turn(nullptr, [this](void*) {
    const std::lock_guard lock(mutex_);
    --running_;
  });
  ROOST_ASSIGN(const FileLock lock, WaitForLock(build));
  // Someone else may have built it while this one waited.
  if (Result<ReadyEnvironment> ready = Open(build.digest); ready) {
    if (!ready->container || IsImageThere(*ready->container, settings_, runner_)) return ready;
    build.log.Line("The image " + ready->container->image + " is not on this machine any more.");
  }
  return BuildLocked(build, lock);
}

// Installers take what the machine has: of many different environments a few are built at a time.
Status EnvironmentCache::WaitForTurn(Build& build) {
  const int most = std::max(2, static_cast<int>(std::thread::hardware_concurrency()) / 2);
  bool said = false;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (running_ < most) {
        ++running_;
        return {};
      }
    }
    if (build.cancel.IsCanceled()) return Fail(CanceledError());
    if (!std::exchange(said, true)) {
      build.log.Line("Waiting for its turn: other environments are being built.");
    }
    std::this_thread::sleep_for(kLockPause);
  }
}

// The holder is another build of ours that ends, an eviction, or what a dead server's build left
// running: its programs hold the lock as long as they can write into the folder.
Result<FileLock> EnvironmentCache::WaitForLock(Build& build) {
  const fs::path path = settings_.folder / (build.key + ".lock");
  bool said = false;
  while (true) {
    Result<FileLock> lock = FileLock::Acquire(path);
    if (lock || lock.error().code != ErrorCode::kUnavailable) return lock;
    if (build.cancel.IsCanceled()) return Fail(CanceledError());
    if (!std::exchange(said, true)) {
      build.log.Line("Another process is at work on this environment; waiting for its end.");
    }
    std::this_thread::sleep_for(kLockPause);
  }
}

Result<ReadyEnvironment> EnvironmentCache::BuildLocked(Build& build, const FileLock& lock) {
  const fs::path folder = settings_.folder / build.key;
  ROOST_TRY(build.log.Open(LogFile(build.key)));
  ROOST_TRY(RemoveTree(folder));
  const Status built = BuildInto(build, folder, lock);
  if (!built) {
    const Error error = Explain(build, built.error());
    build.log.Line(build.cancel.IsCanceled() ? "Canceled." : "Failed: " + built.error().message);
    if (Status removed = RemoveTree(folder); !removed) build.log.Line(removed.error().message);
    return Fail(error);
  }
  ROOST_ASSIGN(ReadyEnvironment ready, Open(build.digest));
  if (settings_.max_bytes > 0) {
    const Result<PruneReport> pruned = Prune({.max_bytes = settings_.max_bytes});
    for (const std::string& key : pruned ? pruned->removed : std::vector<std::string>()) {
      build.log.Line("Removed the unused environment " + key + " to make room.");
    }
  }
  return ready;
}

Status EnvironmentCache::BuildInto(Build& build, const fs::path& folder, const FileLock& lock) {
  const spec::EnvironmentDefinition& definition = build.definition;
  const auto begin = clock_.Steady();
  build.log.Line(fmt::format("{}  Building the environment {}{} ({})", FormatTime(clock_.Now()),
                             build.key, definition.name.empty() ? "" : ", " + definition.name,
                             spec::ToString(definition.Kind())));
  if (const std::string hint = ContainerHintOf(definition); !hint.empty()) build.log.Line(hint);
  const bool in_container = RunsInContainer(definition, settings_);
  Result<BuildReport> report =
      in_container ? ContainerBuilder(settings_, runner_, build.log, build.cancel, lock.fd())
                         .Build(definition, folder)
                   : EnvironmentBuilder(settings_, runner_, build.log, build.cancel, lock.fd())
                         .Build(definition, folder);
  ROOST_TRY(report);
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Steady() - begin).count();
  const ReadyMark mark{.digest = build.digest,
                       .kind = std::string(spec::ToString(definition.Kind())),
                       .tool = report->tool,
                       .python = report->python_version,
                       .name = definition.name,
                       .definition = definition.CanonicalBuild(),
                       .packages = std::move(report->packages),
                       .notes = std::move(report->notes),
                       .built_at = clock_.Now(),
                       .build_ms = took,
                       .bytes = BytesOnDisk(folder)};
  ROOST_TRY(WriteReadyMark(folder, mark));
  build.log.Line(fmt::format("Ready: {}, {} packages, {}, {:.1f} s",
                             mark.python.empty() ? "no Python" : "Python " + mark.python,
                             mark.packages.size(), FormatBytes(mark.bytes),
                             static_cast<double>(took) / 1000));
  return {};
}

// The log's end says more than any exit code.
Error EnvironmentCache::Explain(const Build& build, const Error& error) const {
  if (build.cancel.IsCanceled()) return CanceledError();
  Error explained = error;
  const std::string name =
      build.definition.name.empty() ? build.key : "'" + build.definition.name + "'";
  explained.message =
      fmt::format("The environment {} could not be built: {}.", name,
                  error.message.ends_with('.') ? error.message.substr(0, error.message.size() - 1)
                                               : error.message);
  const Result<std::string> tail = TailOfLog(build.log.path(), kLinesToRead);
  if (tail) {
    std::vector<std::string> lines = Split(Trim(WithoutStillAtWork(ToValidUtf8(*tail))), '\n');
    if (lines.size() > kErrorLines) lines.erase(lines.begin(), lines.end() - kErrorLines);
    explained.message +=
        fmt::format(" Its log ({}) ends with:\n{}", build.log.path().string(), Join(lines, "\n"));
  }
  return explained;
}

// Only those whose last step is done, so that nobody waits here for someone's `done`.
void EnvironmentCache::JoinFinished() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const std::thread::id id : finished_) {
      const auto found = threads_.find(id);
      if (found == threads_.end()) continue;
      threads.push_back(std::move(found->second));
      threads_.erase(found);
    }
    finished_.clear();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace roost::environments
