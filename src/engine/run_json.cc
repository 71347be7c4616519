#include "engine/run_json.h"

#include <nlohmann/json.hpp>

namespace roost::engine {
namespace {

using nlohmann::json;

json TextOrNull(const std::string& text) { return text.empty() ? json() : json(text); }
json TimeOrNull(Micros time) { return time == 0 ? json() : json(FormatTime(time)); }
json ParsedOrNull(const std::string& text) {
  if (text.empty()) return {};
  json parsed = json::parse(text, nullptr, false);
  return parsed.is_discarded() ? json() : parsed;
}

}  // namespace

json RunToJson(const store::Run& run, Micros now, bool with_definition) {
  json tags = json::object();
  for (const auto& [key, value] : run.tags) tags[key] = value ? json(*value) : json();
  json duration;
  if (run.started_at != 0) {
    const Micros end = run.ended_at != 0 ? run.ended_at : now;
    duration = static_cast<double>(end > run.started_at ? end - run.started_at : 0) / 1e6;
  }
  return {{"run_id", run.id.value()},
          {"number", run.number},
          {"experiment", run.experiment_name},
          {"experiment_id", std::to_string(run.experiment.value())},
          {"kind", spec::ToString(run.kind)},
          {"status", spec::ToString(run.state)},
          {"reason", run.reason},
          {"cancel_requested", run.cancel_requested},
          {"not_responding", run.not_responding},
          {"lifecycle", spec::ToString(run.lifecycle)},
          {"display_name", run.display_name},
          {"description", run.description},
          {"parent", TextOrNull(run.parent_id)},
          {"submitter", run.submitter},
          {"compute_target", TextOrNull(run.compute_target)},
          {"snapshot", run.snapshot ? json(run.snapshot->ToText()) : json()},
          {"attempt", run.attempt},
          {"exit_code", run.exit_code ? json(*run.exit_code) : json()},
          {"client_status", TextOrNull(run.client_status)},
          {"error", ParsedOrNull(run.error_json)},
          {"created_at", TimeOrNull(run.created_at)},
          {"started_at", TimeOrNull(run.started_at)},
          {"ended_at", TimeOrNull(run.ended_at)},
          {"duration_seconds", duration},
          {"tags", tags},
          {"properties", run.properties},
          {"definition", with_definition ? ParsedOrNull(run.definition_json) : json()}};
}

}  // namespace roost::engine
