#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "trainer/models/network.h"

namespace roost::trainer {

// ResNet of He et al. (arXiv:1512.03385) in the variant "v1.5" that torchvision has: a bottleneck
// strides in its 3 x 3 convolution. ResNeXt (arXiv:1611.05431) and Wide ResNet (arXiv:1605.07146)
// differ in groups and width. Initialised as torchvision does, drawing from torch's generator in
// the same order, so the same seed gives the same weights as in Python. Requires: `name` is in
// ModelNames(ModelFamily::kResNet).
std::shared_ptr<Network> MakeResNet(std::string_view name, std::int64_t num_classes,
                                    bool zero_init_residual);

}  // namespace roost::trainer
