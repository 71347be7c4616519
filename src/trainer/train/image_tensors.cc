#include "trainer/train/image_tensors.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <array>
#include <cstring>

namespace roost::trainer {
namespace {

std::array<float, 256> MakeTable() {
  std::array<float, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    table[byte] = (static_cast<float>(byte) / 255.0F - 0.5F) / 0.5F;
  }
  return table;
}

}  // namespace

at::Tensor NormalizedImages(const std::uint8_t* bytes, std::int64_t count, std::int64_t height,
                            std::int64_t width, bool channels_last) {
  static const std::array<float, 256> kTable = MakeTable();
  const auto format = channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  at::Tensor images = at::empty({count, 3, height, width}, at::kFloat, std::nullopt, std::nullopt,
                                std::nullopt, format);
  float* const to = images.mutable_data_ptr<float>();
  const std::int64_t pixels = height * width;
  at::parallel_for(0, count, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t image = first; image < last; ++image) {
      const std::uint8_t* const from = bytes + image * pixels * 3;
      float* const out = to + image * pixels * 3;
      if (channels_last) {
        for (std::int64_t i = 0; i < pixels * 3; ++i) out[i] = kTable[from[i]];
        continue;
      }
      for (std::int64_t i = 0; i < pixels; ++i) {
        for (std::int64_t channel = 0; channel < 3; ++channel) {
          out[channel * pixels + i] = kTable[from[i * 3 + channel]];
        }
      }
    }
  });
  return images;
}

at::Tensor Normalized(const at::Tensor& bytes, bool channels_last) {
  const at::Tensor images =
      bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(255).sub_(0.5).div_(0.5);
  return images.contiguous(channels_last ? at::MemoryFormat::ChannelsLast
                                         : at::MemoryFormat::Contiguous);
}

at::Tensor NormalizedOnDevice(const std::uint8_t* bytes, std::int64_t count, std::int64_t height,
                              std::int64_t width, bool channels_last, const at::Device& device) {
  // Pinned memory that PyTorch gives again only once the copy out of it is done.
  at::Tensor staged = at::empty({count, height, width, 3},
                                at::TensorOptions(at::kByte).pinned_memory(device.is_cuda()));
  std::memcpy(staged.mutable_data_ptr<std::uint8_t>(), bytes, staged.nbytes());
  return Normalized(staged.to(device, /*non_blocking=*/true), channels_last);
}

at::Tensor ImagesOn(const at::Device& device, const std::uint8_t* bytes, std::int64_t count,
                    std::int64_t height, std::int64_t width, bool channels_last) {
  if (device.is_cpu()) return NormalizedImages(bytes, count, height, width, channels_last);
  return NormalizedOnDevice(bytes, count, height, width, channels_last, device);
}

at::Tensor ClassTensor(const ImageDirectory& images, const std::vector<std::size_t>& rows) {
  at::Tensor classes = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
  auto* const to = classes.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) to[i] = images.ClassOf(rows[i]);
  return classes;
}

ModelState CopyOf(const ModelState& state) {
  const at::NoGradGuard no_history;
  ModelState copy;
  copy.reserve(state.size());
  for (const auto& [name, tensor] : state)
    copy.emplace_back(name, tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
  return copy;
}

}  // namespace roost::trainer
