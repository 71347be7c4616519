#include <algorithm>

#include "api/mlflow/handlers.h"
#include "api/mlflow/paging.h"
#include "api/mlflow/registry.h"
#include "spec/mlflow_search.h"
#include "spec/text.h"

// Searches of the registry. Prompts are rows like models and hidden until a filter asks for them.
namespace roost::api::mlflow {
namespace {

struct Limits {
  std::int64_t otherwise = 0;
  std::int64_t least = 0;
  std::int64_t most = 0;
};

bool IsPromptCondition(const spec::Condition& condition) {
  return condition.field.kind == spec::FieldKind::kTag && condition.field.name == store::kPromptTag;
}

// = 'true' and != 'false' ask for prompts.
bool AsksForPrompts(const spec::Condition& condition) {
  const auto* value =
      condition.values.size() == 1 ? std::get_if<std::string>(&condition.values[0]) : nullptr;
  if (value == nullptr) return false;
  return (condition.comparison == spec::Comparison::kEq && spec::EqualsInAnyCase(*value, "true")) ||
         (condition.comparison == spec::Comparison::kNe && spec::EqualsInAnyCase(*value, "false"));
}

// The first condition on the tag decides; those that do not ask for prompts mean the models, which
// have no such tag.
void HidePrompts(store::ModelSearch* search) {
  const auto first =
      std::find_if(search->conditions.begin(), search->conditions.end(), IsPromptCondition);
  if (first != search->conditions.end() && AsksForPrompts(*first)) return;
  std::erase_if(search->conditions, IsPromptCondition);
  search->hide_prompts = true;
}

Result<std::int64_t> ReadLimit(const Message& message, const Limits& limits) {
  ROOST_ASSIGN(const std::int64_t asked, message.IntegerOr("max_results", limits.otherwise));
  if (asked < limits.least) {
    return Invalid("Invalid value for max_results. It must be a positive integer, but got " +
                   std::to_string(asked));
  }
  if (asked > limits.most) {
    return InvalidValue("max_results", *message.Find("max_results"),
                        "It must be at most " + std::to_string(limits.most) + ".");
  }
  return asked;
}

// One more than the page tells whether there is another page.
Result<store::ModelSearch> ReadSearch(const Message& message, spec::MlflowNoun noun,
                                      const Limits& limits) {
  store::ModelSearch search;
  ROOST_ASSIGN(search.limit, ReadLimit(message, limits));
  search.limit += 1;
  ROOST_ASSIGN(const std::string filter, message.TextOr("filter", ""));
  ROOST_ASSIGN(search.conditions, spec::ParseMlflowFilter(noun, filter));
  HidePrompts(&search);
  ROOST_ASSIGN(const std::vector<std::string> order, message.Texts("order_by"));
  ROOST_ASSIGN(search.order, spec::ParseMlflowOrder(noun, order));
  ROOST_ASSIGN(const std::string token, message.TextOr("page_token", ""));
  ROOST_ASSIGN(const std::size_t offset, ReadOffsetToken(token));
  search.offset = static_cast<std::int64_t>(offset);
  return search;
}

// Takes away what is beyond the page; the token of the next one, or "".
template <class T>
std::string CutPage(const store::ModelSearch& search, std::vector<T>* found) {
  const auto page = static_cast<std::size_t>(search.limit - 1);
  if (found->size() <= page) return "";
  found->resize(page);
  return OffsetToken(static_cast<std::size_t>(search.offset) + page);
}

}  // namespace

Result<Answer> SearchRegisteredModels(Call& call) {
  ROOST_ASSIGN(const store::ModelSearch search,
               ReadSearch(call.message, spec::MlflowNoun::kRegisteredModel, {100, 0, 1000}));
  ROOST_ASSIGN(auto models, call.store().models().Search(search));
  const std::string next = CutPage(search, &models);
  ROOST_ASSIGN(auto objects, RegisteredModelObjects(call, models));
  Answer answer = Answer::object();
  if (!objects.empty()) answer["registered_models"] = std::move(objects);
  if (!next.empty()) answer["next_page_token"] = next;
  return answer;
}

Result<Answer> SearchModelVersions(Call& call) {
  ROOST_ASSIGN(const store::ModelSearch search,
               ReadSearch(call.message, spec::MlflowNoun::kModelVersion, {200'000, 1, 200'000}));
  ROOST_ASSIGN(auto versions, call.store().models().SearchVersions(search));
  const std::string next = CutPage(search, &versions);
  Answer answer = Answer::object();
  if (!versions.empty()) answer["model_versions"] = ModelVersionList(versions);
  if (!next.empty()) answer["next_page_token"] = next;
  return answer;
}

}  // namespace roost::api::mlflow
