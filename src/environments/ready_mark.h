#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/result.h"

namespace roost::environments {

// The file `.ready` of a built environment: that it is complete, and what it is. Its modification
// time is the environment's last use.
struct ReadyMark {
  Digest digest;
  std::string kind;        // "pip"
  std::string tool;        // "uv", "pip", "conda"
  std::string python;      // "3.11.7"
  std::string name;        // what its first user called it; may be empty
  std::string definition;  // canonical text of what was built
  std::map<std::string, std::string> packages;
  std::vector<std::string> notes;
  Micros built_at = 0;
  std::int64_t build_ms = 0;
  std::uint64_t bytes = 0;
};

// Syncs all that the folder holds, then renames the mark in.
Status WriteReadyMark(const fs::path& folder, const ReadyMark& mark);
// kNotFound when there is none, or one that this program cannot read: such a folder is built anew.
Result<ReadyMark> ReadReadyMark(const fs::path& folder);
Status RemoveReadyMark(const fs::path& folder);

Result<Micros> LastUseOf(const fs::path& folder);
Status SetLastUse(const fs::path& folder, Micros now);

// What the tree takes on disk; links are not followed, and a file with two names counts once.
std::uint64_t BytesOnDisk(const fs::path& folder);

}  // namespace roost::environments
