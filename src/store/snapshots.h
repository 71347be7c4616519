#pragma once

#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "spec/snapshot.h"

namespace roost::store {

class Blobs;
class Database;

class Snapshots {
 public:
  Snapshots(Database& database, Blobs& blobs) : database_(database), blobs_(blobs) {}

  // Keeps the manifest, or tells which blobs must be sent first and keeps nothing.
  struct Kept {
    Digest id;
    bool created = false;
    std::vector<Digest> missing;  // not empty: nothing was kept
  };
  Result<Kept> Create(const spec::SnapshotManifest& manifest);
  Result<spec::SnapshotManifest> Get(const Digest& id) const;

 private:
  Database& database_;
  Blobs& blobs_;
};

}  // namespace roost::store
