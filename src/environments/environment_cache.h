#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"
#include "environments/build_settings.h"
#include "environments/command_runner.h"
#include "environments/container.h"
#include "environments/lease_table.h"
#include "environments/ready_mark.h"
#include "spec/environment_definition.h"

namespace roost::environments {

// An environment that runs can use. While a copy of it lives, its folder is not evicted.
struct ReadyEnvironment {
  fs::path python;  // the interpreter; inside of the container, where there is one
  fs::path prefix;  // its folder; empty for an existing interpreter
  Digest digest;    // what it is shared by; zero for what was not built here
  std::shared_ptr<void> lease;
  // Runs go into this image (RunInContainer); python is empty when the image has none.
  std::optional<ContainerImage> container = {};
  // What was taken otherwise than the definition says, a sentence each; for the run's properties.
  std::vector<std::string> notes = {};
};

// One environment on disk, for lists.
struct CachedEnvironment {
  std::string key;  // the folder's name
  ReadyMark mark;
  Micros last_used = 0;
  bool in_use = false;
};

struct PruneOptions {
  std::optional<std::uint64_t> max_bytes = {};  // least recently used ones go until so much is left
  std::optional<Micros> unused_since = {};      // all that were last used before go
};
struct PruneReport {
  std::vector<std::string> removed;  // keys
  std::uint64_t removed_bytes = 0;
  std::uint64_t kept_bytes = 0;
};

// All environments of one server: one ready folder for each digest, built once at its final path
// and shared by everyone who asks. A folder is valid only with its mark, which is synced and
// renamed in at the end; one without is wiped by the next build. On disk, below settings.folder:
// `<key>/` the environment, `<key>.lock` held during a build, `<key>.log` the last build's log.
//
// May be used from any thread. Each build has a thread of its own, which calls `done`. Leases are
// this process's: after a restart the engine asks for what its live runs use before it prunes.
class EnvironmentCache {
 public:
  using Done = std::function<void(Result<ReadyEnvironment>)>;

  // What one caller waits for.
  class Request;

  // All but the settings outlive the cache.
  EnvironmentCache(BuildSettings settings, CommandRunner& runner, Clock& clock);
  // Cancels all builds and waits for their ends.
  ~EnvironmentCache();
  EnvironmentCache(EnvironmentCache&&) = delete;

  // What a definition's build is shared by: of the definition what is installed, and of the
  // settings what changes that.
  Result<Digest> DigestFor(const spec::EnvironmentDefinition& definition) const;

  // What is not kept of the definition's wish for a container (environments/container.h). It is of
  // this definition: others that name another image, or none, share the same environment.
  std::string ContainerHintOf(const spec::EnvironmentDefinition& definition) const {
    return ContainerHint(definition, settings_);
  }

  // What needs no build: an existing interpreter, or an environment that is ready. nullopt when
  // Prepare is needed, as it always is for a container: whether the image is still there takes the
  // tool's time. Takes microseconds.
  Result<std::optional<ReadyEnvironment>> Find(const spec::EnvironmentDefinition& definition);

  // Builds, or joins the build that is under way. The build's log is appended to `log_file` while
  // it grows (empty: nowhere; untouched when there is nothing to build). `done` is called once,
  // before Prepare returns or later from another thread, with no lock held; it must not wait for
  // this cache. A failed build's error ends with the log's last lines.
  std::shared_ptr<Request> Prepare(const spec::EnvironmentDefinition& definition,
                                   const fs::path& log_file, Done done);
  // `done` gets kUnavailable: at once when others wait for the same build, else when the build has
  // stopped and its folder is gone. Without effect on what is done.
  void Cancel(const std::shared_ptr<Request>& request);

  Result<std::vector<CachedEnvironment>> List();  // by key

  enum class BuildState { kNone, kBuilding, kReady, kFailed };
  struct BuildStatus {
    BuildState state = BuildState::kNone;
    std::string error;  // of a failed build; empty when an earlier server built it
  };
  BuildStatus StatusOf(const std::string& key);
  // What is being built, and what failed since the server started.
  std::map<std::string, BuildStatus> Unready();
  // Removes ready environments that nobody uses, and what an interrupted build left.
  Result<PruneReport> Prune(const PruneOptions& options);
  // kConflict when it is in use or being built.
  Status Remove(const std::string& key);

  fs::path LogFile(const std::string& key) const { return settings_.folder / (key + ".log"); }
  // Whether a text has a key's form: 32 hex digits, safe as a part of a path.
  static bool IsKey(std::string_view text);
  static std::string KeyOf(const Digest& digest) { return digest.Hex().substr(0, 32); }

 private:
  struct Build;

  // Takes the lease and notes the use; kNotFound when it must be built.
  Result<ReadyEnvironment> Open(const Digest& digest);
  void Start(const std::shared_ptr<Build>& build);  // Requires: mutex_ is held
  void RunBuild(const std::shared_ptr<Build>& build);
  void StartNext(const Build& build);  // Requires: mutex_ is held
  Result<ReadyEnvironment> BuildOrOpen(Build& build);
  Status WaitForTurn(Build& build);
  Result<FileLock> WaitForLock(Build& build);
  Result<ReadyEnvironment> BuildLocked(Build& build, const FileLock& lock);
  Status BuildInto(Build& build, const fs::path& folder, const FileLock& lock);
  Error Explain(const Build& build, const Error& error) const;
  void RemoveLeftovers(const std::vector<std::string>& keys);
  void JoinFinished();

  const BuildSettings settings_;
  CommandRunner& runner_;
  Clock& clock_;
  const std::shared_ptr<LeaseTable> leases_;

  std::mutex mutex_;  // guards what follows, and every Build's requests
  std::map<std::string, std::shared_ptr<Build>> builds_;  // by key
  int running_ = 0;                                       // builds that have their turn
  std::map<std::string, std::string> failures_;           // key -> error, until built anew
  std::map<std::thread::id, std::thread> threads_;
  std::vector<std::thread::id> finished_;  // of threads_, to be joined
  bool closing_ = false;
};

}  // namespace roost::environments
