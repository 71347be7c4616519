#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace roost::spec {

struct SnapshotFile {
  std::string path;  // relative, '/' separated, safe
  Digest digest;
  std::uint64_t size = 0;
  bool executable = false;
  bool operator==(const SnapshotFile&) const = default;
};

// The list of a snapshot's files, sorted by path. Its id is the digest of its canonical text, so
// the same folder content always gives the same id; times and owners are not part of it.
struct SnapshotManifest {
  std::vector<SnapshotFile> files;

  std::uint64_t TotalBytes() const;
  std::string Canonical() const;  // one line a file: "<hex> <size> <x|-> <path>\n"
  Digest Id() const { return DigestOf(Canonical()); }
  bool operator==(const SnapshotManifest&) const = default;
};
// {"files": [{"path", "digest", "size", "executable"}]}. Reports duplicates, paths that leave the
// folder, and a path that is both a file and a folder. Sorts.
Result<SnapshotManifest> ParseManifest(const nlohmann::json& body);
nlohmann::json ToJson(const SnapshotManifest& manifest);

struct SnapshotLimits {
  std::uint64_t max_bytes = 300ULL << 20;  // Azure ML's 300 MB
  std::uint64_t max_files = 2000;          // Azure ML's 2000; 0 means no limit, as above
};
// kTooLarge with Azure's fragment "Your total snapshot size exceeds the limit of 300.0 MB." or
// "Your project exceeds the file limit of 2000.", the five largest files (or fullest folders), and
// the way out (.amlignore, `./outputs`, --max-snapshot-...).
Status CheckSnapshotLimits(const SnapshotManifest& manifest, const SnapshotLimits& limits);

}  // namespace roost::spec
