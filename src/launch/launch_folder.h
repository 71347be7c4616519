#pragma once

#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "launch/cgroup.h"
#include "spec/launch_format.h"

namespace roost::launch {

Result<fs::path> AbsolutePath(const fs::path& path);

// The server's side of a launch folder: what its files say about the launch, and the marks that the
// server puts there. Holds no state but the path.
class LaunchFolder {
 public:
  explicit LaunchFolder(fs::path folder) : folder_(std::move(folder)) {}

  // nullopt while there is no claim that can be read.
  std::optional<spec::Claim> ReadClaim() const;
  // Whether some shim holds the lock.
  bool HasLiveShim() const;

  enum class EndKind {
    kRecord,        // there is an exit record
    kUnreadable,    // there is one, but it makes no sense; `message` says why
    kNeverStarted,  // never claimed, and fenced now, so that it never will be
    kOtherBoot,     // claimed before the machine was restarted
    kNoRecord,      // claimed in this boot: processes of it may be alive
    kStillAlive,    // there is a live shim after all
    kUnknownYet,    // the folder cannot be read or fenced now; `message` says why
  };
  struct End {
    EndKind kind = EndKind::kNoRecord;
    spec::ExitRecord record;
    std::string message;
  };
  // What became of a launch that seemed to have no live shim. One that is just starting either
  // finds our fence or is found alive.
  End FindEnd() const;

  // Makes the cancel file, with the grace time that the launch was requested with.
  Status AskToCancel() const;
  // Signals the shim when there is a live one.
  void SignalShim(int signal) const;
  RunGroup Groups() const;

 private:
  std::optional<End> ReadEnd() const;

  fs::path folder_;
};

}  // namespace roost::launch
