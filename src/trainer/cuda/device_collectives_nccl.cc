#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "trainer/cuda/device_collectives.h"

namespace roost::trainer {
namespace {

using c10::cuda::CUDAGuard;
using c10::cuda::CUDAStream;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kAborting(5000);
constexpr milliseconds kClosing(5000);

std::string SentenceOf(const std::exception& exception) {
  const auto* error = dynamic_cast<const c10::Error*>(&exception);
  const std::string text = error != nullptr ? error->what_without_backtrace() : exception.what();
  return text.substr(0, text.find('\n'));
}

std::string SentenceOf(ncclResult_t result) {
  std::string text = std::string("NCCL: ") + ncclGetErrorString(result);
  // Of this process; empty when it is another one that has failed.
  const char* const last = ncclGetLastError(nullptr);
  if (last != nullptr && *last != 0) text += std::string(": ") + last;
  text = text.substr(0, text.find('\n'));
  return text.ends_with('.') ? text : text + '.';
}

ncclDataType_t TypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kHalf:
      return ncclFloat16;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kLong:
      return ncclInt64;
    case at::kByte:
      return ncclUint8;
    default:
      TORCH_CHECK(false, "NCCL is not given tensors of ", c10::toString(type), ".");
  }
}

class NcclCollectives;

class NcclWork : public DeviceCollectives::Work {
 public:
  // `started`: what NCCL said when it was asked to begin.
  NcclWork(NcclCollectives& collectives, ncclResult_t started);
  NcclWork(NcclCollectives& collectives, const std::exception& exception);
  DeviceCollectives::Stage Ask() override;
  std::string failure() const override { return failure_; }
  void Abort() override;

 private:
  void Advance();
  void Fail(std::string failure);

  NcclCollectives& collectives_;
  DeviceCollectives::Stage stage_ = DeviceCollectives::Stage::kStarting;
  std::string failure_;
  at::cuda::CUDAEvent ended_;
};

// The communicator is one that never blocks: connecting, and connecting again at the first
// collective of a kind, wait for other processes, which may be gone.
class NcclCollectives : public DeviceCollectives {
 public:
  NcclCollectives(const ncclUniqueId& id, int rank, int size, c10::DeviceIndex gpu)
      : id_(id),
        rank_(rank),
        size_(size),
        gpu_(gpu),
        // Sums are what the next step waits for.
        stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, gpu)) {}

  ~NcclCollectives() override {
    if (comm_ != nullptr && !aborted_ && !Close()) Abort();
  }

  bool Takes(const at::Tensor& tensor) const override { return tensor.is_cuda(); }

  std::unique_ptr<Work> Connect() override {
    return Start([&] {
      ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
      config.blocking = 0;
      return ncclCommInitRankConfig(&comm_, size_, id_, rank_, &config);
    });
  }

  std::unique_ptr<Work> Sum(const at::Tensor& tensor) override {
    return StartOn(tensor, [&](void* values, std::size_t count, ncclDataType_t type) {
      return ncclAllReduce(values, values, count, type, ncclSum, comm_, stream_.stream());
    });
  }

  std::unique_ptr<Work> GiveFirst(const at::Tensor& tensor) override {
    return StartOn(tensor, [&](void* values, std::size_t count, ncclDataType_t type) {
      return ncclBroadcast(values, values, count, type, /*root=*/0, comm_, stream_.stream());
    });
  }

  // In a thread, since it may hang itself; the process then ends without it.
  void Abort() override {
    if (comm_ == nullptr || aborted_) return;
    aborted_ = true;
    std::promise<void> promise;
    const std::future<void> ended = promise.get_future();
    std::thread([comm = comm_, gpu = gpu_, ends = std::move(promise)]() mutable {
      if (cudaSetDevice(gpu) == cudaSuccess) ncclCommAbort(comm);
      ends.set_value();
    }).detach();
    ended.wait_for(kAborting);
  }

  bool aborted() const { return aborted_; }
  const CUDAStream& stream() const { return stream_; }

  // ncclInProgress while something starts; then whether all is well.
  ncclResult_t State() const {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    return asked == ncclSuccess ? state : asked;
  }

 private:
  template <class Launcher>
  std::unique_ptr<Work> Start(const Launcher& launcher) {
    try {
      const CUDAGuard guard(gpu_);
      return std::make_unique<NcclWork>(*this, launcher());
    } catch (const std::exception& exception) {
      return std::make_unique<NcclWork>(*this, exception);
    }
  }

  template <class Launcher>
  std::unique_ptr<Work> StartOn(const at::Tensor& tensor, const Launcher& launcher) {
    return Start([&] {
      TORCH_CHECK(comm_ != nullptr && !aborted_, "The GPUs of the group are not connected.");
      TORCH_CHECK(tensor.is_cuda() && tensor.device().index() == gpu_,
                  "The tensor lies on another device than the group's GPU.");
      TORCH_CHECK(tensor.is_non_overlapping_and_dense(), "The tensor is not dense.");
      const ncclDataType_t type = TypeOf(tensor.scalar_type());
      // In a hook of the backward pass the current stream is the one that computed the gradient.
      at::cuda::CUDAEvent ready;
      ready.record(c10::cuda::getCurrentCUDAStream(gpu_));
      ready.block(stream_);
      // Whoever is given this memory next waits for the stream.
      c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream_);
      return launcher(tensor.mutable_data_ptr(), static_cast<std::size_t>(tensor.numel()), type);
    });
  }

  // In order, when nothing is under way any more. False: it must be aborted.
  bool Close() {
    try {
      const CUDAGuard guard(gpu_);
      if (!stream_.query()) return false;
      ncclResult_t state = ncclCommFinalize(comm_);
      const Clock::time_point deadline = Clock::now() + kClosing;
      while (state == ncclInProgress && Clock::now() < deadline) {
        std::this_thread::sleep_for(milliseconds(1));
        state = State();
      }
      if (state != ncclSuccess) return false;
      ncclCommDestroy(comm_);
      return true;
    } catch (const std::exception&) {  // the GPU has failed before
      return false;
    }
  }

  const ncclUniqueId id_;
  const int rank_;
  const int size_;
  const c10::DeviceIndex gpu_;
  const CUDAStream stream_;
  ncclComm_t comm_ = nullptr;
  bool aborted_ = false;
};

