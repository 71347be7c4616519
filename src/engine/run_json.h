#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"
#include "store/runs.h"

namespace roost::engine {

// A run as docs/wire.md shows it, without `metrics`; `definition` is null unless asked for. `now`
// gives the duration of a run that is still going.
nlohmann::json RunToJson(const store::Run& run, Micros now, bool with_definition);

}  // namespace roost::engine
