#pragma once

// For our own mistakes only, never for input: prints the condition and the place, then aborts.
#define ROOST_CHECK(condition)                                              \
  do {                                                                      \
    if (!(condition)) ::roost::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

namespace roost {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace roost
