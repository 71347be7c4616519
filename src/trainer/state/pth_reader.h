#pragma once

#include <memory>
#include <string_view>

#include "base/files.h"
#include "trainer/state/state_value.h"

namespace roost::trainer {

// Reads what torch.save wrote: the zip format and the legacy one before it (PyTorch 1.5 and older,
// or _use_new_zipfile_serialization=False). The file is mapped: tensors are views of it wherever
// they lie contiguous, and stay valid as long as any tensor of the tree lives. Checksums are
// compared. Nothing in the file is executed; what asks for other than plain values, dense tensors
// and parameters is refused by name (kInvalidArgument). Nesting is bounded to kMaxPthDepth, values
// to kMaxPickledValues, and copies of tensors that do not lie contiguous to the size of the file
// and kSpareCopyBytes. Every error names the file.
//
// requires_grad, devices and hooks are dropped; sets become tuples, parameters tensors.
Result<StateValue> ReadPth(const fs::path& path);

// The same for bytes in memory; `owner` keeps them alive, and the errors name no file.
Result<StateValue> ParsePth(std::string_view bytes, std::shared_ptr<const void> owner);

inline constexpr int kMaxPthDepth = 64;
inline constexpr std::uint64_t kSpareCopyBytes = 64 << 20;

}  // namespace roost::trainer
