#include <algorithm>

#include "base/strings.h"
#include "spec/mlflow_search.h"
#include "spec/mlflow_search_fields.h"
#include "spec/mlflow_search_tokens.h"

namespace roost::spec {
namespace {

using Kind = MlflowToken::Kind;

constexpr std::size_t kMaxOrderKeys = 20;  // each is a join; SQLite takes 64

tl::unexpected<Error> NoOrder(const std::string& key) {
  return RefuseSearch("Invalid order_by clause '" + key + "'. Could not be parsed.");
}

// The registry has words of its own for keys that it does not know.
Status CheckOrderKey(MlflowNoun noun, const std::string& key, const Result<MlflowField>& field) {
  const bool is_tag = field && field->field.kind == FieldKind::kTag;
  if (noun == MlflowNoun::kRegisteredModel && (!field || is_tag)) {
    const std::string name = key.substr(0, key.find(' '));
    return RefuseSearch("Invalid order by key '" + name +
                        "' specified. Valid keys are '{'name', 'timestamp'}'");
  }
  ROOST_TRY(field);
  if (noun == MlflowNoun::kModelVersion && is_tag) {
    return RefuseSearch(
        "Invalid order by key '" + field->field.name +
        "' specified. Valid keys are {'name', 'version_number', 'creation_timestamp', "
        "'last_updated_timestamp'}");
  }
  if (noun == MlflowNoun::kExperiment && is_tag)
    return RefuseSearch("Invalid order_by entity: tag");
  if (field->field.kind == FieldKind::kDataset)
    return RefuseSearch("Invalid identifier type 'dataset'");
  return {};
}

Result<OrderBy> ReadOrder(MlflowNoun noun, const std::string& key) {
  ROOST_TRY(CheckSearchText(key, "order_by"));
  const std::vector<MlflowToken> tokens = SplitMlflowSearch(key);
  const bool is_padded = Trim(key).size() != key.size();
  if (is_padded || tokens.empty() || tokens.size() > 2 || tokens[0].kind != Kind::kName ||
      IsKeyword(tokens[0], "desc") || IsKeyword(tokens[0], "asc") ||
      tokens.back().kind != Kind::kName) {
    return NoOrder(key);
  }
  OrderBy order;
  if (tokens.size() == 2) {
    order.descending = IsKeyword(tokens[1], "desc");
    if (!order.descending && !IsKeyword(tokens[1], "asc")) {
      return RefuseSearch("Invalid ordering key in order_by clause '" + key + "'.");
    }
  }
  const Result<MlflowField> field = FindMlflowField(noun, tokens[0].text, MlflowUse::kOrder);
  ROOST_TRY(CheckOrderKey(noun, key, field));
  order.field = field->field;
  return order;
}

}  // namespace

Result<std::vector<OrderBy>> ParseMlflowOrder(MlflowNoun noun,
                                              const std::vector<std::string>& keys) {
  if (keys.size() > kMaxOrderKeys) {
    return RefuseSearch("order_by has " + std::to_string(keys.size()) +
                        " keys; it may have at most " + std::to_string(kMaxOrderKeys) + ".");
  }
  std::vector<OrderBy> orders;
  for (const std::string& key : keys) {
    ROOST_ASSIGN(OrderBy order, ReadOrder(noun, key));
    const bool is_known = std::any_of(orders.begin(), orders.end(), [&](const OrderBy& known) {
      return known.field == order.field;
    });
    if (is_known && noun == MlflowNoun::kExperiment) continue;
    if (is_known)
      return RefuseSearch("`order_by` contains duplicate fields: [" + QuotedList(keys) + "]");
    orders.push_back(std::move(order));
  }
  return orders;
}

Result<Field> ParseLoggedModelOrder(std::string_view field_name) {
  ROOST_TRY(CheckSearchText(field_name, "order_by"));
  const std::string problem = "Invalid order by field name: " + std::string(field_name);
  const std::size_t point = field_name.find('.');
  if (point == std::string_view::npos) {
    const auto attribute =
        FindMlflowAttribute(MlflowNoun::kLoggedModel, field_name, MlflowUse::kOrder);
    if (!attribute) return RefuseSearch(problem);
    return attribute->field;
  }
  if (field_name.substr(0, point) != "metrics") {
    return RefuseSearch(problem + ". Only metrics are supported.");
  }
  return Field{FieldKind::kMetric, std::string(WithoutQuotes(field_name.substr(point + 1), "`\""))};
}

}  // namespace roost::spec
