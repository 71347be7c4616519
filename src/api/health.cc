#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>

#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_stats.h"
#include "base/files.h"

namespace roost::api {
namespace {

struct Memory {
  std::uint64_t resident = 0;
  std::uint64_t proportional = 0;  // shared pages divided among their users
};

Memory ReadMemory() {
  Memory memory;
  const auto text = ReadFile("/proc/self/smaps_rollup", 64 << 10);
  if (!text) return memory;
  const auto kilobytes = [&](std::string_view name) -> std::uint64_t {
    const std::size_t at = text->find(name);
    if (at == std::string::npos) return 0;
    return std::strtoull(text->c_str() + at + name.size(), nullptr, 10) * 1024;
  };
  memory.resident = kilobytes("\nRss:");
  memory.proportional = kilobytes("\nPss:");
  return memory;
}

void Gauge(std::string_view name, std::string_view help, double value, std::string* to) {
  fmt::format_to(std::back_inserter(*to), "# HELP {0} {1}\n# TYPE {0} gauge\n{0} {2}\n", name, help,
                 value);
}

}  // namespace

Result<Response> GetHealth(Services& services, Request&) {
  const Status health = services.store.Health();
  return JsonResponse(health ? 200 : 503,
                      {{"status", health ? "ok" : "failing"},
                       {"reason", health ? Json(nullptr) : Json(health.error().message)},
                       {"version", services.options.version}});
}

Result<Response> GetPrometheus(Services& services, Request&) {
  std::string text;
  auto out = std::back_inserter(text);
  text.append("# HELP roost_runs Runs that are not over, by state.\n# TYPE roost_runs gauge\n");
  ROOST_ASSIGN(const auto counts, services.store.runs().CountActive());
  for (const spec::RunState state : spec::AllRunStates()) {
    if (spec::IsFinal(state)) continue;
    const auto found = counts.find(state);
    fmt::format_to(out, "roost_runs{{state=\"{}\"}} {}\n", spec::ToString(state),
                   found == counts.end() ? 0 : found->second);
  }
  const engine::QueueStatus queue = services.engine.Queue();
  Gauge("roost_queue_waiting", "Runs that wait for resources.", static_cast<double>(queue.waiting),
        &text);
  Gauge("roost_queue_running", "Runs that hold resources.", static_cast<double>(queue.running),
        &text);
  Gauge("roost_queue_paused", "1 while nothing is started.", queue.paused ? 1 : 0, &text);
  Gauge("roost_queue_cpus_used", "Cores that are given to runs.", queue.cpus_used, &text);
  if (const auto space = GetDiskSpace(services.store.data_folder())) {
    Gauge("roost_free_bytes", "Free space of the data folder's disk.",
          static_cast<double>(space->free_bytes), &text);
    Gauge("roost_total_bytes", "Size of the data folder's disk.",
          static_cast<double>(space->total_bytes), &text);
  }
  const Memory memory = ReadMemory();
  Gauge("process_resident_memory_bytes", "Resident memory.", static_cast<double>(memory.resident),
        &text);
  Gauge("roost_proportional_memory_bytes", "Resident memory, shared pages divided.",
        static_cast<double>(memory.proportional), &text);
  Gauge("process_start_time_seconds", "When the server began.",
        static_cast<double>(services.started_at) / 1e6, &text);
  Gauge("roost_store_healthy", "0 after a write that failed.", services.store.Health() ? 1 : 0,
        &text);
  services.stats.AppendPrometheus(&text);
  Response response(200, std::move(text));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace roost::api
