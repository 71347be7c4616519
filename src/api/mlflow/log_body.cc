#include "api/mlflow/log_body.h"

#include <simdjson.h>

#include <limits>
#include <set>
#include <unordered_map>

#include "api/mlflow/errors.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/message.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/run_tags.h"

namespace roost::api::mlflow {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMostMetrics = 1000;
constexpr std::size_t kMostParams = 100;
constexpr std::size_t kMostTags = 100;
constexpr std::size_t kMostTogether = 1000;

// One metric as it came.
struct Metric {
  std::string key;
  spec::MetricPoint point;
};

// Points of one name go together, in their order.
class Grouped {
 public:
  explicit Grouped(spec::MetricBatch* batch) : batch_(batch) { batch->drop_duplicates = true; }

  void Add(std::string_view key, const spec::MetricPoint& point) {
    auto& series = batch_->series;
    if (last_ < series.size() && series[last_].name == key) {
      series[last_].points.push_back(point);
      return;
    }
    const auto [found, is_new] = index_.try_emplace(std::string(key), series.size());
    if (is_new) series.push_back({std::string(key), {}});
    last_ = found->second;
    series[last_].points.push_back(point);
  }

 private:
  spec::MetricBatch* batch_;
  std::size_t last_ = 0;
  std::unordered_map<std::string, std::size_t> index_;
};

// --- The usual form, read by simdjson. Each function is false for anything else. ---

bool ReadValue(dom::element element, double* value) {
  if (!element.get(*value)) return true;
  std::string_view text;
  if (element.get(text)) return false;
  if (text == "NaN") {
    *value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    *value = std::numeric_limits<double>::infinity();
  } else if (text == "-Infinity") {
    *value = -std::numeric_limits<double>::infinity();
  } else {
    return false;
  }
  return true;
}

// Fields beyond these are dropped, those of another type are unusual.
bool ReadMetricObject(dom::object object, std::string_view* key, spec::MetricPoint* point,
                      std::string_view* run_id) {
  bool has_key = false, has_value = false, has_time = false;
  point->step = 0;
  for (const auto [name, value] : object) {
    if (name == "key") {
      has_key = !value.get(*key) && !key->empty();
    } else if (name == "value") {
      has_value = ReadValue(value, &point->value);
    } else if (name == "timestamp") {
      std::int64_t time = 0;
      has_time = !value.get(time);
      point->time = FromMilliseconds(time);
    } else if (name == "step") {
      if (value.get(point->step)) return false;
    } else if (name == "run_id") {
      if (run_id != nullptr && value.get(*run_id)) return false;
    } else if (name != "run_uuid") {
      return false;
    }
  }
  return has_key && has_value && has_time && point->time > 0 && CheckKey("key", *key);
}

bool IsJson(const Request& request) {
  return request.Header(HeaderName::kContentType).starts_with("application/json");
}

// The document lives until the next one of this thread.
bool ParseObject(std::string& body, dom::object* object) {
  thread_local dom::parser parser;
  const std::size_t size = body.size();
  body.reserve(size + simdjson::SIMDJSON_PADDING);
  return !parser.parse(body.data(), size, false).get(*object);
}

bool ReadMetricsFast(dom::array items, spec::MetricBatch* batch) {
  if (items.size() > kMostMetrics) return false;
  Grouped grouped(batch);
  for (const dom::element item : items) {
    dom::object object;
    std::string_view key;
    spec::MetricPoint point;
    if (item.get(object) || !ReadMetricObject(object, &key, &point, nullptr)) return false;
    grouped.Add(key, point);
  }
  return true;
}

bool ReadMetricFast(Request& request, LogBody* body) {
  dom::object object;
  if (!IsJson(request) || !ParseObject(request.body, &object)) return false;
  std::string_view run_id, key;
  spec::MetricPoint point;
  if (!ReadMetricObject(object, &key, &point, &run_id) || run_id.empty()) return false;
  body->run_id = run_id;
  Grouped(&body->metrics).Add(key, point);
  return true;
}

// Batches of metrics alone, which are most.
bool ReadBatchFast(Request& request, LogBody* body) {
  dom::object object;
  if (!IsJson(request) || !ParseObject(request.body, &object)) return false;
  for (const auto [name, value] : object) {
    std::string_view text;
    dom::array items;
    if (name == "run_id") {
      if (value.get(text)) return false;
      body->run_id = text;
    } else if (name == "metrics") {
      if (value.get(items) || !ReadMetricsFast(items, &body->metrics)) return false;
    } else if (value.get(items) || items.size() > 0) {
      return false;
    }
  }
  return !body->run_id.empty();
}

// --- Everything else ---

Status CheckTime(const Message& message, const std::string& key, double value, std::int64_t time) {
  if (time >= 0) return {};
  return InvalidValue(message.PathOf("timestamp"), time,
                      "metric '" + key + "' (value=" + NumberOf(value).dump() +
                          "). Timestamp must be a nonnegative long (64-bit integer)");
}

Result<Metric> ReadMetric(const Message& message) {
  ROOST_ASSIGN(std::string key, message.RequiredText("key"));
  ROOST_ASSIGN(const double value, message.RequiredNumber("value"));
  ROOST_ASSIGN(const std::int64_t time, message.RequiredInteger("timestamp"));
  ROOST_ASSIGN(const std::int64_t step, message.IntegerOr("step", 0));
  ROOST_TRY(CheckKey(message.PathOf("name"), key, "Metric name"));
  ROOST_TRY(CheckTime(message, key, value, time));
  return Metric{std::move(key), {step, FromMilliseconds(time), value}};
}

// The metric belongs to a logged model too when it names one.
Status ReadModelOf(const Message& message, const Metric& metric, store::RunLog* log) {
  ROOST_ASSIGN(const std::string model, message.TextOr("model_id", ""));
  ROOST_ASSIGN(std::string name, message.TextOr("dataset_name", ""));
  ROOST_ASSIGN(std::string digest, message.TextOr("dataset_digest", ""));
  if (name.empty() != digest.empty()) {
    return Invalid("Both dataset_name and dataset_digest must be provided if one is provided");
  }
  if (model.empty()) return {};
  const spec::MetricPoint& point = metric.point;
  log->model_points[model].push_back(
      {metric.key, point.value, point.time, point.step, std::move(name), std::move(digest), ""});
  return {};
}

tl::unexpected<Error> TooMany(std::size_t count, std::size_t most, const std::string& what) {
  return Invalid("A batch logging request can contain at most " + std::to_string(most) + " " +
                 what + ". Got " + std::to_string(count) + " " + what + ". Please split up " +
                 what + " across multiple requests and try again.");
}

Status CheckCounts(std::size_t metrics, std::size_t params, std::size_t tags) {
  if (metrics > kMostMetrics) return TooMany(metrics, kMostMetrics, "metrics");
  if (params > kMostParams) return TooMany(params, kMostParams, "params");
  if (tags > kMostTags) return TooMany(tags, kMostTags, "tags");
  const std::size_t together = metrics + params + tags;
  if (together <= kMostTogether) return {};
  return TooMany(together, kMostTogether, "metrics, params, and tags");
}

Status ReadParams(const std::vector<Message::Pair>& pairs, store::RunLog* log) {
  std::set<std::string> seen;
  std::string twice;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::string path = "params[" + std::to_string(i) + "]";
    ROOST_TRY(CheckKey(path + ".key", pairs[i].key, "Param key"));
    if (!seen.insert(pairs[i].key).second) {
      twice += (twice.empty() ? "'" : ", '") + pairs[i].key + "'";
    }
    log->params.emplace_back(pairs[i].key, CutTo(pairs[i].value, kMaxParamValue));
  }
  if (!twice.empty()) {
    return Invalid("Duplicate parameter keys have been submitted: [" + twice +
                   "]. Please ensure the request contains only one param value per param key.");
  }
  return {};
}

}  // namespace

