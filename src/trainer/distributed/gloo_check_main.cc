// Asked by CMake: do the stand-in headers fit this PyTorch? One process makes a group of its own
// and sums.
#define USE_C10D_GLOO 1
#include <ATen/ops/ones.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

int main() {
  using c10d::ProcessGroupGloo;
  const auto options = ProcessGroupGloo::Options::create(std::chrono::seconds(20));
  options->devices.push_back(ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  ProcessGroupGloo group(c10::make_intrusive<c10d::HashStore>(), 0, 1, options);
  std::vector<at::Tensor> tensors = {at::ones({4})};
  group.allreduce(tensors)->wait();
  return tensors[0].sum().item().toDouble() == 4 ? 0 : 1;
}
