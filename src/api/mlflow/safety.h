#pragma once

#include <optional>

#include "api/http_types.h"

namespace roost::api::mlflow {

// What MLflow's server guards against, in its words: pages of other sites that use this server
// behind the back of whoever looks at them.

// Monitors may ask these paths under any name of the machine.
bool TakesAnyHost(std::string_view path);
Response InvalidHost();
// A change that a page of another site asks for; pages of this machine and our own may. Only for
// paths below /api/ of MLflow: the token of our own API travels in no page of others.
std::optional<Response> BlockCrossOrigin(const Request& request);

}  // namespace roost::api::mlflow
