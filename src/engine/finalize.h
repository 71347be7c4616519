#pragma once

#include <functional>

#include "base/clock.h"
#include "base/ids.h"
#include "engine/outcome.h"
#include "spec/run_definition.h"
#include "spec/run_layout.h"
#include "store/store.h"

namespace roost::engine {

// What a worker needs to finalize a run whose last process is gone.
struct FinalizeJob {
  RunKey run;
  spec::RunLayout layout;
  spec::RunDefinition definition;
  LaunchEnd end;
  bool cancel_requested = false;
  Micros now = 0;
  std::function<bool()> stop;                        // true: give up, the next server goes on
  std::function<void(std::string_view)> after_step;  // for tests
};

// Takes outputs/ and logs/ into artifacts and the report's tail into metrics, judges the end, keeps
// the data outputs in their datastores, and removes the scratch folder. Every step can be done
// again after a death in the middle. An error (kExhausted: the disk is full) means that something
// is not kept yet and that nothing was removed.
Result<Outcome> FinalizeRun(store::Store& store, const FinalizeJob& job);

}  // namespace roost::engine
