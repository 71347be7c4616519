#pragma once

#include <vector>

#include "base/files.h"
#include "spec/launch_format.h"

namespace roost::launch {

// Whether this process may give a program a mount namespace of its own and mount in it. Tried out
// in a child with `folder`; nothing of it stays.
bool CanMount(const fs::path& folder);

// Called in a program's process before its first instruction: moves it into a mount namespace of
// its own and binds the folders there, read-only with all that is mounted below them. 0, or the
// errno and the index of the mount that failed. Without mounts nothing is done.
int EnterMounts(const std::vector<spec::BindMount>& mounts, std::size_t* failed);

}  // namespace roost::launch
