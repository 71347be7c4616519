#pragma once

#include <optional>

#include "base/digest.h"
#include "base/result.h"
#include "spec/run_layout.h"
#include "store/store.h"

namespace roost::engine {

// Makes an attempt's folders anew: launch/ empty, azureml-logs/ with the log of the environment's
// build at most, scratch/work with a copy of
// each file of the snapshot, ./outputs and ./logs in it. Whatever an interrupted attempt of the
// same number left is removed first, its links outside as well. Runs on a worker; touches nothing
// else outside of the attempt's folder.
Status PrepareAttempt(store::Store& store, const spec::RunLayout& layout,
                      const std::optional<Digest>& snapshot);

}  // namespace roost::engine
