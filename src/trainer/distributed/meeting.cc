#include "trainer/distributed/meeting.h"

#include <unistd.h>

#include <array>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string HostName() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

std::string SentenceOf(const std::exception& exception) {
  const auto* error = dynamic_cast<const c10::Error*>(&exception);
  const std::string text = error != nullptr ? error->what_without_backtrace() : exception.what();
  return text.substr(0, text.find('\n'));
}

Result<StorePointer> OpenStore(const Launch& launch, bool as_server, milliseconds limit) {
  c10d::TCPStoreOptions options;
  options.port = launch.master_port;
  options.isServer = as_server;
  options.waitWorkers = false;
  options.timeout = limit;
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(launch.master_addr, options);
    return StorePointer(c10::make_intrusive<c10d::PrefixStore>("roost/" + launch.attempt,
                                                               StorePointer(std::move(store))));
  } catch (const std::exception& exception) {
    const std::string place = launch.master_addr + ":" + std::to_string(launch.master_port);
    if (as_server) {
      return Fail(ErrorCode::kUnavailable,
                  "Rank 0 cannot let the others meet at " + place + ": " + SentenceOf(exception) +
                      " Another port is set by --master-port or MASTER_PORT.");
    }
    return FailModule(TimedOut("Rank " + std::to_string(launch.rank) + " of " +
                               std::to_string(launch.world_size) + " cannot reach rank 0 at " +
                               place + ": " + SentenceOf(exception)));
  }
}

Result<std::vector<std::string>> Meet(c10d::Store& store, const Launch& launch,
                                      milliseconds limit) {
  const auto key = [](int rank) { return "here/" + std::to_string(rank); };
  if (store.add("count/" + std::to_string(launch.rank), 1) > 1) {
    return Fail(ErrorCode::kConflict,
                "Two processes say that they are rank " + std::to_string(launch.rank) + " of " +
                    std::to_string(launch.world_size) + ". Give each a rank of its own.");
  }
  const std::string own = HostName();
  store.set(key(launch.rank), std::vector<std::uint8_t>(own.begin(), own.end()));
  const Clock::time_point deadline = Clock::now() + limit;
  std::string missing;
  std::vector<std::string> hosts;
  for (int rank = 0; rank < launch.world_size; ++rank) {
    while (!store.check({key(rank)}) && Clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    if (!store.check({key(rank)})) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
      continue;
    }
    const std::vector<std::uint8_t> host = store.get(key(rank));
    hosts.emplace_back(host.begin(), host.end());
  }
  if (missing.empty()) return hosts;
  return FailModule(TimedOut("These ranks of " + std::to_string(launch.world_size) +
                             " have not come to " + launch.master_addr + ":" +
                             std::to_string(launch.master_port) + ": " + missing + "."));
}

}  // namespace roost::trainer
