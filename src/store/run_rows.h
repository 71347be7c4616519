#pragma once

#include <vector>

#include "store/database.h"
#include "store/runs.h"

// Reading runs out of their tables; shared by the noun and its search.
namespace roost::store {

// With tags and properties. The definition is read only when it is asked for: lists never show it.
enum class WithDefinition { kNo, kYes };

Result<Run> LoadRun(Connection& db, RunKey key, WithDefinition definition);
Result<Run> LoadRun(Connection& db, const RunId& id, WithDefinition definition);
// In the order of `keys`; one that is gone is left out.
Result<std::vector<Run>> LoadRuns(Connection& db, const std::vector<RunKey>& keys,
                                  WithDefinition definition);

Error NoSuchRun(const RunId& id);
Error NoSuchRun(RunKey key);
// The outer id of a run that may be changed: kNotFound when it is gone, kConflict when deleted.
Result<std::string> RequireNotDeleted(Connection& db, RunKey key);
// Looked at in the transaction that names it: whoever asked before may have met garbage collection.
Status RequireSnapshot(Connection& db, const Digest& snapshot);

}  // namespace roost::store
