#pragma once

#include <vector>

#include "api/routes.h"

namespace roost::api::mlflow {

// Every route of this surface, under both of MLflow's prefixes.
std::vector<Route> MakeRoutes();

}  // namespace roost::api::mlflow
