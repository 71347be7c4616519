#include "engine/report.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/log.h"
#include "spec/run_definition.h"
#include "store/metrics.h"

namespace roost::engine {
namespace {

using nlohmann::json;

std::optional<double> NumberOf(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  return {};
}

// ISO 8601 text, or unix microseconds.
std::optional<Micros> TimeOf(const json& value, Micros now) {
  if (value.is_null()) return now;
  if (value.is_number_integer()) return value.get<Micros>();
  if (!value.is_string()) return {};
  const auto time = ParseTime(value.get_ref<const std::string&>());
  return time ? std::optional<Micros>(*time) : std::nullopt;
}

std::optional<std::int64_t> StepOf(const json& value) {
  if (value.is_null()) return spec::kNextStep;
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return {};
}

json Field(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? json() : *found;
}

tl::unexpected<Error> Bad(const char* what) {
  return Fail(ErrorCode::kInvalidArgument, std::string("a report's line has ") + what);
}

Result<std::string> NameOf(const json& object) {
  if (!object.is_object() || !object.contains("name") || !object["name"].is_string()) {
    return Bad("an element without a name");
  }
  auto name = object["name"].get<std::string>();
  ROOST_TRY(spec::CheckMetricName(name));
  return name;
}

Status ReadPoint(const json& object, Micros now, spec::MetricBatch* batch) {
  ROOST_ASSIGN(std::string name, NameOf(object));
  const auto value = NumberOf(Field(object, "value"));
  const auto step = StepOf(Field(object, "step"));
  const auto time = TimeOf(Field(object, "time"), now);
  if (!value || !step || !time) return Bad("a point whose value, step or time is not valid");
  if (batch->series.empty() || batch->series.back().name != name) {
    batch->series.push_back({std::move(name), {}});
  }
  batch->series.back().points.push_back({*step, *time, *value});
  return {};
}

Status ReadSeries(const json& object, Micros now, spec::MetricBatch* batch) {
  ROOST_ASSIGN(std::string name, NameOf(object));
  const json values = Field(object, "value");
  const json steps = Field(object, "step");
  const json times = Field(object, "time");
  const auto fits = [&](const json& column) {
    return column.is_null() || (column.is_array() && column.size() == values.size());
  };
  if (!values.is_array() || !fits(steps) || !fits(times)) {
    return Bad("a series whose columns are not lists of one length");
  }
  spec::MetricSeries series{std::move(name), {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = NumberOf(values[i]);
    const auto step = StepOf(steps.is_null() ? json() : steps[i]);
    const auto time = TimeOf(times.is_null() ? json() : times[i], now);
    if (!value || !step || !time)
      return Bad("a series with a value, step or time that is not valid");
    series.points.push_back({*step, *time, *value});
  }
  batch->series.push_back(std::move(series));
  return {};
}

Status ReadEntry(const json& object, Micros now, spec::MetricBatch* batch) {
  ROOST_ASSIGN(std::string name, NameOf(object));
  const json type_name = Field(object, "type");
  const json description = Field(object, "description");
  const auto type = type_name.is_string()
                        ? spec::ParseMetricType(type_name.get_ref<const std::string&>())
                        : std::nullopt;
  const auto time = TimeOf(Field(object, "time"), now);
  const auto step = StepOf(Field(object, "step"));
  if (!type || !time || !step || !object.contains("value")) {
    return Bad("an entry whose type, value, step or time is not valid");
  }
  spec::MetricEntry entry;
  entry.name = std::move(name);
  entry.type = *type;
  entry.value = object["value"].dump(-1, ' ', false, json::error_handler_t::replace);
  if (*step >= 0) entry.step = *step;
  entry.time = *time;
  if (description.is_string()) entry.description = description.get<std::string>();
  ROOST_TRY(spec::CheckMetricEntry(entry));
  batch->entries.push_back(std::move(entry));
  return {};
}

using ElementReader = Status (*)(const json&, Micros, spec::MetricBatch*);

Status ReadList(const json& body, const char* field, ElementReader read, Micros now,
                spec::MetricBatch* batch) {
  const auto list = body.find(field);
  if (list == body.end() || list->is_null()) return {};
  if (!list->is_array()) return Bad("points, series or entries that are no list");
  for (const json& element : *list) ROOST_TRY(read(element, now, batch));
  return {};
}

}  // namespace

Result<spec::MetricBatch> ParseReportLine(std::string_view line, Micros now) {
  const json body = json::parse(line, nullptr, false);
  if (!body.is_object()) return Bad("no JSON object");
  const json writer = Field(body, "writer");
  const json number = Field(body, "batch");
  if (!writer.is_string() || writer.get_ref<const std::string&>().empty() ||
      !number.is_number_integer() || number.get<std::int64_t>() < 1) {
    return Bad("no writer or no batch number");
  }
  spec::MetricBatch batch;
  batch.writer = writer.get<std::string>();
  batch.number = number.get<std::int64_t>();
  ROOST_TRY(ReadList(body, "points", ReadPoint, now, &batch));
  ROOST_TRY(ReadList(body, "series", ReadSeries, now, &batch));
  ROOST_TRY(ReadList(body, "entries", ReadEntry, now, &batch));
  return batch;
}

Result<ReportTakenIn> TakeInReport(store::Store& store, RunKey run, const fs::path& file,
                                   Micros now) {
  ReportTakenIn taken;
  std::error_code error;
  if (!fs::exists(file, error)) return taken;
  std::ifstream input(file, std::ios::binary);
  if (!input) return Fail(ErrorCode::kInternal, "the report " + file.string() + " cannot be read");

  std::map<std::string, std::int64_t> last_batch;  // of each writer, in the store
  std::string line;
  while (std::getline(input, line)) {
    if (input.eof()) break;  // no newline: the writer died in the middle of it
    if (line.empty()) continue;
    auto batch = ParseReportLine(line, now);
    if (!batch) {
      ++taken.refused;
      LogWarning("report_line_refused", {{"file", file.string()}, {"why", batch.error().message}});
      continue;
    }
    auto last = last_batch.find(batch->writer);
    if (last == last_batch.end()) {
      ROOST_ASSIGN(std::int64_t known, store.metrics().LastBatch(run, batch->writer));
      last = last_batch.emplace(batch->writer, known).first;
    }
    if (batch->number <= last->second) continue;
    last->second = batch->number;
    ROOST_TRY(store.metrics().AppendAndWait(run, std::move(*batch)));
    ++taken.batches;
  }
  return taken;
}

}  // namespace roost::engine
