#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "store/database.h"

namespace roost::store {

// Every digest that a row names (files of snapshots, artifacts, files of models, of logged models,
// of datastores and of datasets, parts of uploads), sorted, each once. 32 bytes a digest.
Result<std::vector<Digest>> DigestsInUse(Connection& db);

// The same as it would be after a garbage collection: without what only deleted runs and deleted
// logged models name, and without snapshots, datasets and uploads that nothing uses and that were
// not asked for since then.
Result<std::vector<Digest>> DigestsInUseAfterGc(Connection& db, Micros used_since);

}  // namespace roost::store
