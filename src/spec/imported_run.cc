#include "spec/imported_run.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "spec/json_reader.h"

namespace roost::spec {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxText = 64 << 20;
// From 1970 to the end of 9999, which is what a time can be written as.
constexpr Micros kLatestTime = 253'402'300'799'999'999;
// Hashed in pieces of about this size.
constexpr std::size_t kBufferBytes = 64 << 10;

Json NumberToJson(double value) {
  if (std::isfinite(value)) return value;
  return FormatNumber(value);
}

Json ToJson(const ImportedSeries& series) {
  Json value = Json::array(), step = Json::array(), time = Json::array();
  for (const MetricPoint& point : series.points) {
    value.push_back(NumberToJson(point.value));
    step.push_back(point.step);
    time.push_back(point.time);
  }
  return {{"name", series.name},
          {"offset", series.offset},
          {"value", std::move(value)},
          {"step", std::move(step)},
          {"time", std::move(time)}};
}

Json ToJson(const ImportedDataset& dataset) {
  Json json = {{"name", dataset.name},
               {"digest", dataset.digest},
               {"source_type", dataset.source_type},
               {"source", dataset.source}};
  if (dataset.schema) json["schema"] = *dataset.schema;
  if (dataset.profile) json["profile"] = *dataset.profile;
  if (!dataset.tags.empty()) json["tags"] = dataset.tags;
  return json;
}

Json ToJson(const std::vector<ImportedModelLink>& links) {
  Json json = Json::array();
  for (const auto& link : links) json.push_back({{"model_id", link.model_id}, {"step", link.step}});
  return json;
}

bool ReadNumber(const Json& json, double* to) {
  if (json.is_number()) {
    *to = json.get<double>();
    return true;
  }
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  if (text == "NaN") {
    *to = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity" || text == "-Infinity") {
    *to = std::copysign(std::numeric_limits<double>::infinity(), text[0] == '-' ? -1.0 : 1.0);
  } else {
    return false;
  }
  return true;
}

// Whole numbers of a list that is as long as the others.
bool ReadWholes(const Json* json, std::vector<MetricPoint>* points,
                std::int64_t MetricPoint::*field) {
  if (json == nullptr || !json->is_array() || json->size() != points->size()) return false;
  for (std::size_t i = 0; i < points->size(); ++i) {
    const Json& item = (*json)[i];
    if (!item.is_number_integer()) return false;
    (*points)[i].*field = item.get<std::int64_t>();
  }
  return true;
}

bool ReadValues(const Json* json, std::vector<MetricPoint>* points) {
  if (json == nullptr || !json->is_array()) return false;
  points->resize(json->size());
  for (std::size_t i = 0; i < points->size(); ++i) {
    if (!ReadNumber((*json)[i], &(*points)[i].value)) return false;
  }
  return true;
}

void ReadSeries(JsonReader& reader, ImportedSeries* series) {
  reader.String("name", &series->name, {.required = true, .may_be_empty = false});
  reader.Integer("offset", &series->offset, 0, std::numeric_limits<std::int64_t>::max());
  const Json* value = reader.Any("value");
  const Json* step = reader.Any("step");
  const Json* time = reader.Any("time");
  const bool good = ReadValues(value, &series->points) &&
                    ReadWholes(step, &series->points, &MetricPoint::step) &&
                    ReadWholes(time, &series->points, &MetricPoint::time);
  if (!good) {
    reader.AddProblem("value",
                      "must be a list of numbers, with lists of whole numbers `step` and `time` "
                      "(microseconds) of the same length");
    return;
  }
  for (MetricPoint& point : series->points) {
    // The store reads these two as "not given".
    if (point.step == kNextStep) point.step = kNextStep + 1;
    if (point.time == 0) point.time = 1;
  }
}

void ReadDataset(JsonReader& reader, ImportedDataset* dataset) {
  reader.String("name", &dataset->name, {.required = true, .max_length = kMaxText});
  reader.String("digest", &dataset->digest, {.max_length = kMaxText});
  reader.String("source_type", &dataset->source_type, {.max_length = kMaxText});
  reader.String("source", &dataset->source, {.max_length = kMaxText});
  std::string text;
  if (reader.String("schema", &text, {.max_length = kMaxText})) dataset->schema = text;
  if (reader.String("profile", &text, {.max_length = kMaxText})) dataset->profile = text;
  reader.StringMap("tags", &dataset->tags);
}

void ReadLinks(JsonReader& reader, std::string_view field, std::vector<ImportedModelLink>* links) {
  reader.Objects(field, [&](JsonReader& item) {
    ImportedModelLink link;
    item.String("model_id", &link.model_id, {.required = true, .may_be_empty = false});
    item.Integer("step", &link.step, std::numeric_limits<std::int64_t>::min(),
                 std::numeric_limits<std::int64_t>::max());
    links->push_back(std::move(link));
  });
}

bool IsTrackedState(RunState state) {
  return state == RunState::kNotStarted || state == RunState::kRunning || IsFinal(state);
}

void ReadState(JsonReader& reader, RunState* to) {
  std::string text;
  if (!reader.String("status", &text, {.required = true})) return;
  const auto state = ParseRunState(text);
  if (state && IsTrackedState(*state)) {
    *to = *state;
  } else {
    reader.AddProblem("status",
                      "must be one of NotStarted, Running, Completed, Failed and "
                      "Canceled");
  }
}

std::vector<const ImportedSeries*> ByName(const ImportedRun& run) {
  std::vector<const ImportedSeries*> sorted;
  for (const ImportedSeries& series : run.series) {
    if (!series.points.empty()) sorted.push_back(&series);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  return sorted;
}

}  // namespace

Json ToJson(const ImportedRun& run) {
  Json json = {{"id", run.id},
               {"experiment_id", std::to_string(run.experiment)},
               {"status", ToString(run.state)},
               {"deleted", run.deleted},
               {"display_name", run.name},
               {"description", run.description},
               {"parent_id", run.parent_id},
               {"user_id", run.user_id},
               {"started_at", run.started_at},
               {"ended_at", run.ended_at},
               {"tags", run.tags},
               {"params", run.params}};
  Json series = Json::array();
  for (const ImportedSeries& one : run.series) series.push_back(ToJson(one));
  json["series"] = std::move(series);
  if (!run.datasets.empty()) {
    Json& datasets = json["datasets"] = Json::array();
    for (const ImportedDataset& dataset : run.datasets) datasets.push_back(ToJson(dataset));
  }
  if (!run.models_in.empty()) json["models_in"] = ToJson(run.models_in);
  if (!run.models_out.empty()) json["models_out"] = ToJson(run.models_out);
  return json;
}

Result<ImportedRun> ParseImportedRun(const Json& json, const std::string& path) {
  JsonReader reader(json, path);
  ImportedRun run;
  reader.String("id", &run.id, {.required = true, .max_length = 256, .may_be_empty = false});
  std::string experiment;
  if (reader.String("experiment_id", &experiment, {.required = true})) {
    const bool digits = !experiment.empty() && experiment.size() < 19 &&
                        experiment.find_first_not_of("0123456789") == std::string::npos;
    if (digits) run.experiment = std::stoll(experiment);
    if (!digits) reader.AddProblem("experiment_id", "must be a whole number as a text");
  }
  ReadState(reader, &run.state);
  reader.Bool("deleted", &run.deleted);
  reader.String("display_name", &run.name, {.max_length = kMaxText});
  reader.String("description", &run.description, {.max_length = kMaxText});
  reader.String("parent_id", &run.parent_id, {.max_length = 256});
  reader.String("user_id", &run.user_id, {.max_length = kMaxText});
  reader.Integer("started_at", &run.started_at, 0, kLatestTime);
  reader.Integer("ended_at", &run.ended_at, 0, kLatestTime);
  reader.StringMap("tags", &run.tags);
  reader.StringMap("params", &run.params);
  reader.Objects("series", [&](JsonReader& item) { ReadSeries(item, &run.series.emplace_back()); });
  reader.Objects("datasets",
                 [&](JsonReader& item) { ReadDataset(item, &run.datasets.emplace_back()); });
  ReadLinks(reader, "models_in", &run.models_in);
  ReadLinks(reader, "models_out", &run.models_out);
  ROOST_TRY(reader.Finish("The run is not valid"));
  return run;
}

ImportedRunDigest::ImportedRunDigest(const ImportedRun& run) {
  Text(run.id);
  Text(std::string(ToString(run.state)));
  Number(run.deleted ? 1 : 0);
  for (const std::string* text : {&run.name, &run.description, &run.parent_id, &run.user_id}) {
    Text(*text);
  }
  Number(run.started_at);
  Number(run.ended_at);
  const auto map = [this](const std::map<std::string, std::string>& pairs) {
    Number(static_cast<std::int64_t>(pairs.size()));
    for (const auto& [key, value] : pairs) {
      Text(key);
      Text(value);
    }
  };
  map(run.tags);
  map(run.params);

  std::vector<const ImportedDataset*> datasets;
  for (const ImportedDataset& dataset : run.datasets) datasets.push_back(&dataset);
  std::sort(datasets.begin(), datasets.end(), [](const auto* a, const auto* b) {
    return std::tie(a->name, a->digest) < std::tie(b->name, b->digest);
  });
  Number(static_cast<std::int64_t>(datasets.size()));
  for (const ImportedDataset* dataset : datasets) {
    for (const std::string* text :
         {&dataset->name, &dataset->digest, &dataset->source_type, &dataset->source}) {
      Text(*text);
    }
    Text(dataset->schema.value_or(""));
    Text(dataset->profile.value_or(""));
    map(dataset->tags);
  }
  for (const auto* links : {&run.models_in, &run.models_out}) {
    auto sorted = *links;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return std::tie(a.model_id, a.step) < std::tie(b.model_id, b.step);
    });
    Number(static_cast<std::int64_t>(sorted.size()));
    for (const ImportedModelLink& link : sorted) {
      Text(link.model_id);
      Number(link.step);
    }
  }
}

