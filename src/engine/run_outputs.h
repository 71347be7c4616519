#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/finalize.h"
#include "store/store.h"

namespace roost::engine {

// Keeps the folders of a run's outputs in their datastores, whatever the run's end was, and makes
// datasets of them: registered ones when the run is Completed and asked for it. Gives what could
// not be kept, each a sentence; an error means that it shall be tried again. Can be done again.
Result<std::vector<std::string>> KeepDataOutputs(store::Store& store, const FinalizeJob& job,
                                                 bool completed);

}  // namespace roost::engine
