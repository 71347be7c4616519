#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

// The error that a failure of torch or of the standard library stands for: 138 for want of memory,
// 18 for images of several sizes in `dataset`, 5 for a batch norm over a single value, 72 for a
// process group that timed out; else a plain one with torch's own first sentence.
Error ErrorOfException(const std::exception& exception, std::string_view dataset);

// Runs `work`, whose exceptions become errors.
template <class Work>
auto GuardTorch(std::string_view dataset, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return tl::unexpected<Error>(ErrorOfException(exception, dataset));
  }
}

}  // namespace roost::trainer
