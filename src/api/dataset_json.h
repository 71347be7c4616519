#pragma once

#include "api/json.h"
#include "store/datasets.h"
#include "store/run_data.h"

namespace roost::api {

// The dataset object of docs/wire.md.
Json DatasetJson(const store::Dataset& dataset);

// What a run read and wrote, as in the run object: {"inputs": [...], "outputs": [...]}.
void AddRunData(const std::vector<store::RunDataItem>& items, Json* run);
// The same in Azure ML's form: inputDatasets and outputDatasets.
void AddDatasetDetails(const std::vector<store::RunDataItem>& items, Json* details);

}  // namespace roost::api
