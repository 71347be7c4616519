#include "trainer/cuda/gpus.h"

namespace roost::trainer {

std::vector<std::string> GpuIds() { return {}; }

}  // namespace roost::trainer
