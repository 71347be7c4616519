#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/run_data.h"
#include "spec/run_definition.h"
#include "spec/run_layout.h"
#include "store/run_data.h"
#include "store/store.h"

namespace roost::engine {

// How a run may see data that it must not change, best first.
enum class MountMeans {
  kBind,   // a read-only bind in the run's own mount namespace
  kLinks,  // links to read-only files; for a user who is not root, and so is held off by them
  kCopy,   // a copy of its own
};
MountMeans FindMountMeans(const fs::path& data_folder);

// At submit: that datasets, datastores and places are there; fills in the default datastore. Adds
// what is wrong to `problems`; an error is the store's own.
Status CheckRunData(store::Store& store, spec::RunDefinition* definition,
                    std::vector<Problem>* problems);
// What a submitted run will read and write, for its lineage.
Result<std::vector<store::RunDataItem>> PlannedRunData(store::Store& store,
                                                       const spec::RunDefinition& definition);

// Brings the inputs to their places and makes the folders of the outputs; what was done stands in
// the run's data plan, in its lineage and in its log. Runs on a worker, after PrepareAttempt. Can
// be done again. An error is a sentence that names the input.
struct PrepareDataJob {
  RunKey run;
  spec::RunLayout layout;
  spec::RunDefinition definition;
  MountMeans means = MountMeans::kCopy;
  // The run sees its scratch folder only, through a program that may live in other namespaces, so
  // its data is copied there.
  bool in_image = false;
  std::function<bool()> stop;
};
Status PrepareRunData(store::Store& store, const PrepareDataJob& job);

// Takes away what a run's data left outside of its scratch folder.
void RemoveDataLinks(const spec::RunLayout& layout);
// The same and the scratch folder: all that was prepared for an attempt that never ran.
void RemovePrepared(const spec::RunLayout& layout);

}  // namespace roost::engine
