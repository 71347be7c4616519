#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http_types.h"
#include "base/clock.h"
#include "store/artifacts.h"
#include "store/experiments.h"
#include "store/metrics.h"
#include "store/models.h"
#include "store/runs.h"

namespace roost::api {

using Json = nlohmann::json;

// The objects of docs/wire.md, made from what the store keeps.
Json TimeJson(Micros time);     // null when 0
Json NumberJson(double value);  // NaN and infinities as texts
Json TextOrNull(const std::string& text);

struct RunJsonOptions {
  bool with_definition = false;
  const std::vector<store::MetricSummary>* metrics = nullptr;  // none: no such field
};
Json RunJson(const store::Run& run, Micros now, const RunJsonOptions& options);
Json ExperimentJson(const store::Experiment& experiment);
Json ModelJson(const store::Model& model);
Json ModelVersionJson(const store::ModelVersion& version);
Json SummaryJson(const store::MetricSummary& summary);
Json PointJson(const store::StoredPoint& point);
Json EntryJson(const store::StoredEntry& entry);
// What a script printed or stored may be no JSON; then it travels as text.
Json ParsedOrText(const std::string& json_text);

// Bytes that are no UTF-8 are replaced, never an exception.
std::string Dump(const Json& json);
std::string ErrorToJsonText(const Error& error);
Response JsonResponse(int status, const Json& json);
// {"items": [...], "next_page_token": ...}
Response ListResponse(Json items, const std::string& next_page_token);

// Appends a text with its quotes or a number as JSON without building a tree; for long answers. A
// double always looks like one: 1.0, not 1.
void AppendText(std::string_view text, std::string* to);
void AppendNumber(double value, std::string* to);
void AppendNumber(std::int64_t value, std::string* to);

}  // namespace roost::api
