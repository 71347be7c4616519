#pragma once

#include <optional>
#include <string_view>

#include "trainer/state/state_value.h"

namespace roost::trainer {

// The names that a pickle may ask for. Everything else is refused.
enum class Global : std::uint8_t {
  kNone,
  kOrderedDict,
  kSet,
  kByteArray,
  kEncode,            // _codecs.encode: how protocol 2 writes bytes
  kOpaque,            // complex, torch.device, ...: read as StateOther
  kSize,              // torch.Size
  kTensorType,        // torch.Tensor and torch.nn.Parameter, as an argument
  kDType,             // torch.float32, ...
  kStorage,           // torch.FloatStorage, torch.cuda.FloatStorage, ...
  kUntypedStorage,    // torch.storage.UntypedStorage
  kRebuildTensor,     // torch._utils._rebuild_tensor(storage, offset, size, stride)
  kRebuildTensorV2,   // (..., requires_grad, hooks[, metadata])
  kRebuildTensorV3,   // (..., requires_grad, hooks, dtype[, metadata])
  kRebuildParameter,  // (tensor, requires_grad, hooks[, state])
  kRebuildFromType,   // (function, type, arguments, state)
};

struct GlobalName {
  Global global = Global::kNone;
  std::optional<DType> dtype;  // of kDType and kStorage
};

// Absent for a name off the list.
std::optional<GlobalName> FindGlobal(std::string_view module, std::string_view name);

}  // namespace roost::trainer
