#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "trainer/models/model.h"
#include "trainer/models/model_state.h"
#include "trainer/state/state_value.h"

namespace roost::trainer {

// Tensors of a file as torch's, on the CPU. Where the bytes lie at an address that suits their type
// they are not copied: treat the result as read-only.
at::Tensor ToTorch(const StateTensor& tensor);
ModelState ToTorch(const std::vector<NamedTensor>& tensors);
// The reverse: contiguous CPU tensors are referred to, others copied. kInvalidArgument for types
// that no file of ours holds (complex, quantised, sparse).
Result<StateTensor> FromTorch(const at::Tensor& tensor);
Result<StateDict> FromTorch(const ModelState& state);

// The weights in a .pth file: a state dictionary, or a checkpoint that has one inside.
Result<ModelState> ReadWeights(const std::filesystem::path& path);
// All weights of the model from a file; every error names the file.
Status LoadPth(Classifier& model, const std::filesystem::path& path);
// ImageNet weights below the added layer, see Classifier::LoadBackbone.
Status LoadBackbonePth(Classifier& model, const std::filesystem::path& path);
// For model.load_state_dict(torch.load(path, weights_only=True)) in Python. Atomic.
Status SavePth(const Classifier& model, const std::filesystem::path& path,
               StateNames names = StateNames::kTorchvision);

}  // namespace roost::trainer
