#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/models.h"

// Rows of models and their versions.
namespace roost::store {

// "SELECT ... FROM model_versions v ", to be followed by conditions.
extern const std::string kSelectVersions;
Result<std::vector<ModelVersion>> ReadVersions(Statement& query);  // to its end
Result<ModelVersion> LoadVersion(Connection& db, const std::string& name,
                                 std::optional<std::int64_t> version);  // none: latest
// The row's internal key; kNotFound.
Result<std::int64_t> VersionKey(Connection& db, const std::string& name, std::int64_t version);

// "SELECT ... FROM models m WHERE <it is there> ", to be followed by " AND ...".
extern const std::string kSelectModels;
Result<std::vector<Model>> ReadModels(Statement& query);  // to its end
Result<Model> LoadModel(Connection& db, const std::string& name);
// A name whose last version was deleted may still have a row, with its last number.
Result<bool> IsModelThere(Connection& db, const std::string& name);

// It changed at this moment.
Status TouchModel(WriteContext& context, const std::string& name);
// It has something of its own from now on, and stays without versions.
Status KeepModel(Connection& db, const std::string& name);

Error NoSuchModel(const std::string& name);
// `version` empty: about the model.
Status AddModelEvent(WriteContext& context, const std::string& name,
                     std::optional<std::int64_t> version);

}  // namespace roost::store
