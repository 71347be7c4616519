#include <cuda_runtime_api.h>

#include <array>
#include <cstdio>

#include "trainer/cuda/gpus.h"

namespace roost::trainer {
namespace {

std::string IdOf(const cudaUUID_t& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(uuid.bytes[i])));
    text += digits.data();
  }
  return text;
}

}  // namespace

std::vector<std::string> GpuIds() {
  int count = 0;
  std::vector<std::string> ids;
  if (cudaGetDeviceCount(&count) != cudaSuccess) count = 0;
  for (int gpu = 0; gpu < count; ++gpu) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, gpu) != cudaSuccess) break;
    ids.push_back(IdOf(properties.uuid));
  }
  (void)cudaGetLastError();  // no driver is no error of what comes next
  return ids;
}

}  // namespace roost::trainer
