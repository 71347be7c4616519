#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "api/http_types.h"

namespace roost::api {

// Counts of answers by route and status and a histogram of their times, for GET /metrics. Counting
// is a few relaxed atomics.
class HttpStats {
 public:
  HttpStats();
  void Count(const Request& request, int status);
  void CountCommit() { commits_.fetch_add(1, std::memory_order_relaxed); }
  void AppendPrometheus(std::string* to) const;

 private:
  static constexpr std::array<int, 19> kStatuses = {200, 201, 202, 204, 206, 303, 304,
                                                    400, 401, 403, 404, 405, 409, 413,
                                                    416, 500, 503, 504, 507};
  static constexpr std::array<double, 12> kBounds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                     0.05,   0.1,   0.5,   1,     5,    30};
  using Counter = std::atomic<std::uint64_t>;

  std::vector<std::array<Counter, kStatuses.size()>> by_route_;  // the last: no route
  std::array<Counter, kBounds.size() + 1> buckets_{};
  Counter micros_{0};
  Counter commits_{0};
};

}  // namespace roost::api
