#include <charconv>

#include "api/mlflow/handlers.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/search.h"
#include "spec/mlflow_run_search.h"

namespace roost::api::mlflow {
namespace {

Result<std::vector<ExperimentId>> ReadExperimentIds(const Message& message) {
  ROOST_ASSIGN(const std::vector<std::string> texts, message.Texts("experiment_ids"));
  std::vector<ExperimentId> ids;
  for (const std::string& text : texts) {
    std::int64_t id = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_number = problem == std::errc() && end == text.data() + text.size();
    if (!is_number) {
      return InvalidValue("experiment_ids", text, "The id of an experiment is a whole number.");
    }
    ids.emplace_back(id);
  }
  return ids;
}

}  // namespace

Result<std::string> SearchRuns(Call& call) {
  ROOST_ASSIGN(const SearchRequest request,
               ReadSearchRequest(call.message, "run_view_type", kMostRuns));
  store::RunSearch search;
  ROOST_ASSIGN(search.experiment_ids, ReadExperimentIds(call.message));
  ROOST_ASSIGN(search.filter, spec::ParseMlflowRunFilter(request.filter));
  ROOST_ASSIGN(search.order, spec::ParseMlflowRunOrder(request.order_by));
  search.lifecycle = request.lifecycle;
  search.with_deleted = request.with_deleted;
  search.limit = request.max_results;
  search.page_token = request.page_token;
  const Result<store::RunPage> page = call.store().runs().Search(search);
  if (!page) return roost::Fail(SearchError(page.error()));
  std::string text;
  AnswerWriter writer(&text);
  writer.BeginObject();
  if (!page->runs.empty()) {
    writer.Key("runs").BeginArray();
    ROOST_TRY(WriteRuns(call.services, page->runs, &writer));
    writer.EndArray();
  }
  if (!page->next_page_token.empty()) writer.Key("next_page_token").Value(page->next_page_token);
  writer.EndObject();
  return text;
}

}  // namespace roost::api::mlflow
