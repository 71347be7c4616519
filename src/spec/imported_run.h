#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "spec/metrics.h"
#include "spec/run_state.h"

// Runs as they travel from another tracking server into this one: whole, with their histories.
namespace roost::spec {

struct ImportedDataset {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::optional<std::string> schema;
  std::optional<std::string> profile;
  std::map<std::string, std::string> tags;
};

struct ImportedModelLink {
  std::string model_id;
  std::int64_t step = 0;
};

// The points of one name, in the order of their history. Those before `offset` came in earlier.
struct ImportedSeries {
  std::string name;
  std::int64_t offset = 0;
  std::vector<MetricPoint> points;
};

struct ImportedRun {
  std::string id;
  std::int64_t experiment = 0;  // its id here
  RunState state = RunState::kCompleted;
  bool deleted = false;
  std::string name;
  std::string description;
  std::string parent_id;  // may be a run that comes later, or never
  std::string user_id;
  Micros started_at = 0;  // 0: not known
  Micros ended_at = 0;    // 0: not over, or not known
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> params;
  std::vector<ImportedSeries> series;
  std::vector<ImportedDataset> datasets;
  std::vector<ImportedModelLink> models_in;
  std::vector<ImportedModelLink> models_out;
};

inline constexpr const char* kImportedParentTag = "mlflow.parentRunId";

// The form of POST /api/v1/import/runs.
nlohmann::json ToJson(const ImportedRun& run);
Result<ImportedRun> ParseImportedRun(const nlohmann::json& json, const std::string& path);

// Digest of all that a run holds but its experiment; equal on both sides when nothing was lost.
// Series follow in the order of their names, each with all of its points, in pieces of any size.
class ImportedRunDigest {
 public:
  explicit ImportedRunDigest(const ImportedRun& run);  // its series do not count
  void BeginSeries(const std::string& name, std::int64_t points);
  void Add(std::span<const MetricPoint> points);
  Digest Finish();

 private:
  void Text(const std::string& text);
  void Number(std::int64_t number);
  void Flush();

  Hasher hasher_;
  std::string buffer_;
};
Digest DigestOfRun(const ImportedRun& run);  // in any order of its series

}  // namespace roost::spec
