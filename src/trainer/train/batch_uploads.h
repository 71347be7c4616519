#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <cstdint>
#include <optional>

#include "trainer/folders/image_directory.h"
#include "trainer/train/batch_loader.h"

namespace roost::trainer {

// A batch where it is computed on.
struct DeviceBatch {
  at::Tensor bytes{};    // N x height x width x 3
  at::Tensor classes{};  // N 64-bit integers
};

// Copies batches to a GPU beside its computing: pinned memory and a stream of their own, two places
// that are used in turn. While the training computes on one batch the next travels, as bytes, a
// quarter of the floats.
//
// Start, Take, Start, Take ...: at most one batch is started and not yet taken, and what was taken
// is done with (the GPU, too) before the Start after the next Take. On the CPU it is a plain copy.
class BatchUploads {
 public:
  BatchUploads(const at::Device& device, const ImageDirectory& images);

  // Images of height x width. Requires: the batch has some. Its memory is free afterwards.
  void Start(const Batch& batch, std::int64_t height, std::int64_t width);
  // What was started, for use on the current stream. Good until the Start after the next.
  DeviceBatch Take();
  bool started() const { return started_; }

 private:
  struct Place {
    DeviceBatch host{};  // pinned, where the device is a GPU
    DeviceBatch device{};
    std::optional<c10::Event> copied{};
  };

  const at::Device device_;
  const ImageDirectory& images_;
  std::optional<c10::Stream> stream_;  // none on the CPU
  std::array<Place, 2> places_{};
  std::size_t next_ = 0;
  bool started_ = false;
};

}  // namespace roost::trainer
