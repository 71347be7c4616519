#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "environments/build_log.h"

namespace roost::environments {

// The wish that a build should end, from any thread; it cannot be taken back.
class Cancellation {
 public:
  Cancellation();
  void Cancel();
  bool IsCanceled() const { return canceled_; }
  int fd() const { return event_.get(); }  // readable from Cancel on

 private:
  std::atomic<bool> canceled_ = false;
  Fd event_;
};

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // all of it
  fs::path working_folder = {};
  int stdin_fd = -1;  // -1: /dev/null
};

// The door to the programs that build environments: uv, pip, conda, Python.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  // Runs to the end with both outputs appended to the log, and gives the exit code (128 + signal).
  // When canceled, the program and what it started are gone on return and the error is
  // kUnavailable.
  virtual Result<int> Run(const Command& command, BuildLog& log, const Cancellation& cancel) = 0;
  // Runs a short question and captures its answer.
  virtual Result<CapturedRun> Ask(const Command& command, std::chrono::milliseconds limit) = 0;
};

// Runs nothing and fails: for servers that only test the API.
class NoRunner : public CommandRunner {
 public:
  Result<int> Run(const Command&, BuildLog&, const Cancellation&) override { return Refuse(); }
  Result<CapturedRun> Ask(const Command&, std::chrono::milliseconds) override { return Refuse(); }

 private:
  static tl::unexpected<Error> Refuse() {
    return Fail(ErrorCode::kUnavailable, "this server runs no programs (--fake-launcher)");
  }
};

// Real processes, each in a session of its own.
class ProcessRunner : public CommandRunner {
 public:
  // After a cancel, programs have `grace` between TERM and KILL. One that writes nothing for
  // `quiet`, such as a tool that downloads, gets a line in the log that tells how long it has been
  // at work and how much it has put into files.
  explicit ProcessRunner(std::chrono::milliseconds grace = std::chrono::seconds(3),
                         std::chrono::milliseconds quiet = std::chrono::seconds(10))
      : grace_(grace), quiet_(quiet) {}
  Result<int> Run(const Command& command, BuildLog& log, const Cancellation& cancel) override;
  Result<CapturedRun> Ask(const Command& command, std::chrono::milliseconds limit) override;

 private:
  std::chrono::milliseconds grace_;
  std::chrono::milliseconds quiet_;
};

}  // namespace roost::environments
