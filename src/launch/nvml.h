#pragma once

#include <string>
#include <vector>

#include "launch/machine.h"

namespace roost::launch {

// The GPUs that NVIDIA's management library reports, in its order (by PCI address; the order that
// CUDA_DEVICE_ORDER=PCI_BUS_ID gives). Empty where the library is missing or its driver is not
// loaded. `library` is a name or path for dlopen.
std::vector<Gpu> ReadGpus(const std::string& library);

}  // namespace roost::launch
