#include "trainer/train/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "trainer/cuda/gpus.h"
#include "trainer/distributed/device_agreement.h"

namespace roost::trainer {
namespace {

int GpuCount() {
  return at::globalContext().hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount())
                                       : 0;
}

Error NoSuchGpu(const std::string& wanted, int count) {
  const std::string have = count == 0 ? "this PyTorch sees no GPU"
                           : count == 1
                               ? "there is one GPU, cuda:0"
                               : "there are " + std::to_string(count) + " GPUs, from cuda:0";
  return {ErrorCode::kInvalidArgument,
          "The device " + wanted + " is not here: " + have +
              ". Take another --device, or a PyTorch built for this machine's GPU.",
          {}};
}

// "auto", "cpu", "cuda", "cuda:<number>".
struct Wish {
  DeviceOffer::Wanted wanted = DeviceOffer::Wanted::kAny;
  std::optional<int> number{};
};

Result<Wish> WishOf(const std::string& wanted) {
  if (wanted == "auto") return Wish();
  if (wanted == "cpu") return Wish{.wanted = DeviceOffer::Wanted::kProcessor};
  if (wanted == "cuda") return Wish{.wanted = DeviceOffer::Wanted::kGpu};
  const std::string digits = wanted.starts_with("cuda:") ? wanted.substr(5) : "";
  if (digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + wanted + "' is no device: choose auto, cpu, cuda or cuda:<number>.");
  }
  return Wish{.wanted = DeviceOffer::Wanted::kGpu, .number = std::stoi(digits)};
}

at::Device Gpu(int number) { return {at::kCUDA, static_cast<at::DeviceIndex>(number)}; }

// This process's, for the others of its group.
DeviceOffer OfferOf(const Wish& wish, const ProcessGroup& group) {
  DeviceOffer offer{.wanted = wish.wanted,
                    .number = wish.number,
                    .local_rank = group.local_rank(),
                    .host = group.hosts()[static_cast<std::size_t>(group.rank())],
                    .has_nccl = DeviceCollectives::Available(),
                    .gpus = GpuIds()};
  // Without CUDA's own headers only PyTorch knows of them.
  if (!offer.has_nccl) offer.gpus.resize(static_cast<std::size_t>(GpuCount()), "unknown");
  return offer;
}

Result<std::vector<DeviceOffer>> OffersOf(const std::vector<std::string>& texts) {
  std::vector<DeviceOffer> offers;
  for (const std::string& text : texts) {
    std::optional<DeviceOffer> offer = DeviceOffer::FromText(text);
    if (!offer) {
      return Fail(ErrorCode::kConflict, "Rank " + std::to_string(offers.size()) +
                                            " tells of its devices in another way. Start all "
                                            "processes with the same roost-trainer.");
    }
    offers.push_back(std::move(*offer));
  }
  return offers;
}

}  // namespace

Result<at::Device> ChooseDevice(const std::string& wanted, int local_rank) {
  ROOST_ASSIGN(const Wish wish, WishOf(wanted));
  const int count = GpuCount();
  if (wish.wanted == DeviceOffer::Wanted::kProcessor ||
      (wish.wanted == DeviceOffer::Wanted::kAny && count == 0)) {
    return at::Device(at::kCPU);
  }
  const int number = wish.number.value_or(local_rank);
  if (number >= count) {
    return tl::unexpected<Error>(
        NoSuchGpu(wish.number ? wanted : "cuda:" + std::to_string(number), count));
  }
  return Gpu(number);
}

Result<GroupDevice> ChooseDevice(const std::string& wanted, ProcessGroup& group) {
  ROOST_ASSIGN(const Wish wish, WishOf(wanted));
  ROOST_ASSIGN(const std::vector<std::string> texts,
               group.TextsOfAll("devices", OfferOf(wish, group).ToText()));
  ROOST_ASSIGN(const std::vector<DeviceOffer> offers, OffersOf(texts));
  ROOST_ASSIGN(const DeviceAgreement agreement, AgreeOnDevices(offers));
  if (agreement.gpus.empty()) {
    const std::string reason = agreement.reason.empty() ? "" : ": " + agreement.reason;
    return GroupDevice{at::Device(at::kCPU), "All processes train on processors" + reason + "."};
  }
  const int own = agreement.gpus[static_cast<std::size_t>(group.rank())];
  ROOST_TRY(group.UseGpu(own));
  return GroupDevice{Gpu(own), "Each process trains on a GPU of its own, rank " +
                                   std::to_string(group.rank()) + " on " + Gpu(own).str() + "."};
}

void PrepareDevice(const at::Device& device, bool deterministic) {
  if (!device.is_cuda()) return;
  c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
  at::globalContext().setDeterministicCuDNN(deterministic);
  at::globalContext().setBenchmarkCuDNN(!deterministic);
  // Without it cuBLAS refuses to compute deterministically; read when its first handle is made.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

}  // namespace roost::trainer
