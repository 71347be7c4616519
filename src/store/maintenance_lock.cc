#include "store/maintenance_lock.h"

#include "store/store.h"

namespace roost::store {

Result<FileLock> LockForMaintenance(Store& store) {
  Result<FileLock> lock = FileLock::Acquire(store.data_folder() / "maintenance.lock");
  if (!lock && lock.error().code == ErrorCode::kUnavailable) {
    return Fail(ErrorCode::kUnavailable, "Another backup or garbage collection of " +
                                             store.data_folder().string() +
                                             " is under way. Try again when it is done.");
  }
  return lock;
}

}  // namespace roost::store
