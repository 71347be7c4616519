#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "roost/client.h"

namespace roost::cli {

// Finds the run that people mean by an id, a unique prefix of one, a display name, or `latest`
// (the newest run). Gives the run object. kNotFound, or kInvalidArgument with the candidates when
// several runs fit.
Result<nlohmann::json> FindRun(client::Client& client, const std::string& reference);
Result<std::string> FindRunId(client::Client& client, const std::string& reference);

// The path "/runs/<id>" for an id.
std::string RunPath(const std::string& run_id);

// A text as a value of the filter language.
Result<std::string> QuoteForFilter(const std::string& text);

// Those of the runs whose id starts with the prefix.
std::vector<nlohmann::json> WithIdPrefix(const nlohmann::json& runs, std::string_view prefix);

}  // namespace roost::cli
