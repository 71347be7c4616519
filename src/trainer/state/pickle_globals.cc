#include "trainer/state/pickle_globals.h"

#include <array>

namespace roost::trainer {
namespace {

struct GlobalRow {
  std::string_view module;
  std::string_view name;
  Global global;
};

constexpr std::array kGlobals{
    GlobalRow{"collections", "OrderedDict", Global::kOrderedDict},
    GlobalRow{"__builtin__", "set", Global::kSet},
    GlobalRow{"builtins", "set", Global::kSet},
    GlobalRow{"__builtin__", "frozenset", Global::kSet},
    GlobalRow{"builtins", "frozenset", Global::kSet},
    GlobalRow{"__builtin__", "bytearray", Global::kByteArray},
    GlobalRow{"builtins", "bytearray", Global::kByteArray},
    GlobalRow{"__builtin__", "complex", Global::kOpaque},
    GlobalRow{"builtins", "complex", Global::kOpaque},
    GlobalRow{"_codecs", "encode", Global::kEncode},
    GlobalRow{"torch", "device", Global::kOpaque},
    GlobalRow{"torch.serialization", "_get_layout", Global::kOpaque},
    GlobalRow{"torch", "Size", Global::kSize},
    GlobalRow{"torch", "Tensor", Global::kTensorType},
    GlobalRow{"torch.nn.parameter", "Parameter", Global::kTensorType},
    GlobalRow{"torch.storage", "UntypedStorage", Global::kUntypedStorage},
    GlobalRow{"torch", "UntypedStorage", Global::kUntypedStorage},
    GlobalRow{"torch._utils", "_rebuild_tensor", Global::kRebuildTensor},
    GlobalRow{"torch._utils", "_rebuild_tensor_v2", Global::kRebuildTensorV2},
    GlobalRow{"torch._utils", "_rebuild_tensor_v3", Global::kRebuildTensorV3},
    GlobalRow{"torch._utils", "_rebuild_parameter", Global::kRebuildParameter},
    GlobalRow{"torch._utils", "_rebuild_parameter_with_state", Global::kRebuildParameter},
    GlobalRow{"torch._tensor", "_rebuild_from_type_v2", Global::kRebuildFromType},
};

}  // namespace

std::optional<GlobalName> FindGlobal(std::string_view module, std::string_view name) {
  for (const GlobalRow& row : kGlobals) {
    if (row.module == module && row.name == name) return GlobalName{row.global, std::nullopt};
  }
  if (module == "torch" || module == "torch.cuda") {
    if (const auto dtype = DTypeFromStorageName(name)) return GlobalName{Global::kStorage, dtype};
  }
  if (module == "torch") {
    if (const auto dtype = DTypeFromName(name)) return GlobalName{Global::kDType, dtype};
  }
  return std::nullopt;
}

}  // namespace roost::trainer
