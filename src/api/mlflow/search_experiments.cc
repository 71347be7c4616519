#include "api/mlflow/handlers.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/search.h"
#include "spec/mlflow_search.h"

namespace roost::api::mlflow {
namespace {

using spec::MlflowNoun;

// Newest first; with an order of the client's, its ties are broken by the newest id.
std::vector<spec::OrderBy> WithTies(std::vector<spec::OrderBy> order) {
  const spec::Field id = {spec::FieldKind::kAttribute, "experiment_id"};
  if (order.empty()) {
    return {{{spec::FieldKind::kAttribute, "creation_time"}, true}, {id, false}};
  }
  for (const spec::OrderBy& each : order) {
    if (each.field == id) return order;
  }
  order.push_back({id, true});
  return order;
}

}  // namespace

Result<Answer> SearchExperiments(Call& call) {
  ROOST_ASSIGN(const SearchRequest request,
               ReadSearchRequest(call.message, "view_type", kMostExperiments));
  store::ExperimentSearch search;
  ROOST_ASSIGN(search.search.filter,
               spec::ParseMlflowFilter(MlflowNoun::kExperiment, request.filter));
  ROOST_ASSIGN(auto order, spec::ParseMlflowOrder(MlflowNoun::kExperiment, request.order_by));
  search.search.order = WithTies(std::move(order));
  search.search.limit = request.max_results;
  search.search.page_token = request.page_token;
  search.lifecycle = request.lifecycle;
  search.with_deleted = request.with_deleted;
  const Result<store::ExperimentPage> page = call.store().experiments().Search(search);
  if (!page) return roost::Fail(SearchError(page.error()));
  std::vector<Answer> experiments;
  for (const store::Experiment& experiment : page->experiments) {
    experiments.push_back(ExperimentObject(experiment));
  }
  return PageAnswer("experiments", std::move(experiments), page->next_page_token);
}

}  // namespace roost::api::mlflow
