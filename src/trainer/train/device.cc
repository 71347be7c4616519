#include "trainer/train/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <cstdlib>

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

}  // namespace

Result<at::Device> ChooseDevice(const std::string& wanted, int local_rank) {
  if (wanted == "cpu") return at::Device(at::kCPU);
  const int count = GpuCount();
  if (wanted == "auto" && count == 0) return at::Device(at::kCPU);
  int number = local_rank;
  if (wanted.starts_with("cuda:")) {
    const std::string digits = wanted.substr(5);
    if (digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  "'" + wanted + "' is no device: choose auto, cpu, cuda or cuda:<number>.");
    }
    number = std::stoi(digits);
  } else if (wanted != "cuda" && wanted != "auto") {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + wanted + "' is no device: choose auto, cpu, cuda or cuda:<number>.");
  }
  if (number >= count) {
    return tl::unexpected<Error>(
        NoSuchGpu(wanted.starts_with("cuda:") ? wanted : "cuda:" + std::to_string(number), count));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(number));
}

void PrepareDevice(const at::Device& device, bool deterministic) {
  if (!device.is_cuda()) return;
  at::globalContext().setDeterministicCuDNN(deterministic);
  at::globalContext().setBenchmarkCuDNN(!deterministic);
  // Without it cuBLAS refuses to compute deterministically; read when its first handle is made.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

}  // namespace roost::trainer
