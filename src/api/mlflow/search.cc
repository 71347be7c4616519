#include "api/mlflow/search.h"

#include "api/mlflow/errors.h"

namespace roost::api::mlflow {
namespace {

Result<int> ReadMaxResults(const Message& message, std::int64_t most) {
  constexpr std::int64_t kDefault = 1000;
  ROOST_ASSIGN(const std::int64_t count, message.IntegerOr("max_results", kDefault));
  const std::string problem = "Invalid value " + std::to_string(count) +
                              " for parameter 'max_results' supplied. It must be ";
  if (count <= 0) return Invalid(problem + "a positive integer");
  if (count > most) return Invalid(problem + "at most " + std::to_string(most));
  return static_cast<int>(count);
}

// The name, or the number of the enum; what is neither is as if it were not there, as with MLflow.
void ReadViewType(const Message& message, std::string_view name, SearchRequest* request) {
  const nlohmann::json* value = message.Find(name);
  if (value == nullptr) return;
  const std::string view = value->is_string() ? value->get<std::string>() : value->dump();
  if (view == "DELETED_ONLY" || view == "2") request->lifecycle = spec::Lifecycle::kDeleted;
  if (view == "ALL" || view == "3") request->with_deleted = true;
}

}  // namespace

Result<SearchRequest> ReadSearchRequest(const Message& message, std::string_view view_type,
                                        std::int64_t most_results) {
  SearchRequest request;
  ROOST_ASSIGN(request.filter, message.TextOr("filter", ""));
  ROOST_ASSIGN(request.order_by, message.Texts("order_by"));
  ReadViewType(message, view_type, &request);
  ROOST_ASSIGN(request.max_results, ReadMaxResults(message, most_results));
  ROOST_ASSIGN(request.page_token, message.TextOr("page_token", ""));
  return request;
}

Error SearchError(Error error) {
  const bool is_of_token = !error.details.empty() && error.details[0].field == "page_token";
  if (!is_of_token) return error;
  // The beginning is what clients know.
  return Error{error.code, "Invalid page token, could not base64-decode: " + error.message, {}};
}

Answer PageAnswer(std::string_view name, std::vector<Answer> items, const std::string& next_token) {
  Answer answer = Answer::object();
  if (!items.empty()) answer[std::string(name)] = std::move(items);
  if (!next_token.empty()) answer["next_page_token"] = next_token;
  return answer;
}

}  // namespace roost::api::mlflow
