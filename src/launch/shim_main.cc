// roost-shim <launch folder> [cgroup2|freezer|walk]
//
// Runs one launch and outlives the server that started it. The second argument names the best means
// to hold the process tree together that may be used; tests go through all of them.

#include <cstdio>
#include <string_view>

#include "launch/shim.h"

int main(int argc, char** argv) {
  using roost::launch::TreeControl;
  auto best = TreeControl::kCgroup2;
  bool understood = argc == 2 || argc == 3;
  if (argc == 3) {
    const std::string_view name = argv[2];
    if (name == "freezer") {
      best = TreeControl::kFreezer;
    } else if (name == "walk") {
      best = TreeControl::kWalk;
    } else {
      understood = name == "cgroup2";
    }
  }
  if (!understood) {
    std::fputs("Usage: roost-shim <launch folder> [cgroup2|freezer|walk]\n", stderr);
    return roost::launch::kShimUsage;
  }
  return roost::launch::RunShim(argv[1], best);
}
