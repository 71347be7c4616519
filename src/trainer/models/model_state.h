#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

// A state dictionary: names and tensors in the order of the modules, as Python's
// model.state_dict() has them (the parameters of a module, its buffers, then its children's).
using ModelState = std::vector<std::pair<std::string, at::Tensor>>;

// Brings the names of other writers to torchvision's:
//  - "module." before all names (DataParallel) and "model." before all names (the designer's
//    components) are taken away;
//  - "norm.1", "conv.2" in dense layers, of DenseNet files before 2019, become "norm1", "conv2".
ModelState WithTorchvisionNames(ModelState state);

// Copies the values of `from` into the tensors of `to`, converting type and device. Checks
// everything first and reports all of it at once: names that are missing, not expected, there
// twice, of another shape, or complex. Then nothing has changed. `num_batches_tracked` may be
// missing everywhere (files before PyTorch 0.4.1) and becomes 0. `from_name` and `to_name` are for
// the error: "the file x.pth", "resnet18".
Status CopyState(const ModelState& from, const ModelState& to, std::string_view from_name,
                 std::string_view to_name);

}  // namespace roost::trainer