void ImportedRunDigest::BeginSeries(const std::string& name, std::int64_t points) {
  Text(name);
  Number(points);
}

void ImportedRunDigest::Add(std::span<const MetricPoint> points) {
  for (const MetricPoint& point : points) {
    Number(point.step);
    Number(point.time);
    // One NaN is like another, and SQLite keeps no sign of a zero.
    const double value =
        std::isnan(point.value) ? std::numeric_limits<double>::quiet_NaN() : point.value + 0.0;
    Number(std::bit_cast<std::int64_t>(value));
  }
}

Digest ImportedRunDigest::Finish() {
  Flush();
  return hasher_.Finish();
}

void ImportedRunDigest::Text(const std::string& text) {
  Number(static_cast<std::int64_t>(text.size()));
  buffer_ += text;
}

void ImportedRunDigest::Number(std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number);
  char bytes[8];
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  buffer_.append(bytes, sizeof bytes);
  if (buffer_.size() >= kBufferBytes) Flush();
}

void ImportedRunDigest::Flush() {
  hasher_.Update(buffer_);
  buffer_.clear();
}

Digest DigestOfRun(const ImportedRun& run) {
  ImportedRunDigest digest(run);
  for (const ImportedSeries* series : ByName(run)) {
    digest.BeginSeries(series->name, static_cast<std::int64_t>(series->points.size()));
    digest.Add(series->points);
  }
  return digest.Finish();
}

}  // namespace roost::spec
