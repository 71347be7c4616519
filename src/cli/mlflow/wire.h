#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/mlflow/source.h"

// What a source holds, in the words of POST /api/v1/import/...
namespace roost::cli::mlflow {

nlohmann::json ToJson(const Experiment& experiment, const Source& source);
nlohmann::json ToJson(const LoggedModel& model);  // without experiment_id
nlohmann::json ToJson(const RegisteredModel& model);

}  // namespace roost::cli::mlflow
