#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

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
constexpr std::size_t kAll = std::numeric_limits<std::int64_t>::max();
// Charts of more points than these are read from the summaries of chunks.
constexpr std::int64_t kReadWhole = 50'000;

// NaN comes before every number.
bool IsBefore(const store::StoredPoint& a, const store::StoredPoint& b) {
  const auto rank = [](const store::StoredPoint& point) {
    const bool number = !std::isnan(point.value);
    return std::tuple(point.time, point.step, number, number ? point.value : 0.0);
  };
  return rank(a) < rank(b);
}

// MLflow's order: by time, step and value. Points come in about that order.
Result<std::vector<store::StoredPoint>> ReadHistory(Services& services, RunKey run,
                                                    const std::string& name) {
  ROOST_ASSIGN(auto points, services.store.metrics().History(run, name, 0, kAll));
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
  AppendNumber(WithoutInfinity(point.value), to);
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

Result<Response> Bulk(Services& services, Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  const std::string call = "GetMetricHistoryBulk";
  ROOST_ASSIGN(std::vector<std::string> ids, message.Texts("run_id"));
  ROOST_ASSIGN(const std::string key, message.TextOr("metric_key", ""));
  ROOST_ASSIGN(const std::int64_t most, message.IntegerOr("max_results", kMostPoints));
  if (ids.empty()) return Invalid(call + " request must specify at least one run_id.");
  if (ids.size() > kMostRuns) {
    return Invalid(call + " request cannot specify more than " + std::to_string(kMostRuns) +
                   " run_ids. Received " + std::to_string(ids.size()) + " run_ids.");
  }
  if (key.empty()) return Invalid(call + " request must specify a metric_key.");
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
    return Invalid("If either start step or end step are specified, both must be specified.");
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

// One run of a chart.
struct Line {
  std::string run_id;
  RunKey run;
  std::int64_t count = 0;
  std::vector<store::StoredPoint> points;
};

Result<std::vector<Line>> FindLines(Services& services, const std::vector<std::string>& ids,
                                    const std::string& key) {
  std::vector<Line> lines;
  for (const std::string& id : ids) {
    ROOST_ASSIGN(const auto run, KeyOf(services, id));
    if (run) lines.push_back({id, *run, 0, {}});
  }
  std::vector<RunKey> keys;
  for (const Line& line : lines) keys.push_back(line.run);
  ROOST_ASSIGN(const auto summaries, services.store.metrics().Summaries(keys));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const store::MetricSummary& summary : summaries[i]) {
      if (summary.name == key) lines[i].count = summary.count;
    }
  }
  return lines;
}

// How far a point lies from the last one that was kept; what is no finite number is never left out.
double Deviation(const store::StoredPoint& point, const store::StoredPoint& kept) {
  const double distance = std::abs(point.value - kept.value);
  return std::isfinite(distance) ? distance : std::numeric_limits<double>::infinity();
}

// Of very long lines the extremes of many short stretches are read from the summaries of chunks,
// and of several neighbours the one that stands out is kept, so that no peak is hidden.
Status ReadThinned(Services& services, const std::string& key, const Interval& interval,
                   Line* line) {
  ROOST_ASSIGN(const store::Chart chart,
               services.store.metrics().Downsampled(line->run, key, 3 * interval.most + 2,
                                                    interval.from, interval.to));
  std::vector<store::StoredPoint> extremes = chart.points;
  std::stable_sort(extremes.begin(), extremes.end(),
                   [](const auto& a, const auto& b) { return a.step < b.step; });
  if (extremes.size() <= interval.most) {
    line->points = std::move(extremes);
    return {};
  }
  line->points.push_back(extremes.front());
  const std::size_t between = extremes.size() - 1;  // the last one comes in any case
  for (std::size_t i = 1; i < interval.most; ++i) {
    const auto begin = extremes.begin() + static_cast<std::ptrdiff_t>(i * between / interval.most);
    const auto end =
        extremes.begin() + static_cast<std::ptrdiff_t>((i + 1) * between / interval.most);
    const store::StoredPoint& kept = line->points.back();
    line->points.push_back(*std::max_element(begin, end, [&](const auto& a, const auto& b) {
      return Deviation(a, kept) < Deviation(b, kept);
    }));
  }
  line->points.push_back(extremes.back());
  return {};
}

Status ReadWhole(Services& services, const std::string& key, const Interval& interval, Line* line) {
  ROOST_ASSIGN(line->points, services.store.metrics().History(line->run, key, 0, kAll));
  std::erase_if(line->points, [&](const store::StoredPoint& point) {
    return interval.from && (point.step < *interval.from || point.step > *interval.to);
  });
  std::stable_sort(line->points.begin(), line->points.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.step, a.time) < std::tuple(b.step, b.time);
  });
  return {};
}

// MLflow's choice: as many steps as wanted, evenly out of all steps of these runs, and each run's
// first and last one.
void KeepEvenSteps(const Interval& interval, std::vector<Line*>* lines) {
  std::vector<std::int64_t> all;
  std::set<std::int64_t> kept;
  for (const Line* line : *lines) {
    if (line->points.empty()) continue;
    kept.insert({line->points.front().step, line->points.back().step});
    for (const store::StoredPoint& point : line->points) {
      if (all.empty() || all.back() != point.step) all.push_back(point.step);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() <= interval.most) return;
  for (std::size_t i = 0; i < interval.most; ++i) kept.insert(all[i * all.size() / interval.most]);
  for (Line* line : *lines) {
    std::erase_if(line->points,
                  [&](const store::StoredPoint& point) { return !kept.contains(point.step); });
  }
}

Result<Response> BulkInterval(Services& services, Request& request) {
  ROOST_ASSIGN(const Message message, Message::Read(request));
  ROOST_ASSIGN(const std::vector<std::string> ids, message.Texts("run_ids"));
  if (ids.empty()) return MissingValue("run_ids");
  if (ids.size() > kMostRuns) {
    return Invalid("GetMetricHistoryBulkInterval request must specify at most " +
                   std::to_string(kMostRuns) + " run_ids. Received " + std::to_string(ids.size()) +
                   " run_ids.");
  }
  ROOST_ASSIGN(const std::string key, message.RequiredText("metric_key"));
  ROOST_ASSIGN(const Interval interval, ReadInterval(message));
  ROOST_ASSIGN(std::vector<Line> lines, FindLines(services, ids, key));
  std::vector<Line*> whole;
  for (Line& line : lines) {
    if (line.count > kReadWhole) {
      ROOST_TRY(ReadThinned(services, key, interval, &line));
    } else {
      ROOST_TRY(ReadWhole(services, key, interval, &line));
      whole.push_back(&line);
    }
  }
  KeepEvenSteps(interval, &whole);
  std::string text = "{\"metrics\":[";
  const std::string key_json = Dump(Json(key));
  for (const Line& line : lines) {
    const std::string rest = RunField(line.run_id);
    for (const store::StoredPoint& point : line.points) AppendPoint(key_json, point, rest, &text);
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
