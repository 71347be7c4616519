#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/folders/image_directory.h"
#include "trainer/models/model_state.h"

namespace roost::trainer {

// `count` images of height x width x 3 bytes as count x 3 x height x width floats from -1 to 1:
// (byte / 255 - 0.5) / 0.5, the normalisation of the designer's components, rounded as
// torchvision's ToTensor and Normalize round. On the CPU.
at::Tensor NormalizedImages(const std::uint8_t* bytes, std::int64_t count, std::int64_t height,
                            std::int64_t width, bool channels_last);

// The same of bytes that lie as N x height x width x 3, where they lie.
at::Tensor Normalized(const at::Tensor& bytes, bool channels_last);

// The same on `device`: the bytes travel as they are, a quarter of the floats, and without waiting
// where the device can fetch them itself.
at::Tensor NormalizedOnDevice(const std::uint8_t* bytes, std::int64_t count, std::int64_t height,
                              std::int64_t width, bool channels_last, const at::Device& device);

// One of the two above: in memory for the processor, else on the device.
at::Tensor ImagesOn(const at::Device& device, const std::uint8_t* bytes, std::int64_t count,
                    std::int64_t height, std::int64_t width, bool channels_last);

// The classes of some rows of a directory, as 64-bit integers. Requires: they have one.
at::Tensor ClassTensor(const ImageDirectory& images, const std::vector<std::size_t>& rows);

// The same values in memory of their own, on the processor.
ModelState CopyOf(const ModelState& state);

}  // namespace roost::trainer
