#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "spec/compute_target.h"

namespace roost::store {

class Database;

struct ComputeNode {
  std::string id;
  std::string run_id;  // of the run that has it; empty: idle
  Micros since = 0;    // in that use
  bool operator==(const ComputeNode&) const = default;
};

struct ComputeTarget {
  spec::ClusterSettings settings;
  bool deleting = false;  // no new runs; goes when its last run is over
  Micros created_at = 0;
  Micros updated_at = 0;  // of the settings
  Micros state_since = 0;
  Micros resized_at = 0;           // nodes came or went
  std::vector<ComputeNode> nodes;  // by id
};

// The clusters and their nodes. The engine alone changes them.
class ComputeTargets {
 public:
  explicit ComputeTargets(Database& database) : database_(database) {}

  Result<std::vector<ComputeTarget>> List() const;                      // by name
  Result<ComputeTarget> Get(const std::string& name) const;             // kNotFound
  Result<ComputeTarget> Create(const spec::ClusterSettings& settings);  // kConflict: exists
  Result<ComputeTarget> Update(const spec::ClusterSettings& settings);  // all but the size
  Result<ComputeTarget> SetDeleting(const std::string& name);
  Status Remove(const std::string& name);  // its nodes too; fine when it is gone already
  // Nodes come and go, in one write.
  Status Resize(const std::string& name, const std::vector<ComputeNode>& added,
                const std::vector<std::string>& removed, Micros at);
  Status SetUse(const std::string& name, const ComputeNode& node);

 private:
  Database& database_;
};

}  // namespace roost::store
