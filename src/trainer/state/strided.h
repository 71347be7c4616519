#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "trainer/state/pickle_reader.h"

namespace roost::trainer {

// How a tensor lies in its storage.
struct StridedExtent {
  std::uint64_t elements = 0;  // product of the sizes
  bool contiguous = false;     // row-major without gaps
};

// Checks that every element of the tensor is one of the `storage_bytes` bytes of its storage and
// that nothing overflows.
Result<StridedExtent> CheckStrides(const PickledTensor& tensor, std::uint64_t storage_bytes);

// Copies the elements, in row-major order, to `to`. Requires: CheckStrides passed, and `to` has
// room for all elements.
void CopyStrided(const PickledTensor& tensor, std::string_view storage, std::byte* to);

// Reverses the bytes of every element of `size` bytes.
void SwapBytes(std::span<std::byte> elements, std::size_t size);

}  // namespace roost::trainer
