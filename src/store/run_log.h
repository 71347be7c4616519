#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "store/logged_models.h"

namespace roost::store {

struct WriteContext;

// What a client logs of a run beside metrics.
struct RunLog {
  // A parameter never changes: the same value again is fine, another one is kConflict.
  std::vector<std::pair<std::string, std::string>> params = {};
  std::map<std::string, std::string> tags = {};
  std::optional<std::string> display_name = {};
  std::optional<std::string> description = {};
  // A run that is not there (any more) is kept as the tag of this name instead.
  std::optional<std::string> parent_id = {};
  std::string parent_tag = {};

  // Points that speak of a logged model, by its id; the run has them among its metrics too.
  std::map<std::string, std::vector<LoggedModelPoint>> model_points = {};

  bool Empty() const {
    return params.empty() && tags.empty() && !display_name && !description && !parent_id &&
           model_points.empty();
  }
};

// All of it or, with an error, nothing; kConflict when the run is deleted.
Status WriteRunLog(WriteContext& context, RunKey run, const RunLog& log);

}  // namespace roost::store