Result<LogBody> ReadLogMetric(Request& request) {
  LogBody body;
  if (ReadMetricFast(request, &body)) return body;
  ROOST_ASSIGN(const Message message, Message::Read(request));
  ROOST_ASSIGN(std::string run_id, message.RequiredText("run_id"));
  ROOST_ASSIGN(const Metric metric, ReadMetric(message));
  LogBody slow;
  slow.run_id = std::move(run_id);
  Grouped(&slow.metrics).Add(metric.key, metric.point);
  ROOST_TRY(ReadModelOf(message, metric, &slow.log));
  return slow;
}

Result<LogBody> ReadLogParam(Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  LogBody body;
  ROOST_ASSIGN(body.run_id, message.RequiredText("run_id"));
  ROOST_ASSIGN(const std::string key, message.RequiredText("key"));
  ROOST_ASSIGN(std::string value, message.TextOr("value", ""));
  ROOST_TRY(CheckKey("key", key, "Param key"));
  body.log.params.emplace_back(key, CutTo(std::move(value), kMaxParamValue));
  return body;
}

Result<LogBody> ReadSetTag(Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  LogBody body;
  ROOST_ASSIGN(body.run_id, message.RequiredText("run_id"));
  ROOST_ASSIGN(std::string key, message.RequiredText("key"));
  ROOST_ASSIGN(std::string value, message.TextOr("value", ""));
  ROOST_TRY(CheckKey("key", key));
  TakeTag(std::move(key), CutTo(std::move(value), kMaxTagValue), &body.log);
  return body;
}

Result<LogBody> ReadLogBatch(Request& request) {
  LogBody fast;
  if (ReadBatchFast(request, &fast)) return fast;
  ROOST_ASSIGN(const Message message, Message::Read(request));
  LogBody body;
  ROOST_ASSIGN(body.run_id, message.RequiredText("run_id", Message::RunId::kOnly));
  ROOST_ASSIGN(const auto metrics, message.Messages("metrics"));
  ROOST_ASSIGN(const auto params, message.Pairs("params"));
  ROOST_ASSIGN(const auto tags, message.Pairs("tags"));
  ROOST_TRY(CheckCounts(metrics.size(), params.size(), tags.size()));
  ROOST_ASSIGN(body.log, ReadRunTags(tags, "tags"));
  ROOST_TRY(ReadParams(params, &body.log));
  Grouped grouped(&body.metrics);
  for (const Message& item : metrics) {
    ROOST_ASSIGN(const Metric metric, ReadMetric(item));
    grouped.Add(metric.key, metric.point);
    ROOST_TRY(ReadModelOf(item, metric, &body.log));
  }
  return body;
}

}  // namespace roost::api::mlflow
