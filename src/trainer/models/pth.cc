#include "trainer/models/pth.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

constexpr std::array kTypes = {
    std::pair{DType::kFloat32, at::kFloat},
    std::pair{DType::kFloat64, at::kDouble},
    std::pair{DType::kFloat16, at::kHalf},
    std::pair{DType::kBFloat16, at::kBFloat16},
    std::pair{DType::kUInt8, at::kByte},
    std::pair{DType::kInt8, at::kChar},
    std::pair{DType::kInt16, at::kShort},
    std::pair{DType::kInt32, at::kInt},
    std::pair{DType::kInt64, at::kLong},
    std::pair{DType::kBool, at::kBool},
    std::pair{DType::kUInt16, at::kUInt16},
    std::pair{DType::kUInt32, at::kUInt32},
    std::pair{DType::kUInt64, at::kUInt64},
    std::pair{DType::kFloat8E4M3FN, at::kFloat8_e4m3fn},
    std::pair{DType::kFloat8E5M2, at::kFloat8_e5m2},
    std::pair{DType::kFloat8E4M3FNUZ, at::kFloat8_e4m3fnuz},
    std::pair{DType::kFloat8E5M2FNUZ, at::kFloat8_e5m2fnuz},
};
static_assert(kTypes.size() == kDTypeCount);

at::ScalarType TorchType(DType dtype) {
  for (const auto& [ours, torchs] : kTypes) {
    if (ours == dtype) return torchs;
  }
  ROOST_CHECK(!"a type of the table");
  return at::kFloat;
}

std::optional<DType> OurType(at::ScalarType type) {
  for (const auto& [ours, torchs] : kTypes) {
    if (torchs == type) return ours;
  }
  return std::nullopt;
}

}  // namespace

at::Tensor ToTorch(const StateTensor& tensor) {
  ROOST_CHECK(tensor.bytes.size() == tensor.Elements() * DTypeSize(tensor.dtype));
  const auto options = at::TensorOptions().dtype(TorchType(tensor.dtype));
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  if (tensor.owner && !tensor.bytes.empty() && address % DTypeSize(tensor.dtype) == 0) {
    // torch has no tensor of constant elements; nobody writes to this one.
    void* data = const_cast<std::byte*>(tensor.bytes.data());
    return at::from_blob(
        data, tensor.sizes, [owner = tensor.owner](void*) {}, options);
  }
  at::Tensor copy = at::empty(tensor.sizes, options);
  if (!tensor.bytes.empty()) {
    std::memcpy(copy.mutable_data_ptr(), tensor.bytes.data(), tensor.bytes.size());
  }
  return copy;
}

ModelState ToTorch(const std::vector<NamedTensor>& tensors) {
  ModelState state;
  for (const NamedTensor& named : tensors) {
    state.emplace_back(named.name, ToTorch(named.tensor));
  }
  return state;
}

Result<StateTensor> FromTorch(const at::Tensor& tensor) {
  const std::optional<DType> dtype = OurType(tensor.scalar_type());
  if (!dtype || tensor.layout() != at::kStrided || tensor.is_quantized()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("A tensor of type {} cannot be written to a weight file.",
                            at::toString(tensor.scalar_type())));
  }
  const auto held = std::make_shared<at::Tensor>(
      tensor.detach().to(at::kCPU).contiguous(at::MemoryFormat::Contiguous));
  StateTensor result;
  result.dtype = *dtype;
  result.sizes = held->sizes().vec();
  result.bytes = {static_cast<const std::byte*>(held->const_data_ptr()), held->nbytes()};
  result.owner = held;
  return result;
}

Result<StateDict> FromTorch(const ModelState& state) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : state) {
    ROOST_ASSIGN(StateTensor converted, FromTorch(tensor));
    tensors.push_back({name, std::move(converted)});
  }
  return MakeStateDict(std::move(tensors));
}

Result<ModelState> ReadWeights(const std::filesystem::path& path) {
  ROOST_ASSIGN(const StateValue root, ReadPth(path));
  Result<std::vector<NamedTensor>> found = FindStateDict(root);
  if (!found) {
    Error error = std::move(found.error());
    error.message = path.string() + ": " + error.message;
    return Fail(std::move(error));
  }
  return ToTorch(*found);
}

Status LoadPth(Classifier& model, const std::filesystem::path& path) {
  ROOST_ASSIGN(const ModelState state, ReadWeights(path));
  return model.LoadState(state, path.string());
}

Status LoadBackbonePth(Classifier& model, const std::filesystem::path& path) {
  ROOST_ASSIGN(const ModelState state, ReadWeights(path));
  return model.LoadBackbone(state, path.string());
}

Status SavePth(const Classifier& model, const std::filesystem::path& path, StateNames names) {
  ROOST_ASSIGN(StateDict dict, FromTorch(model.State(names)));
  return WritePth(path, std::move(dict));
}

}  // namespace roost::trainer
