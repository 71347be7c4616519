#pragma once

#include <span>
#include <string>
#include <vector>

#include "trainer/state/state_value.h"

namespace roost::trainer {

struct WrittenPickle {
  std::string bytes;                                 // data.pkl, protocol 2
  std::vector<std::span<const std::byte>> storages;  // the content of data/0, data/1, ...
};

// The pickle of a tree in the words that torch.load(weights_only=True) knows: dict, OrderedDict,
// list, tuple, scalars, texts, bytes, and tensors on the CPU. Tensors of one type that borrow the
// very same bytes share a storage. kInvalidArgument for a StateOther, a text that is not UTF-8, or
// values nested deeper than the reader takes.
Result<WrittenPickle> WritePickle(const StateValue& root);

}  // namespace roost::trainer
