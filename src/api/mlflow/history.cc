#include <algorithm>
#include <cmath>
#include <limits>

#include "api/json.h"
#include "api/mlflow/handlers.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/paging.h"

// Histories of metrics, whole or thinned out.
namespace roost::api::mlflow {
namespace {

constexpr std::int64_t kMostPoints = 25'000;
constexpr std::size_t kMostRuns = 100;
constexpr std::int64_t kMostOfInterval = 2'500;

bool IsBefore(const store::StoredPoint& a, const store::StoredPoint& b) {
  if (a.time != b.time) return a.time < b.time;
  if (a.step != b.step) return a.step < b.step;
  return a.value < b.value;
}

// MLflow's order: by time, step and value. Points come in about that order.
Result<std::vector<store::StoredPoint>> ReadHistory(Services& services, RunKey run,
                                                    const std::string& name) {
  ROOST_ASSIGN(auto points, services.store.metrics().History(
                                run, name, 0, std::numeric_limits<std::size_t>::max()));
  if (!std::is_sorted(points.begin(), points.end(), IsBefore)) {
    std::stable_sort(points.begin(), points.end(), IsBefore);
  }
  return points;
}

// Written as text at once: there may be very many.
void AppendPoint(std::string_view key_json, const store::StoredPoint& point, std::string_view rest,
                 std::string* to) {
  to->append(to->back() == '[' ? "{\"key\":" : ",{\"key\":").append(key_json);
  to->append(",\"value\":");
  if (std::isinf(point.value)) {
    AppendNumber(std::copysign(std::numeric_limits<double>::max(), point.value), to);
  } else {
    AppendNumber(point.value, to);
  }
  to->append(",\"timestamp\":");
  AppendNumber(Milliseconds(point.time), to);
  to->append(",\"step\":");
  AppendNumber(point.step, to);
  to->append(rest).push_back('}');
}

std::string RunField(const std::string& run_id) { return ",\"run_id\":" + Dump(Json(run_id)); }

Response FinishList(std::string text) {
  text.append("]}");
  // An empty list is left out.
  if (text == "{\"metrics\":[]}") text = "{}";
  return Response(200, std::move(text));
}

// Runs that are not there have no points.
Result<std::optional<RunKey>> KeyOf(Services& services, const std::string& run_id) {
  const auto run = services.store.runs().Get(RunId(run_id));
  if (run) return std::optional(run->key);
  if (run.error().code == ErrorCode::kNotFound) return std::optional<RunKey>();
  return roost::Fail(run.error());
}

Result<Response> History(Services& services, Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  ROOST_ASSIGN(const std::string run_id, message.RequiredText("run_id"));
  ROOST_ASSIGN(const std::string key, message.RequiredText("metric_key"));
  ROOST_ASSIGN(const auto most, message.Integer("max_results"));
  ROOST_ASSIGN(const std::string token, message.TextOr("page_token", ""));
  if (most && *most <= 0) {
    return InvalidValue("max_results", *most, "It must be a positive number.");
  }
  ROOST_ASSIGN(const std::size_t offset, ReadOffsetToken(token));
  ROOST_ASSIGN(const auto run, KeyOf(services, run_id));
  if (!run) return Response(200, "{}");
  ROOST_ASSIGN(const auto points, ReadHistory(services, *run, key));
  const std::size_t begin = std::min(offset, points.size());
  const std::size_t count =
      most ? std::min(points.size() - begin, static_cast<std::size_t>(std::min(*most, kMostPoints)))
           : points.size() - begin;
  std::string text = "{\"metrics\":[";
  text.reserve(count * 90 + 64);
  const std::string key_json = Dump(Json(key));
  for (std::size_t i = begin; i < begin + count; ++i) AppendPoint(key_json, points[i], "", &text);
  if (begin + count == points.size()) return FinishList(std::move(text));
  text.append("],\"next_page_token\":").append(Dump(Json(OffsetToken(begin + count))));
  text.push_back('}');
  return Response(200, std::move(text));
}

Result<std::vector<std::string>> ReadRunIds(const Message& message, std::string_view field) {
  ROOST_ASSIGN(std::vector<std::string> ids, message.Texts(field));
  if (ids.empty()) return MissingValue(field);
  if (ids.size() > kMostRuns) {
    return Invalid("GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received " +
                   std::to_string(ids.size()) + " run_ids.");
  }
  return ids;
}

Result<Response> Bulk(Services& services, Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  ROOST_ASSIGN(std::vector<std::string> ids, ReadRunIds(message, "run_id"));
  ROOST_ASSIGN(const std::string key, message.RequiredText("metric_key"));
  ROOST_ASSIGN(const std::int64_t most, message.IntegerOr("max_results", kMostPoints));
  std::int64_t left = std::clamp<std::int64_t>(most, 0, kMostPoints);
  std::sort(ids.begin(), ids.end());
  std::string text = "{\"metrics\":[";
  const std::string key_json = Dump(Json(key));
  for (const std::string& id : ids) {
    if (left == 0) break;
    ROOST_ASSIGN(const auto run, KeyOf(services, id));
    if (!run) continue;
    ROOST_ASSIGN(const auto points, ReadHistory(services, *run, key));
    const std::string rest = RunField(id);
    for (const store::StoredPoint& point : points) {
      if (left-- == 0) break;
      AppendPoint(key_json, point, rest, &text);
    }
    left = std::max<std::int64_t>(left, 0);
  }
  text.append("]}");
  return Response(200, std::move(text));
}

struct Interval {
  std::optional<std::int64_t> from;
  std::optional<std::int64_t> to;
  std::size_t most = 0;  // points of each run
};

Result<Interval> ReadInterval(const Message& message) {
  Interval interval;
  ROOST_ASSIGN(interval.from, message.Integer("start_step"));
  ROOST_ASSIGN(interval.to, message.Integer("end_step"));
  ROOST_ASSIGN(const std::int64_t most, message.IntegerOr("max_results", kMostOfInterval));
  if (interval.from.has_value() != interval.to.has_value()) {
    return Invalid("If either start steps or end steps are specified, both must be specified.");
  }
  if (interval.from && *interval.from > *interval.to) {
    return Invalid("end_step must be greater than start_step. Found start_step=" +
                   std::to_string(*interval.from) +
                   " and end_step=" + std::to_string(*interval.to) + ".");
  }
  if (most <= 0 || most > kMostOfInterval) {
    return Invalid("max_results must be between 1 and " + std::to_string(kMostOfInterval) + ".");
  }
  interval.most = static_cast<std::size_t>(most);
  return interval;
}

// All points when they are few; else the smallest and the largest of each stretch, so that no peak
// is hidden.
Result<std::vector<store::StoredPoint>> Thinned(Services& services, RunKey run,
                                                const std::string& key, const Interval& interval) {
  store::Metrics& metrics = services.store.metrics();
  const std::size_t buckets = std::max<std::size_t>(interval.most, 2);
  ROOST_ASSIGN(store::Chart chart,
               metrics.Downsampled(run, key, buckets, interval.from, interval.to));
  if (chart.points.size() > interval.most) {
    // Numbers that are not finite come on top of the buckets.
    ROOST_ASSIGN(chart, metrics.Downsampled(run, key, std::max<std::size_t>(buckets / 2, 2),
                                            interval.from, interval.to));
    if (chart.points.size() > interval.most) chart.points.resize(interval.most);
  }
  std::stable_sort(chart.points.begin(), chart.points.end(),
                   [](const auto& a, const auto& b) { return a.step < b.step; });
  return std::move(chart.points);
}

Result<Response> BulkInterval(Services& services, Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  ROOST_ASSIGN(const std::vector<std::string> ids, ReadRunIds(message, "run_ids"));
  ROOST_ASSIGN(const std::string key, message.RequiredText("metric_key"));
  ROOST_ASSIGN(const Interval interval, ReadInterval(message));
  std::string text = "{\"metrics\":[";
  const std::string key_json = Dump(Json(key));
  for (const std::string& id : ids) {
    ROOST_ASSIGN(const auto run, KeyOf(services, id));
    if (!run) continue;
    ROOST_ASSIGN(const auto points, Thinned(services, *run, key, interval));
    const std::string rest = RunField(id);
    for (const store::StoredPoint& point : points) AppendPoint(key_json, point, rest, &text);
  }
  return FinishList(std::move(text));
}

// Streams of text instead of a tree of values; errors in MLflow's form all the same.
Result<Response> OrError(Result<Response> response) {
  if (response) return response;
  return ErrorResponse(response.error());
}

}  // namespace

Result<Response> GetMetricHistory(Services& services, Request& request) {
  return OrError(History(services, request));
}
Result<Response> GetMetricHistoryBulk(Services& services, Request& request) {
  return OrError(Bulk(services, request));
}
Result<Response> GetMetricHistoryBulkInterval(Services& services, Request& request) {
  return OrError(BulkInterval(services, request));
}

}  // namespace roost::api::mlflow
