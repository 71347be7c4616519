#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "spec/mlflow_search.h"

// The names in MLflow's searches: what may stand left of a comparison, and in an order.
namespace roost::spec {

enum class MlflowUse { kFilter = 1, kOrder = 2, kBoth = 3 };

struct MlflowField {
  Field field;
  bool is_number = false;
};

// `name` as it is written: tags.`a b`; without a point it is an attribute.
Result<MlflowField> FindMlflowField(MlflowNoun noun, std::string_view name, MlflowUse use);
Result<MlflowField> FindMlflowAttribute(MlflowNoun noun, std::string_view name, MlflowUse use);

// The kind in MLflow's errors: "parameter".
std::string_view MlflowWord(FieldKind kind);
// The kind as it is written before the names of logged models' fields: "params".
std::string_view LoggedModelPrefix(FieldKind kind);

// Without the quotes around it, if it has such.
std::string_view WithoutQuotes(std::string_view text, std::string_view quotes);

// Whether it is text of a bearable length. `what` is "filter" or "order_by".
Status CheckSearchText(std::string_view text, std::string_view what);

// As MLflow writes its lists: 'a', 'b'.
template <class Range>
std::string QuotedList(const Range& words) {
  std::vector<std::string> quoted;
  for (const auto& word : words) quoted.push_back("'" + std::string(word) + "'");
  return Join(quoted, ", ");
}

inline tl::unexpected<Error> RefuseSearch(std::string message) {
  return Fail(ErrorCode::kInvalidArgument, std::move(message));
}

}  // namespace roost::spec
