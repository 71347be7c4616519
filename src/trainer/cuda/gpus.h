#pragma once

#include <string>
#include <vector>

namespace roost::trainer {

// The GPUs that this process sees, in the order of their numbers: "GPU-1b4e28ba-2fa1-...", as
// nvidia-smi -L names them, so that processes can tell whether they see the same one. Empty where
// there is none, and where the trainer was built without CUDA.
std::vector<std::string> GpuIds();

}  // namespace roost::trainer
