#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace roost::spec {

// The files by which the engine and a run's shim speak. Each is JSON with a version; a reader
// refuses a newer one. They live in RunLayout::launch_folder():
//
//   request.json   written before the shim starts
//   roost-shim     the shim's own copy of the program, so that upgrades never touch live runs
//   alive          locked by the shim for its lifetime: liveness is this lock, never a pid
//   claim          made exclusively before the child starts; recovery fences an unclaimed launch by
//                  making it first
//   cancel         made by the engine: end the whole tree (the content is the grace time)
//   exit.json      the exit record, synced and renamed in when the last process is gone
namespace launch_files {
inline constexpr const char* kRequest = "request.json";
inline constexpr const char* kShim = "roost-shim";
inline constexpr const char* kAlive = "alive";
inline constexpr const char* kClaim = "claim";
inline constexpr const char* kCancel = "cancel";
inline constexpr const char* kExit = "exit.json";
}  // namespace launch_files

inline constexpr int kLaunchFormatVersion = 1;

// A folder that the program sees, read-only, at another place; nobody else sees it there.
struct BindMount {
  std::string source;
  std::string target;  // a folder that is there
  bool operator==(const BindMount&) const = default;
};

struct LaunchRequest {
  std::string launch_id;  // unique; also in the children's environment as ROOST_LAUNCH_ID
  int attempt = 1;
  int rank = 0;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // complete
  std::string working_folder;
  std::string log_file;              // takes stdout and stderr, append only
  std::int64_t time_limit_ms = 0;    // 0: none
  std::int64_t grace_ms = 15'000;    // between TERM and KILL
  std::int64_t memory_limit_mb = 0;  // 0: none
  std::vector<BindMount> mounts;     // not empty: the program gets a mount namespace of its own
};

// Why the tree ended, as far as the shim did it.
enum class EndCause { kExited, kCanceled, kTimeLimit, kMemoryLimit, kStartFailed };

struct ExitRecord {
  std::string launch_id;
  int attempt = 1;
  int rank = 0;
  std::string boot_id;
  pid_t pid = 0;
  Micros started_at = 0;
  Micros ended_at = 0;
  int code = 0;  // exit code; 128 + signal when signaled
  std::optional<int> signal;
  bool out_of_memory = false;
  EndCause cause = EndCause::kExited;
  std::string message;  // kStartFailed: what went wrong, e.g. "exec /x/python: No such file"
  double user_cpu_seconds = 0;
  double system_cpu_seconds = 0;
  std::int64_t max_rss_kb = 0;
};

struct Claim {
  std::string launch_id;
  std::string boot_id;
  pid_t shim_pid = 0;
  pid_t child_pid = 0;  // 0 in a fence written by recovery
  Micros time = 0;
};

std::string ToJsonText(const LaunchRequest& request);
std::string ToJsonText(const ExitRecord& record);
std::string ToJsonText(const Claim& claim);
Result<LaunchRequest> ParseLaunchRequest(const std::string& text);
Result<ExitRecord> ParseExitRecord(const std::string& text);
Result<Claim> ParseClaim(const std::string& text);

}  // namespace roost::spec
