#pragma once

#include <chrono>
#include <exception>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "base/result.h"
#include "trainer/distributed/launch.h"

namespace roost::trainer {

using StorePointer = c10::intrusive_ptr<c10d::Store>;

// A connection to the store that rank 0 (`as_server`) or the launcher keeps at the meeting point.
// Errors: kUnavailable when rank 0 cannot keep it, 72 when it cannot be reached within the limit.
Result<StorePointer> OpenStore(const Launch& launch, bool as_server,
                               std::chrono::milliseconds limit);

// Waits there until all processes have come; gives their machines, by rank. Errors: 72 naming those
// that are missing, kConflict for two of one rank.
Result<std::vector<std::string>> Meet(c10d::Store& store, const Launch& launch,
                                      std::chrono::milliseconds limit);

// What torch or the store has thrown, without torch's backtrace.
std::string SentenceOf(const std::exception& exception);

}  // namespace roost::trainer