NcclWork::NcclWork(NcclCollectives& collectives, ncclResult_t started) : collectives_(collectives) {
  if (started != ncclSuccess && started != ncclInProgress) Fail(SentenceOf(started));
}

NcclWork::NcclWork(NcclCollectives& collectives, const std::exception& exception)
    : collectives_(collectives) {
  Fail(SentenceOf(exception));
}

DeviceCollectives::Stage NcclWork::Ask() {
  try {
    Advance();
  } catch (const std::exception& exception) {
    Fail(SentenceOf(exception));
  }
  return stage_;
}

void NcclWork::Advance() {
  using Stage = DeviceCollectives::Stage;
  if (stage_ == Stage::kDone || stage_ == Stage::kFailed) return;
  // What was aborted ends, too, but without a result.
  if (collectives_.aborted()) return Fail("It was given up.");
  if (stage_ == Stage::kStarting) {
    const ncclResult_t state = collectives_.State();
    if (state == ncclInProgress) return;
    if (state != ncclSuccess) return Fail(SentenceOf(state));
    ended_.record(collectives_.stream());
    stage_ = Stage::kRunning;
  }
  if (ended_.query()) {
    stage_ = Stage::kDone;
    return;
  }
  const ncclResult_t state = collectives_.State();
  if (state != ncclSuccess && state != ncclInProgress) Fail(SentenceOf(state));
}

void NcclWork::Fail(std::string failure) {
  stage_ = DeviceCollectives::Stage::kFailed;
  failure_ = std::move(failure);
}

void NcclWork::Abort() { collectives_.Abort(); }

}  // namespace

bool DeviceCollectives::Available() { return true; }

Result<std::string> DeviceCollectives::NewMeeting() {
  ncclUniqueId id;
  const ncclResult_t made = ncclGetUniqueId(&id);
  if (made != ncclSuccess)
    return tl::unexpected<Error>({ErrorCode::kUnavailable, SentenceOf(made), {}});
  return std::string(id.internal, sizeof id.internal);
}

Result<std::unique_ptr<DeviceCollectives>> DeviceCollectives::Make(const std::string& meeting,
                                                                   int rank, int size, int gpu) {
  ncclUniqueId id;
  if (meeting.size() != sizeof id.internal) {
    return roost::Fail(ErrorCode::kInternal, "Rank 0 gave no meeting point of NCCL.");
  }
  std::memcpy(id.internal, meeting.data(), sizeof id.internal);
  try {
    return std::make_unique<NcclCollectives>(id, rank, size, static_cast<c10::DeviceIndex>(gpu));
  } catch (const std::exception& exception) {
    return roost::Fail(ErrorCode::kUnavailable, SentenceOf(exception));
  }
}

}  // namespace roost::trainer
