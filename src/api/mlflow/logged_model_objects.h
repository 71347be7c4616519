#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/mlflow/call.h"
#include "store/logged_models.h"
#include "store/run_inputs.h"

namespace roost::api::mlflow {

// Logged models and what runs used and made, in MLflow's words.

// RESOURCE_DOES_NOT_EXIST also for one that is deleted.
Result<store::LoggedModel> FindLoggedModel(Services& services, const std::string& id);
// Where its files lie, as clients address them.
Result<std::string> LoggedModelUri(Services& services, const store::LoggedModel& model);
Result<Answer> LoggedModelObject(Services& services, const store::LoggedModel& model);

// The `inputs` and `outputs` of a run.
Answer InputsObject(const store::RunLinks& links);
Answer OutputsObject(const store::RunLinks& links);

}  // namespace roost::api::mlflow
