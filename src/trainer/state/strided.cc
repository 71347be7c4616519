#include "trainer/state/strided.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace roost::trainer {
namespace {

tl::unexpected<Error> Outside(std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("a tensor {}.", what));
}

template <std::size_t size>
void CopyRows(const PickledTensor& tensor, const char* from, std::byte* to) {
  const std::size_t rank = tensor.sizes.size();
  const std::int64_t row = rank == 0 ? 1 : tensor.sizes[rank - 1];
  const std::int64_t step = rank == 0 ? 0 : tensor.strides[rank - 1];
  std::vector<std::int64_t> index(rank, 0);
  std::int64_t at = tensor.offset;
  while (true) {
    for (std::int64_t i = 0; i < row; ++i) {
      std::memcpy(to, from + static_cast<std::size_t>(at + i * step) * size, size);
      to += size;
    }
    // On to the next row: of the dimensions before the last, the later ones count faster. A stride
    // is only added where another index follows; that of a single index may be any number.
    std::size_t d = rank < 2 ? 0 : rank - 1;
    for (; d > 0; --d) {
      const std::int64_t size_d = tensor.sizes[d - 1];
      const std::int64_t stride_d = tensor.strides[d - 1];
      if (++index[d - 1] < size_d) {
        at += stride_d;
        break;
      }
      at -= (size_d - 1) * stride_d;
      index[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

}  // namespace

Result<StridedExtent> CheckStrides(const PickledTensor& tensor, std::uint64_t storage_bytes) {
  std::int64_t elements = 1;
  std::int64_t last = tensor.offset;  // the index of the element that lies furthest
  bool empty = false;
  for (std::size_t d = 0; d < tensor.sizes.size(); ++d) {
    const std::int64_t size = tensor.sizes[d];
    if (size == 0) {
      empty = true;
      continue;
    }
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(elements, size, &elements) ||
        __builtin_mul_overflow(size - 1, tensor.strides[d], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return Outside("has impossible sizes");
    }
  }
  if (empty) return StridedExtent{.elements = 0, .contiguous = true};
  if (static_cast<std::uint64_t>(last) >= storage_bytes / DTypeSize(tensor.dtype)) {
    return Outside("reaches past the end of its storage; the file is damaged or cut short");
  }
  bool contiguous = true;
  std::int64_t expected = 1;
  for (std::size_t d = tensor.sizes.size(); d-- > 0;) {
    if (tensor.sizes[d] == 1) continue;
    contiguous = contiguous && tensor.strides[d] == expected;
    expected *= tensor.sizes[d];  // no more than `elements`
  }
  return StridedExtent{.elements = static_cast<std::uint64_t>(elements), .contiguous = contiguous};
}

void CopyStrided(const PickledTensor& tensor, std::string_view storage, std::byte* to) {
  switch (DTypeSize(tensor.dtype)) {
    case 1:
      return CopyRows<1>(tensor, storage.data(), to);
    case 2:
      return CopyRows<2>(tensor, storage.data(), to);
    case 4:
      return CopyRows<4>(tensor, storage.data(), to);
    default:
      return CopyRows<8>(tensor, storage.data(), to);
  }
}

void SwapBytes(std::span<std::byte> elements, std::size_t size) {
  for (std::size_t at = 0; at + size <= elements.size(); at += size) {
    std::reverse(elements.data() + at, elements.data() + at + size);
  }
}

}  // namespace roost::trainer
