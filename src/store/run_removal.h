#pragma once

#include <cstdint>

#include "base/result.h"

namespace roost::store {

class Store;

// Removing a deleted run for good. Its row goes first, in one transaction with all that hangs on
// it, so that nobody can bring half a run back; in the same moment its folder is put aside as
// `removed/<key>`. What is put aside and has no row is a removal that is under way: its metrics go
// in small steps, then the folder. A crash between any two steps is made good by the next call.
struct RunRemoval {
  std::int64_t runs = 0;
  std::uint64_t bytes = 0;  // of the folders
};

// Requires: the maintenance lock, as below.
Result<RunRemoval> RemoveDeletedRuns(Store& store);
// Completes what an earlier call began.
Status FinishRunRemovals(Store& store);

}  // namespace roost::store
