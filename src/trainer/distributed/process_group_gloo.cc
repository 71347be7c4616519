#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/cat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "trainer/distributed/process_group.h"
#include "trainer/distributed/rank_watch.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using c10d::ProcessGroupGloo;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using StorePointer = c10::intrusive_ptr<c10d::Store>;

// Our own wait ends first and names who is late.
constexpr milliseconds kBeyondOurs(60000);

std::string SentenceOf(const std::exception& exception) {
  const auto* error = dynamic_cast<const c10::Error*>(&exception);
  const std::string text = error != nullptr ? error->what_without_backtrace() : exception.what();
  return text.substr(0, text.find('\n'));
}

std::string HostName() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
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

// Waits until all are there; gives how many of them run on this machine.
Result<int> Meet(c10d::Store& store, const Launch& launch, milliseconds limit) {
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
  int here = 0;
  for (int rank = 0; rank < launch.world_size; ++rank) {
    while (!store.check({key(rank)}) && Clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    if (!store.check({key(rank)})) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
      continue;
    }
    const std::vector<std::uint8_t> host = store.get(key(rank));
    if (std::string(host.begin(), host.end()) == own) ++here;
  }
  if (missing.empty()) return here;
  return FailModule(TimedOut("These ranks of " + std::to_string(launch.world_size) +
                             " have not come to " + launch.master_addr + ":" +
                             std::to_string(launch.master_port) + ": " + missing + "."));
}

c10::intrusive_ptr<ProcessGroupGloo::Options> GlooOptions(bool all_here, milliseconds limit) {
  auto options = ProcessGroupGloo::Options::create(limit + kBeyondOurs);
  const char* const interfaces = std::getenv("GLOO_SOCKET_IFNAME");  // PyTorch's
  if (interfaces != nullptr && *interfaces != 0) {
    std::string names = interfaces;
    for (char* name = std::strtok(names.data(), ","); name != nullptr;
         name = std::strtok(nullptr, ",")) {
      options->devices.push_back(ProcessGroupGloo::createDeviceForInterface(name));
    }
  } else if (all_here) {
    options->devices.push_back(ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(ProcessGroupGloo::createDefaultDevice());
  }
  return options;
}

// The bytes of a tensor, one after the other in the order of its indices.
at::Tensor BytesOf(const at::Tensor& tensor) {
  return tensor.detach().contiguous().reshape({-1}).view(at::kByte);
}

// Ended by the backend's thread, guarded by the watch's signal.
struct Outcome {
  bool done = false;
  std::optional<std::string> failure{};
};

struct Collective : ProcessGroup::Pending {
  c10::intrusive_ptr<c10d::Work> work{};
  std::shared_ptr<Outcome> outcome = std::make_shared<Outcome>();
};

class GlooGroup : public ProcessGroup {
 public:
  GlooGroup(const Launch& launch, int local_size, milliseconds limit, StorePointer store,
            c10::intrusive_ptr<ProcessGroupGloo> backend, std::unique_ptr<RankWatch> watch)
      : ProcessGroup(launch.rank, launch.world_size, local_size),
        limit_(limit),
        store_(std::move(store)),
        backend_(std::move(backend)),
        watch_(std::move(watch)) {}

  ~GlooGroup() override {
    watch_.reset();
    // Its destructor waits for collectives that will not end any more. The process ends soon.
    if (broken_) backend_.release();
  }

  std::unique_ptr<Pending> StartSum(at::Tensor tensor) override {
    std::vector<at::Tensor> tensors = {std::move(tensor)};
    return Start([&] { return backend_->allreduce(tensors); });
  }

  Status Wait(std::unique_ptr<Pending> pending) override {
    auto& collective = static_cast<Collective&>(*pending);
    RankWatch::Signal& signal = *watch_->signal();
    std::unique_lock lock(signal.mutex);
    signal.changed.wait_for(lock, limit_,
                            [&] { return collective.outcome->done || signal.verdict.has_value(); });
    const bool done = collective.outcome->done;
    const std::optional<std::string> failure = collective.outcome->failure;
    if (done && !failure) return {};
    broken_ = true;
    if (signal.verdict) {
      signal.noticed = true;
      return tl::unexpected<Error>(*signal.verdict);
    }
    lock.unlock();
    return tl::unexpected<Error>(watch_->Explain(failure));
  }

  Status Broadcast(const std::vector<at::Tensor>& tensors) override {
    if (tensors.empty()) return {};
    const at::NoGradGuard no_history;
    std::vector<at::Tensor> parts;
    parts.reserve(tensors.size());
    for (const at::Tensor& tensor : tensors) parts.push_back(BytesOf(tensor));
    std::vector<at::Tensor> whole = {at::cat(parts)};
    ROOST_TRY(Wait(Start([&] { return backend_->broadcast(whole); })));
    if (rank() == 0) return {};
    std::int64_t at = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::int64_t count = parts[i].numel();
      // A copy of its own is aligned for its type.
      const at::Tensor bytes = whole[0].narrow(0, at, count).clone();
      tensors[i].detach().copy_(bytes.view(tensors[i].scalar_type()).view(tensors[i].sizes()));
      at += count;
    }
    return {};
  }

  Result<std::string> TextOfFirst(const std::string& name, const std::string& own) override {
    const std::string key = "text/" + name;
    try {
      if (rank() == 0) {
        store_->set(key, std::vector<std::uint8_t>(own.begin(), own.end()));
        return own;
      }
      const Clock::time_point deadline = Clock::now() + limit_;
      while (!store_->check({key})) {
        if (const std::optional<Error> verdict = TakeVerdict()) {
          return tl::unexpected<Error>(*verdict);
        }
        if (Clock::now() > deadline) return tl::unexpected<Error>(watch_->Explain(std::nullopt));
        std::this_thread::sleep_for(milliseconds(10));
      }
      const std::vector<std::uint8_t> found = store_->get(key);
      return std::string(found.begin(), found.end());
    } catch (const std::exception& exception) {
      return tl::unexpected<Error>(watch_->Explain(SentenceOf(exception)));
    }
  }

  void Abort(const Error& error) override {
    broken_ = true;
    watch_->Abort(error);
  }

 private:
  template <class Launcher>
  std::unique_ptr<Pending> Start(const Launcher& launcher) {
    auto collective = std::make_unique<Collective>();
    watch_->CountCollective();
    try {
      collective->work = launcher();
      collective->work->getFuture()->addCallback(
          [signal = watch_->signal(), outcome = collective->outcome](c10::ivalue::Future& future) {
            {
              const std::lock_guard lock(signal->mutex);
              outcome->done = true;
              if (future.hasError()) {
                const std::string text = future.tryRetrieveErrorMessage();
                outcome->failure = text.substr(0, text.find('\n'));
              }
            }
            signal->changed.notify_all();
          });
    } catch (const std::exception& exception) {
      const std::lock_guard lock(watch_->signal()->mutex);
      collective->outcome->done = true;
      collective->outcome->failure = SentenceOf(exception);
    }
    return collective;
  }

  std::optional<Error> TakeVerdict() {
    RankWatch::Signal& signal = *watch_->signal();
    const std::lock_guard lock(signal.mutex);
    if (signal.verdict) {
      signal.noticed = true;
      broken_ = true;
    }
    return signal.verdict;
  }

  const milliseconds limit_;
  StorePointer store_;
  c10::intrusive_ptr<ProcessGroupGloo> backend_;
  std::unique_ptr<RankWatch> watch_;
  bool broken_ = false;
};

}  // namespace

