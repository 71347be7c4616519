#pragma once

#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost {

// How to start a program. Nothing is inherited but what stands here: descriptors other than the
// three are closed, signals are reset, the environment is exactly `environment`.
struct SubprocessOptions {
  // argv[0] is a path (relative to the working folder), or a name looked up in environment's PATH.
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::filesystem::path working_folder;  // empty: the caller's
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;                    // -1: /dev/null
  int stderr_fd = -1;                    // -1: /dev/null
  bool new_session = false;              // setsid in the child
};

struct ExitStatus {
  int code = 0;  // of exit(); 128 + signal when signaled
  std::optional<int> signal;
  rusage usage{};
};

// A started child, waited for by descriptor (pidfd), so ids that are used again cannot mislead.
class Subprocess {
 public:
  // Returns when the child runs the program; a program that cannot be started is an error.
  static Result<Subprocess> Start(const SubprocessOptions& options);
  int pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable when the child has ended
  Status Signal(int signal);                  // kNotFound when the child was waited for
  // Blocks, reaps; once. A child that nobody waits for stays a zombie until we end.
  Result<ExitStatus> Wait();

 private:
  int pid_ = -1;
  Fd pidfd_;
};

struct CapturedRun {
  ExitStatus status;
  std::string output;  // stdout
  std::string errors;  // stderr
};
// Runs to the end of the program itself (not of processes that it leaves behind) and captures the
// first `limit` bytes of stdout and stderr, in place of options' descriptors. After `time_limit`
// the program is killed, with its whole session when it has a new one, and the error is kDeadline.
Result<CapturedRun> RunAndCapture(SubprocessOptions options, std::chrono::milliseconds time_limit,
                                  std::size_t limit = 1 << 20);

std::map<std::string, std::string> CurrentEnvironment();

// Looks `name` up in the folders of `search_path` ("a:b"), as a shell does; a name with '/' is only
// checked. nullopt when there is no such executable file.
std::optional<std::filesystem::path> FindProgram(const std::string& name,
                                                 const std::string& search_path);

}  // namespace roost
