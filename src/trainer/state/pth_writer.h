#pragma once

#include "base/files.h"
#include "trainer/state/state_value.h"

namespace roost::trainer {

// Writes a tree as torch.save does (zip format), for torch.load(path, weights_only=True) and for
// ReadPth. Atomic: the file stands there whole and synced, or what stood there before is untouched
// (kExhausted on a full disk). Tensors go to the file from where they lie, without a copy. The same
// tree gives the same bytes. A StateDict with `ordered` becomes a collections.OrderedDict, what
// load_state_dict takes. kInvalidArgument for what has no form in such a file (see
// pickle_writer.h). Safe on any thread, as long as nobody changes the tensors meanwhile.
Status WritePth(const fs::path& path, const StateValue& root);

}  // namespace roost::trainer
