#pragma once

#include <ctime>

#include "base/result.h"

namespace roost::store {

class Store;

// Removes the folders below mounts/ that no live run sees and that were last used before `before`,
// and what was left half made. For garbage collection.
Status RemoveUnusedTrees(Store& store, std::time_t before);

}  // namespace roost::store
