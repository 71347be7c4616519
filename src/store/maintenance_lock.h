#pragma once

#include "base/files.h"
#include "base/result.h"

namespace roost::store {

class Store;

// Held by garbage collection and by a backup for as long as they last, so that no blob goes away
// while it is copied. kUnavailable when the other one is at work.
Result<FileLock> LockForMaintenance(Store& store);

}  // namespace roost::store
