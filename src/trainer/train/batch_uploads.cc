#include "trainer/train/batch_uploads.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>

namespace roost::trainer {
namespace {

bool HasShape(const at::Tensor& tensor, at::IntArrayRef sizes) {
  return tensor.defined() && tensor.sizes() == sizes;
}

}  // namespace

BatchUploads::BatchUploads(const at::Device& device, const ImageDirectory& images)
    : device_(device), images_(images) {
  if (device_.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
}

void BatchUploads::Start(const Batch& batch, std::int64_t height, std::int64_t width) {
  Place& place = places_[next_];
  const auto count = static_cast<std::int64_t>(batch.samples.size());
  const std::array<std::int64_t, 4> shape = {count, height, width, 3};
  if (!HasShape(place.host.bytes, shape)) {
    const at::TensorOptions pinned = at::TensorOptions().pinned_memory(stream_.has_value());
    place.host.bytes = at::empty(shape, pinned.dtype(at::kByte));
    place.host.classes = at::empty({count}, pinned.dtype(at::kLong));
    place.device = place.host;
  }
  std::memcpy(place.host.bytes.mutable_data_ptr<std::uint8_t>(), batch.bytes.data(),
              place.host.bytes.nbytes());
  auto* const classes = place.host.classes.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < batch.samples.size(); ++i)
    classes[i] = images_.ClassOf(batch.samples[i]);
  started_ = true;
  if (!stream_) return;

  const c10::StreamGuard guard(*stream_);
  // Memory of the copying stream, which torch keeps for it as long as this object lives.
  if (!HasShape(place.device.bytes, shape) || !place.device.bytes.device().is_cuda()) {
    place.device.bytes = at::empty(shape, at::TensorOptions(device_).dtype(at::kByte));
    place.device.classes = at::empty({count}, at::TensorOptions(device_).dtype(at::kLong));
  }
  place.device.bytes.copy_(place.host.bytes, /*non_blocking=*/true);
  place.device.classes.copy_(place.host.classes, /*non_blocking=*/true);
  place.copied.emplace(device_.type());
  place.copied->record(*stream_);
}

DeviceBatch BatchUploads::Take() {
  Place& place = places_[next_];
  next_ = 1 - next_;
  started_ = false;
  if (stream_) {
    place.copied->block(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
  return place.device;
}

}  // namespace roost::trainer
