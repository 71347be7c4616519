#include <charconv>

#include "api/handler_util.h"
#include "api/handlers.h"
#include "spec/run_definition.h"
#include "store/experiments.h"

namespace roost::api {
namespace {

Result<store::Experiment> RequireExperiment(Services& services, const Request& request) {
  const std::string& text = request.parameters[0];
  std::int64_t id = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || id < 0) {
    return Fail(ErrorCode::kNotFound, "There is no experiment with the id \"" + text +
                                          "\"; ids are numbers, as GET /experiments lists them.");
  }
  return services.store.experiments().Get(ExperimentId(id));
}

Result<Response> MoveLifecycle(Services& services, const Request& request,
                               spec::Lifecycle lifecycle) {
  ROOST_ASSIGN(const store::Experiment before, RequireExperiment(services, request));
  ROOST_TRY(services.store.experiments().SetLifecycle(before.id, lifecycle));
  ROOST_ASSIGN(const store::Experiment after, services.store.experiments().Get(before.id));
  return JsonResponse(200, ExperimentJson(after));
}

}  // namespace

Result<Response> ListExperiments(Services& services, Request& request) {
  ROOST_ASSIGN(const auto lifecycle, QueryLifecycle(request));
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string after, ReadPageToken(request));
  ROOST_ASSIGN(auto experiments, services.store.experiments().List(lifecycle, after, limit + 1));
  const bool more = experiments.size() > limit;
  if (more) experiments.resize(limit);
  Json items = Json::array();
  for (const store::Experiment& each : experiments) items.push_back(ExperimentJson(each));
  return ListResponse(std::move(items), more ? PageToken(experiments.back().name) : "");
}

Result<Response> CreateExperiment(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::string name, description;
  if (reader.String("name", &name, {.required = true})) {
    if (auto checked = spec::CheckExperimentName(name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  reader.String("description", &description, {.max_length = spec::kMaxDescription});
  std::map<std::string, std::optional<std::string>> tags;
  ReadTagsField(reader, NullTags::kRefused, &tags);
  ROOST_TRY(reader.Finish("The experiment is not valid"));
  ROOST_ASSIGN(const store::Experiment experiment,
               services.store.experiments().Create(
                   {.name = name, .description = description, .tags = PlainTags(tags)}));
  return JsonResponse(201, ExperimentJson(experiment));
}

Result<Response> GetExperiment(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(services, request));
  return JsonResponse(200, ExperimentJson(experiment));
}

Result<Response> PatchExperiment(Services& services, Request& request) {
  ROOST_ASSIGN(const TextChange change, ReadTextChange(request));
  ROOST_ASSIGN(const store::Experiment before, RequireExperiment(services, request));
  ROOST_TRY(services.store.experiments().Update(before.id, change.description, change.tags));
  ROOST_ASSIGN(const store::Experiment after, services.store.experiments().Get(before.id));
  return JsonResponse(200, ExperimentJson(after));
}

Result<Response> DeleteExperiment(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kDeleted);
}
Result<Response> ArchiveExperiment(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kArchived);
}
Result<Response> RestoreExperiment(Services& services, Request& request) {
  return MoveLifecycle(services, request, spec::Lifecycle::kActive);
}

}  // namespace roost::api
