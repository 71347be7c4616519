#include "api/http_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "api/routes.h"

namespace roost::api {

HttpStats::HttpStats() : by_route_(Routes().size() + 1) {}

void HttpStats::Count(const Request& request, int status) {
  const std::size_t route = request.route ? RouteIndex(*request.route) : by_route_.size() - 1;
  const auto found = std::find(kStatuses.begin(), kStatuses.end(), status);
  if (found != kStatuses.end()) {
    by_route_[route][static_cast<std::size_t>(found - kStatuses.begin())].fetch_add(
        1, std::memory_order_relaxed);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - request.started;
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), took.count());
  buckets_[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(1,
                                                                        std::memory_order_relaxed);
  micros_.fetch_add(static_cast<std::uint64_t>(took.count() * 1e6), std::memory_order_relaxed);
}

void HttpStats::AppendPrometheus(std::string* to) const {
  auto out = std::back_inserter(*to);
  to->append("# HELP roost_http_requests_total Answers by route and status.\n");
  to->append("# TYPE roost_http_requests_total counter\n");
  for (std::size_t i = 0; i < by_route_.size(); ++i) {
    const bool known = i < Routes().size();
    for (std::size_t k = 0; k < kStatuses.size(); ++k) {
      const std::uint64_t count = by_route_[i][k].load(std::memory_order_relaxed);
      if (count == 0) continue;
      fmt::format_to(out,
                     "roost_http_requests_total{{method=\"{}\",route=\"{}\",status=\"{}\"}} {}\n",
                     known ? ToString(Routes()[i].method) : "", known ? Routes()[i].pattern : "",
                     kStatuses[k], count);
    }
  }
  to->append("# HELP roost_http_request_seconds From a request's head to its answer.\n");
  to->append("# TYPE roost_http_request_seconds histogram\n");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    sum += buckets_[i].load(std::memory_order_relaxed);
    fmt::format_to(out, "roost_http_request_seconds_bucket{{le=\"{}\"}} {}\n", kBounds[i], sum);
  }
  sum += buckets_[kBounds.size()].load(std::memory_order_relaxed);
  fmt::format_to(out, "roost_http_request_seconds_bucket{{le=\"+Inf\"}} {}\n", sum);
  fmt::format_to(out, "roost_http_request_seconds_sum {}\n",
                 static_cast<double>(micros_.load(std::memory_order_relaxed)) / 1e6);
  fmt::format_to(out, "roost_http_request_seconds_count {}\n", sum);
  to->append("# HELP roost_store_commits_total Group commits of the store.\n");
  to->append("# TYPE roost_store_commits_total counter\n");
  fmt::format_to(out, "roost_store_commits_total {}\n", commits_.load(std::memory_order_relaxed));
}

}  // namespace roost::api
