#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace roost::spec {

// What a filter or an order speaks of. Written as in MLflow: metrics.acc, params.lr, tags.team,
// attributes.status (`attributes.` may be left out), properties.x; names with other characters in
// back-ticks or double quotes: metrics.`val/acc`.
// Datasets, which a run took as inputs, are spoken of by MLflow's language alone.
enum class FieldKind { kAttribute, kMetric, kTag, kParam, kProperty, kDataset };

// The attributes there are: run_id, display_name, status, experiment, created_at, started_at,
// ended_at, duration_seconds, submitter, compute_target, parent, kind.
struct Field {
  FieldKind kind = FieldKind::kAttribute;
  std::string name;
  bool operator==(const Field&) const = default;
};

enum class Comparison {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kLike,
  kILike,
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull
};

// One condition; a filter is conditions joined by AND. Metrics compare their last value with a
// number; times are ISO 8601 texts or unix milliseconds.
struct Condition {
  Field field;
  Comparison comparison = Comparison::kEq;
  std::vector<std::variant<double, std::string>> values;  // one, or several for IN
  bool operator==(const Condition&) const = default;
};

struct OrderBy {
  Field field;
  bool descending = false;
  bool operator==(const OrderBy&) const = default;
};

// metrics.acc > 0.5 AND tags.team = 'vision'. Errors say the position and what was expected there.
Result<std::vector<Condition>> ParseFilter(std::string_view text);
// metrics.acc DESC
Result<OrderBy> ParseOrderBy(std::string_view text);

}  // namespace roost::spec
