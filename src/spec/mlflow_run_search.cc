#include "spec/mlflow_run_search.h"

#include <algorithm>
#include <array>
#include <utility>

#include "spec/mlflow_search.h"
#include "spec/run_query_fields.h"

namespace roost::spec {
namespace {

using Names = std::pair<std::string_view, std::string_view>;

// start_time, end_time, run_id, user_id and artifact_uri have the same name in the store.
constexpr std::array kAttributes = {
    Names{"run_name", "display_name"},
    Names{"status", "mlflow_status"},
};
// Tags that are columns of a run.
constexpr std::array kTags = {
    Names{"mlflow.runName", "display_name"},
    Names{"mlflow.parentRunId", "parent_tag"},
    Names{"mlflow.note.content", "note"},
};

Field Translate(Field field) {
  const auto find = [&](const auto& names) {
    for (const auto& [theirs, ours] : names) {
      if (field.name == theirs) {
        field = {FieldKind::kAttribute, std::string(ours)};
        return;
      }
    }
  };
  if (field.kind == FieldKind::kAttribute) find(kAttributes);
  if (field.kind == FieldKind::kTag) find(kTags);
  return field;
}

// LIKE: % is any text, _ any character.
bool IsLike(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (std::size_t skip = 0; skip <= text.size(); ++skip) {
      if (IsLike(text.substr(skip), pattern.substr(1))) return true;
    }
    return false;
  }
  return !text.empty() && (pattern[0] == '_' || pattern[0] == text[0]) &&
         IsLike(text.substr(1), pattern.substr(1));
}

// Many signs % in a row would make IsLike slow.
std::string WithoutRepeatedPercent(std::string_view pattern) {
  std::string shorter;
  for (const char c : pattern) {
    if (c != '%' || !shorter.ends_with('%')) shorter += c;
  }
  return shorter;
}

bool IsStatusWanted(std::string_view status, const Condition& condition) {
  const std::string& text = std::get<std::string>(condition.values[0]);
  switch (condition.comparison) {
    case Comparison::kNe:
      return status != text;
    case Comparison::kLike:
      return IsLike(status, WithoutRepeatedPercent(text));
    case Comparison::kILike:
      return IsLike(ToLower(status), WithoutRepeatedPercent(ToLower(text)));
    default:
      return status == text;
  }
}

// A status stands for several of our states, which an index has.
void TranslateStatus(Condition* condition) {
  Condition states;
  states.field = {FieldKind::kAttribute, "status"};
  states.comparison = Comparison::kIn;
  for (const RunState state : AllRunStates()) {
    if (!IsStatusWanted(MlflowStatus(state), *condition)) continue;
    states.values.emplace_back(std::string(ToString(state)));
  }
  *condition = std::move(states);
}

}  // namespace

std::string_view MlflowStatus(RunState state) {
  switch (state) {
    case RunState::kNotStarted:
    case RunState::kQueued:
    case RunState::kStarting:
    case RunState::kProvisioning:
      return "SCHEDULED";
    case RunState::kPreparing:
    case RunState::kRunning:
    case RunState::kFinalizing:
    case RunState::kCancelRequested:
      return "RUNNING";
    case RunState::kCompleted:
      return "FINISHED";
    case RunState::kFailed:
      return "FAILED";
    case RunState::kCanceled:
      return "KILLED";
  }
  return "RUNNING";
}

Result<std::vector<Condition>> ParseMlflowRunFilter(std::string_view filter) {
  ROOST_ASSIGN(std::vector<Condition> conditions, ParseMlflowFilter(MlflowNoun::kRun, filter));
  for (Condition& condition : conditions) {
    condition.field = Translate(std::move(condition.field));
    const bool is_attribute = condition.field.kind == FieldKind::kAttribute;
    if (is_attribute && condition.field.name == "mlflow_status") TranslateStatus(&condition);
  }
  return conditions;
}

Result<std::vector<OrderBy>> ParseMlflowRunOrder(const std::vector<std::string>& keys) {
  ROOST_ASSIGN(std::vector<OrderBy> order, ParseMlflowOrder(MlflowNoun::kRun, keys));
  for (OrderBy& each : order) each.field = Translate(std::move(each.field));
  const OrderBy ties[] = {{{FieldKind::kAttribute, "start_time"}, true},
                          {{FieldKind::kAttribute, "run_id"}, false}};
  for (const OrderBy& tie : ties) {
    const bool is_there = std::any_of(order.begin(), order.end(),
                                      [&](const OrderBy& each) { return each.field == tie.field; });
    if (!is_there) order.push_back(tie);
  }
  return order;
}

}  // namespace roost::spec
