#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/metrics_body.h"
#include "api/run_access.h"
#include "base/log.h"

namespace roost::api {
namespace {

// Larger bodies are parsed by a worker, so that they hold up no other connection.
constexpr std::size_t kParsedAtOnce = 128 << 10;
constexpr std::int64_t kMostPoints = 100'000;

std::size_t CountOf(const spec::MetricBatch& batch) {
  std::size_t count = batch.entries.size();
  for (const spec::MetricSeries& series : batch.series) count += series.points.size();
  return count;
}

void Append(Services& services, RunKey run, spec::MetricBatch batch, Responder responder) {
  const std::size_t count = CountOf(batch);
  services.store.metrics().Append(run, std::move(batch), [responder, count](Status status) {
    if (status) {
      responder.Answer(Response(200, "{\"accepted\":" + std::to_string(count) + "}"));
    } else {
      responder.Answer(Response::OfError(status.error()));
    }
  });
}

Status FindParseAppend(Services& services, Request& request, Responder responder) {
  ROOST_ASSIGN(const RunRef run, services.run_access.Find(request.parameters[0]));
  ROOST_TRY(services.run_access.Check(request.token, run));
  ROOST_ASSIGN(spec::MetricBatch batch,
               ParseMetricBatch(request.body, services.options.clock->Now()));
  Append(services, run.key, std::move(batch), responder);
  return {};
}

Result<Response> PointsJson(const std::string& name, const std::vector<store::StoredPoint>& points,
                            bool more) {
  // Up to 100,000 points: written as text at once, without a tree of JSON values.
  std::string text = "{\"name\":" + Dump(name) + ",\"points\":[";
  text.reserve(points.size() * 90 + 256);
  for (const store::StoredPoint& point : points) {
    if (&point != points.data()) text.push_back(',');
    text.append("{\"seq\":");
    AppendNumber(point.seq, &text);
    text.append(",\"step\":");
    AppendNumber(point.step, &text);
    text.append(",\"time\":\"");
    text.append(FormatTime(point.time));
    text.append("\",\"value\":");
    AppendNumber(point.value, &text);
    text.push_back('}');
  }
  text.append("],\"next_seq\":");
  if (more) {
    AppendNumber(points.back().seq, &text);
  } else {
    text.append("null");
  }
  text.push_back('}');
  return Response(200, std::move(text));
}

template <class Write>
void AppendColumn(std::string_view name, const std::vector<store::StoredPoint>& points,
                  const Write& write, std::string* to) {
  to->append(",\"");
  to->append(name);
  to->append("\":[");
  for (const store::StoredPoint& point : points) {
    if (&point != points.data()) to->push_back(',');
    write(point);
  }
  to->push_back(']');
}

}  // namespace

// The path of one metric request: parsed on the I/O thread, appended to the store's queue, answered
// when its group commit is durable. Only the first request of a run looks into the database.
void PostMetrics(Services& services, Request& request, Responder responder) {
  const auto known = services.run_access.FindKnown(request.parameters[0], request.token);
  if (known && !known->allowed) {
    return responder.Answer(Response::OfError(known->allowed.error()));
  }
  if (known && request.body.size() <= kParsedAtOnce) {
    auto batch = ParseMetricBatch(request.body, services.options.clock->Now());
    if (!batch) return responder.Answer(Response::OfError(batch.error()));
    return Append(services, known->run.key, std::move(*batch), responder);
  }
  services.pool.Post(WorkerPool::Lane::kNormal, [&services, &request, responder] {
    if (auto status = FindParseAppend(services, request, responder); !status) {
      responder.Answer(Response::OfError(status.error()));
    }
  });
}

Result<Response> ListMetrics(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(const auto summaries, services.store.metrics().Summaries(run.key));
  Json items = Json::array();
  for (const store::MetricSummary& summary : summaries) items.push_back(SummaryJson(summary));
  return ListResponse(std::move(items), "");
}

Result<Response> GetMetricHistory(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string name, QueryText(request, "name"));
  ROOST_ASSIGN(const auto after, QueryInteger(request, "after_seq", 0, 0, INT64_MAX - 1));
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request, 10'000, kMostPoints));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(auto points, services.store.metrics().History(run.key, name, after, limit + 1));
  const bool more = points.size() > limit;
  if (more) points.resize(limit);
  return PointsJson(name, points, more);
}

Result<Response> GetMetricEntries(Services& services, Request& request) {
  ROOST_ASSIGN(const auto after, QueryInteger(request, "after_seq", 0, 0, INT64_MAX - 1));
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request, 1000, 10'000));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  const std::string name = request.QueryValue("name").value_or("");
  ROOST_ASSIGN(auto entries, services.store.metrics().Entries(run.key, name, after, limit + 1));
  const bool more = entries.size() > limit;
  if (more) entries.resize(limit);
  Json items = Json::array();
  for (const store::StoredEntry& entry : entries) items.push_back(EntryJson(entry));
  return JsonResponse(200, {{"items", std::move(items)},
                            {"next_seq", more ? Json(entries.back().seq) : Json(nullptr)}});
}

Result<Response> GetMetricChart(Services& services, Request& request) {
  ROOST_ASSIGN(const std::string name, QueryText(request, "name"));
  ROOST_ASSIGN(const auto buckets, QueryInteger(request, "points", 1000, 2, 20'000));
  ROOST_ASSIGN(const auto from, OptionalQueryInteger(request, "from_step", INT64_MIN, INT64_MAX));
  ROOST_ASSIGN(const auto to, OptionalQueryInteger(request, "to_step", INT64_MIN, INT64_MAX));
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  ROOST_ASSIGN(const store::Chart chart,
               services.store.metrics().Downsampled(run.key, name,
                                                    static_cast<std::size_t>(buckets), from, to));
  std::string text = "{\"name\":" + Dump(name) + ",\"total\":" + std::to_string(chart.total);
  text.reserve(chart.points.size() * 80 + 256);
  AppendColumn(
      "seq", chart.points, [&](const auto& p) { AppendNumber(p.seq, &text); }, &text);
  AppendColumn(
      "step", chart.points, [&](const auto& p) { AppendNumber(p.step, &text); }, &text);
  AppendColumn(
      "time", chart.points, [&](const auto& p) { text += '"' + FormatTime(p.time) + '"'; }, &text);
  AppendColumn(
      "value", chart.points, [&](const auto& p) { AppendNumber(p.value, &text); }, &text);
  text.push_back('}');
  return Response(200, std::move(text));
}

}  // namespace roost::api
