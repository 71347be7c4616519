#pragma once

#include <ctime>
#include <string>

#include "base/result.h"

namespace roost::store {

class Store;

// A name for the folder in which the tree `name` is made: the tree's own run spares it as well.
std::string UnfinishedTree(const std::string& name);

// Removes the folders below mounts/ that no live run sees and that were last used before `before`,
// and what was left half made. For garbage collection.
Status RemoveUnusedTrees(Store& store, std::time_t before);

}  // namespace roost::store
