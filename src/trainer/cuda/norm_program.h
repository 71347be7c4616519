#pragma once

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <string_view>

#include "trainer/cuda/run_time_kernels.h"

namespace roost::trainer {

// The kernels of norm_kernels.cuh for elements of one type. A thread owns `vector` channels: 1, or
// as many as are 16 bytes.
// Requires: `element` is kFloat, kHalf or kBFloat16.
const KernelSource& NormProgram(c10::ScalarType element, int vector);

// Elements that are 16 bytes.
int NormVector(c10::ScalarType element);

// In the order of KernelSource::kernels.
enum NormKernel : std::size_t {
  kSumMoments,
  kFinishMoments,
  kMoveStatistics,
  kApplyNorm,
  kSumGradients,
  kFinishGradients,
  kApplyGradient,
};

// The files as they are, which the program carries.
std::string_view NormKernelsText();
std::string_view NormArgumentsText();

}  // namespace roost::trainer
