#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/run_query.h"

// MLflow's search language: the filters and order_by keys that its clients send. It is near to our
// own (spec/run_query.h) and gives the same conditions, but its names, its checks and the texts of
// its errors are MLflow's, since clients compare them.
namespace roost::spec {

enum class MlflowNoun { kRun, kExperiment, kRegisteredModel, kModelVersion, kLoggedModel };

// The conditions of a filter, which are joined by AND. Attributes have MLflow's names, without
// aliases: run_name, start_time, last_updated_timestamp. Numbers come as numbers (times are
// milliseconds), everything else as text.
Result<std::vector<Condition>> ParseMlflowFilter(MlflowNoun noun, std::string_view filter);

// The keys of an order_by, `metrics.acc DESC`. A field that comes twice is refused, except with
// experiments, where the second has no effect. Logged models have a form of their own, below.
Result<std::vector<OrderBy>> ParseMlflowOrder(MlflowNoun noun,
                                              const std::vector<std::string>& keys);
// The field_name of an order of logged models: an attribute or metrics.k.
Result<Field> ParseLoggedModelOrder(std::string_view field_name);

}  // namespace roost::spec
