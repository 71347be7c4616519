#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "trainer/distributed/meeting.h"
#include "trainer/distributed/process_group.h"
#include "trainer/distributed/rank_watch.h"
#include "trainer/distributed/watched_work.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using c10d::ProcessGroupGloo;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Our own wait ends first and names who is late.
constexpr milliseconds kBeyondOurs(60000);

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

struct DeviceCollective : ProcessGroup::Pending {
  std::unique_ptr<DeviceCollectives::Work> work{};  // none: not even begun
};

// Texts and tensors of the processor go through the store and Gloo; what a device takes, through
// its own collectives.
class GlooGroup : public ProcessGroup {
 public:
  GlooGroup(const Launch& launch, std::vector<std::string> hosts, milliseconds limit,
            StorePointer store, c10::intrusive_ptr<ProcessGroupGloo> backend,
            std::unique_ptr<RankWatch> watch)
      : ProcessGroup(launch, std::move(hosts)),
        limit_(limit),
        store_(std::move(store)),
        backend_(std::move(backend)),
        watch_(std::move(watch)) {}

  ~GlooGroup() override {
    // What others have left would keep the GPU busy for ever.
    if (broken_ && device_ != nullptr) device_->Abort();
    device_.reset();
    watch_.reset();
    // Its destructor waits for collectives that will not end any more. The process ends soon.
    if (broken_) backend_.release();
  }

  Status UseDevice(std::unique_ptr<DeviceCollectives> device) override {
    device_ = std::move(device);
    return Wait(StartOnDevice([&] { return device_->Connect(); }));
  }

  std::unique_ptr<Pending> StartSum(at::Tensor tensor) override {
    if (OnDevice(tensor)) return StartOnDevice([&] { return device_->Sum(tensor); });
    std::vector<at::Tensor> tensors = {std::move(tensor)};
    return Start([&] { return backend_->allreduce(tensors); });
  }

  Status Wait(std::unique_ptr<Pending> pending) override {
    if (const auto* const on_device = dynamic_cast<const DeviceCollective*>(pending.get())) {
      if (on_device->work != nullptr) WaitForDevice(*on_device->work, Stage::kDone);
      return device_end_ ? tl::unexpected<Error>(ErrorOf(*device_end_)) : Status();
    }
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
    std::vector<at::Tensor> here;
    std::vector<at::Tensor> on_device;
    for (const at::Tensor& tensor : tensors) {
      (OnDevice(tensor) ? on_device : here).push_back(tensor.detach());
    }
    const at::NoGradGuard no_history;
    ROOST_TRY(GiveAsBytes(std::move(here), [&](const at::Tensor& bytes) {
      std::vector<at::Tensor> whole = {bytes};
      return Start([&] { return backend_->broadcast(whole); });
    }));
    return GiveAsBytes(std::move(on_device), [&](const at::Tensor& bytes) {
      return StartOnDevice([&] { return device_->GiveFirst(bytes); });
    });
  }

  Result<std::string> TextOfFirst(const std::string& name, const std::string& own) override {
    watch_->CountCollective();
    const std::string key = "text/" + name;
    if (rank() != 0) return AwaitText(key);
    ROOST_TRY(SetText(key, own));
    return own;
  }

  Result<std::vector<std::string>> TextsOfAll(const std::string& name,
                                              const std::string& own) override {
    watch_->CountCollective();
    const std::string prefix = "texts/" + name + "/";
    ROOST_TRY(SetText(prefix + std::to_string(rank()), own));
    std::vector<std::string> texts;
    for (int other = 0; other < size(); ++other) {
      ROOST_ASSIGN(std::string text, AwaitText(prefix + std::to_string(other)));
      texts.push_back(std::move(text));
    }
    return texts;
  }

  void Abort(const Error& error) override {
    broken_ = true;
    watch_->Abort(error);
  }

 private:
  using Stage = DeviceCollectives::Stage;

  bool OnDevice(const at::Tensor& tensor) const {
    return device_ != nullptr && device_->Takes(tensor);
  }

  // After a failure nothing is begun any more, and all that is under way has that failure, too.
  template <class Launcher>
  std::unique_ptr<Pending> StartOnDevice(const Launcher& launcher) {
    auto collective = std::make_unique<DeviceCollective>();
    watch_->CountCollective();
    if (device_end_) return collective;
    collective->work = launcher();
    WaitForDevice(*collective->work, Stage::kRunning);
    return collective;
  }

  void WaitForDevice(DeviceCollectives::Work& work, Stage stage) {
    if (device_end_) return;
    const auto has_verdict = [this] {
      const std::lock_guard lock(watch_->signal()->mutex);
      return watch_->signal()->verdict.has_value();
    };
    WorkEnd end = WaitFor(work, stage, WorkWatch(has_verdict, limit_));
    if (end.kind != WorkEnd::Kind::kReached) device_end_ = std::move(end);
  }

  Error ErrorOf(const WorkEnd& end) {
    broken_ = true;
    if (const std::optional<Error> verdict = TakeVerdict()) return *verdict;
    if (end.kind == WorkEnd::Kind::kFailed) return watch_->Explain(end.failure);
    return watch_->Explain(std::nullopt);
  }

  // All tensors at once, as the bytes of one. `starter` starts the broadcast of such a tensor.
  template <class Starter>
  Status GiveAsBytes(std::vector<at::Tensor> tensors, const Starter& starter) {
    if (tensors.empty()) return {};
    // Large elements first: so each one is aligned for its type.
    std::stable_sort(tensors.begin(), tensors.end(), [](const auto& one, const auto& other) {
      return one.element_size() > other.element_size();
    });
    std::vector<at::Tensor> parts;
    parts.reserve(tensors.size());
    for (const at::Tensor& tensor : tensors) parts.push_back(BytesOf(tensor));
    const at::Tensor whole = at::cat(parts);
    ROOST_TRY(Wait(starter(whole)));
    if (rank() == 0) return {};
    std::int64_t at = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::int64_t count = parts[i].numel();
      parts[i] = whole.narrow(0, at, count).view(tensors[i].scalar_type()).view(tensors[i].sizes());
      at += count;
    }
    at::_foreach_copy_(tensors, parts);
    return {};
  }

  Status SetText(const std::string& key, const std::string& text) {
    try {
      store_->set(key, std::vector<std::uint8_t>(text.begin(), text.end()));
      return {};
    } catch (const std::exception& exception) {
      return tl::unexpected<Error>(watch_->Explain(SentenceOf(exception)));
    }
  }

  Result<std::string> AwaitText(const std::string& key) {
    try {
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
  std::unique_ptr<DeviceCollectives> device_;  // null: everything lies on the processor
  std::optional<WorkEnd> device_end_;          // how its first collective broke
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
    ROOST_ASSIGN(std::vector<std::string> hosts, Meet(*store, launch, limit));
    const bool all_here = std::count(hosts.begin(), hosts.end(), hosts[0]) == launch.world_size;
    auto backend = c10::make_intrusive<ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", store), launch.rank, launch.world_size,
        GlooOptions(all_here, limit));
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
    return std::make_unique<GlooGroup>(launch, std::move(hosts), limit, std::move(store),
                                       std::move(backend), std::move(watch));
  } catch (const std::exception& exception) {
    return FailModule(TimedOut("The group of " + std::to_string(launch.world_size) +
                               " processes could not connect: " + SentenceOf(exception)));
  }
}

}  // namespace roost::trainer