bool ProcessGroup::Available() { return true; }

Result<std::unique_ptr<ProcessGroup>> ProcessGroup::Connect(const Launch& launch,
                                                            milliseconds limit) {
  const bool keeps_store = launch.rank == 0 && !launch.has_store;
  ROOST_ASSIGN(StorePointer store, OpenStore(launch, keeps_store, limit));
  ROOST_ASSIGN(StorePointer watch_store, OpenStore(launch, /*as_server=*/false, limit));
  try {
    ROOST_ASSIGN(const int here, Meet(*store, launch, limit));
    auto backend = c10::make_intrusive<ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", store), launch.rank, launch.world_size,
        GlooOptions(here == launch.world_size, limit));
    // The first sign of life is there before anybody looks for it.
    watch_store->set("beat/" + std::to_string(launch.rank), Beat{}.ToText());
    for (int rank = 0; rank < launch.world_size; ++rank) {
      watch_store->wait({"beat/" + std::to_string(rank)}, limit);
    }
    auto watch = std::make_unique<RankWatch>(std::move(watch_store),
                                             RankWatch::Place{.rank = launch.rank,
                                                              .size = launch.world_size,
                                                              .keeps_store = keeps_store,
                                                              .launcher_store = launch.has_store,
                                                              .limit = limit});
    return std::make_unique<GlooGroup>(launch, here, limit, std::move(store), std::move(backend),
                                       std::move(watch));
  } catch (const std::exception& exception) {
    return FailModule(TimedOut("The group of " + std::to_string(launch.world_size) +
                               " processes could not connect: " + SentenceOf(exception)));
  }
}

}  // namespace roost::trainer
