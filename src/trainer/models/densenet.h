#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "trainer/models/network.h"

namespace roost::trainer {

// DenseNet of Huang et al. (arXiv:1608.06993), bottlenecked and compressed ("BC"), initialised as
// torchvision does: the same seed gives the same weights as in Python. `memory_efficient` changes
// no result, see recomputed.h. Requires: `name` is in ModelNames(ModelFamily::kDenseNet).
std::shared_ptr<Network> MakeDenseNet(std::string_view name, std::int64_t num_classes,
                                      bool memory_efficient);

}  // namespace roost::trainer
