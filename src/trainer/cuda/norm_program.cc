#include "trainer/cuda/norm_program.h"

#include <c10/util/Exception.h>

#include "trainer/cuda/norm_plan.h"

namespace roost::trainer {
namespace {

KernelSource Source(const char* element, int vector) {
  return {
      .main = {"trainer/cuda/norm_kernels.cuh", std::string(NormKernelsText())},
      .included = {{"trainer/cuda/norm_arguments.h", std::string(NormArgumentsText())}},
      .options = {std::string("-DROOST_ELEMENT=") + element,
                  "-DROOST_VECTOR=" + std::to_string(vector),
                  "-DROOST_BLOCKS=" + std::to_string(kBlocksOfMultiprocessor)},
      .kernels = {"RoostSumMoments", "RoostFinishMoments", "RoostMoveStatistics", "RoostApplyNorm",
                  "RoostSumGradients", "RoostFinishGradients", "RoostApplyGradient"}};
}

template <c10::ScalarType kType>
const KernelSource& SourceOf(const char* element, int vector) {
  static const KernelSource wide = Source(element, NormVector(kType));
  static const KernelSource single = Source(element, 1);
  return vector == 1 ? single : wide;
}

}  // namespace

const KernelSource& NormProgram(c10::ScalarType element, int vector) {
  TORCH_CHECK(vector == 1 || vector == NormVector(element));
  switch (element) {
    case c10::kFloat:
      return SourceOf<c10::kFloat>("float", vector);
    case c10::kHalf:
      return SourceOf<c10::kHalf>("Float16", vector);
    case c10::kBFloat16:
      return SourceOf<c10::kBFloat16>("BFloat16", vector);
    default:
      TORCH_CHECK(false, "There is no norm for elements of type ", element, " on a GPU.");
  }
}

int NormVector(c10::ScalarType element) { return 16 / static_cast<int>(c10::elementSize(element)); }

}  // namespace roost::trainer
