#include "api/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/run_json.h"
#include "spec/metrics.h"

namespace roost::api {

Json TimeJson(Micros time) { return time == 0 ? Json(nullptr) : Json(FormatTime(time)); }

Json NumberJson(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ParsedOrText(const std::string& json_text) {
  Json parsed = Json::parse(json_text, nullptr, false);
  return parsed.is_discarded() ? Json(json_text) : parsed;
}

Json RunJson(const store::Run& run, Micros now, const RunJsonOptions& options) {
  Json json = engine::RunToJson(run, now, options.with_definition);
  if (options.metrics) {
    Json metrics = Json::object();
    for (const store::MetricSummary& summary : *options.metrics) {
      if (summary.type == spec::MetricType::kScalar) {
        metrics[summary.name] = NumberJson(summary.last.value);
      }
    }
    json["metrics"] = std::move(metrics);
  }
  return json;
}

Json ExperimentJson(const store::Experiment& experiment) {
  return {{"experiment_id", std::to_string(experiment.id.value())},
          {"name", experiment.name},
          {"description", experiment.description},
          {"tags", experiment.tags},
          {"lifecycle", spec::ToString(experiment.lifecycle)},
          {"created_at", TimeJson(experiment.created_at)},
          {"updated_at", TimeJson(experiment.updated_at)}};
}

Json ModelVersionJson(const store::ModelVersion& version) {
  return {{"name", version.name},
          {"version", version.version},
          {"description", version.description},
          {"tags", version.tags},
          {"properties", version.properties},
          {"framework", TextOrNull(version.framework)},
          {"framework_version", TextOrNull(version.framework_version)},
          {"source", version.source},
          {"run_id", TextOrNull(version.run_id)},
          {"experiment", TextOrNull(version.experiment_name)},
          {"snapshot", version.snapshot ? Json(version.snapshot->ToText()) : Json(nullptr)},
          {"submitter", version.submitter},
          {"stage", spec::ToString(version.stage)},
          {"aliases", version.aliases},
          {"digest", version.tree.ToText()},
          {"bytes", version.bytes},
          {"file_count", version.file_count},
          {"created_at", TimeJson(version.created_at)},
          {"updated_at", TimeJson(version.updated_at)}};
}

Json ModelJson(const store::Model& model) {
  Json aliases = Json::object();
  for (const store::ModelAlias& each : model.aliases) aliases[each.alias] = each.version;
  return {{"name", model.name},
          {"description", model.description},
          {"tags", model.tags},
          {"aliases", std::move(aliases)},
          {"latest_version", model.latest_version > 0 ? Json(model.latest_version) : Json(nullptr)},
          {"created_at", TimeJson(model.created_at)},
          {"updated_at", TimeJson(model.updated_at)}};
}

Json PointJson(const store::StoredPoint& point) {
  return {{"seq", point.seq},
          {"step", point.step},
          {"time", TimeJson(point.time)},
          {"value", NumberJson(point.value)}};
}

Json SummaryJson(const store::MetricSummary& summary) {
  const bool scalar = summary.type == spec::MetricType::kScalar;
  return {{"name", summary.name},
          {"type", spec::ToString(summary.type)},
          {"count", summary.count},
          {"last", scalar ? PointJson(summary.last) : Json(nullptr)},
          {"min", summary.min ? NumberJson(*summary.min) : Json(nullptr)},
          {"max", summary.max ? NumberJson(*summary.max) : Json(nullptr)}};
}

Json EntryJson(const store::StoredEntry& stored) {
  const spec::MetricEntry& entry = stored.entry;
  return {{"seq", stored.seq},
          {"name", entry.name},
          {"type", spec::ToString(entry.type)},
          {"value", ParsedOrText(entry.value)},
          {"step", entry.step ? Json(*entry.step) : Json(nullptr)},
          {"time", TimeJson(entry.time)},
          {"description", entry.description}};
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ErrorToJsonText(const Error& error) {
  Json details = Json::array();
  for (const Problem& problem : error.details) {
    details.push_back({{"field", problem.field}, {"message", problem.message}});
  }
  return Dump({{"error",
                {{"code", ToString(error.code)},
                 {"message", error.message},
                 {"details", std::move(details)}}}});
}

Response JsonResponse(int status, const Json& json) { return Response(status, Dump(json)); }

Response ListResponse(Json items, const std::string& next_page_token) {
  return JsonResponse(
      200, {{"items", std::move(items)}, {"next_page_token", TextOrNull(next_page_token)}});
}

void AppendText(std::string_view text, std::string* to) {
  const auto is_plain = [](char c) { return c >= ' ' && c < 127 && c != '"' && c != '\\'; };
  if (!std::all_of(text.begin(), text.end(), is_plain)) {
    to->append(Dump(Json(text)));
    return;
  }
  to->push_back('"');
  to->append(text).push_back('"');
}

void AppendNumber(double value, std::string* to) {
  if (std::isnan(value)) {
    to->append("\"NaN\"");
  } else if (std::isinf(value)) {
    to->append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    const std::string_view text(digits, static_cast<std::size_t>(end - digits));
    to->append(text);
    if (text.find_first_of(".e") == std::string_view::npos) to->append(".0");
  }
}

void AppendNumber(std::int64_t value, std::string* to) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  to->append(digits, static_cast<std::size_t>(end - digits));
}

}  // namespace roost::api
