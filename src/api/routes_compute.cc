#include <algorithm>

#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_url.h"
#include "spec/compute_target.h"

namespace roost::api {
namespace {

Json ResourcesJson(const spec::Resources& resources) {
  return {{"cpus", resources.cpus}, {"gpus", resources.gpus}, {"memory_mb", resources.memory_mb}};
}

// A node is busy or not; that of a cluster which is being deleted goes when its run is over.
std::string_view StateOf(const store::ComputeTarget& target, const store::ComputeNode& node) {
  if (target.deleting) return "leaving";
  return node.run_id.empty() ? "idle" : "running";
}

Json ComputeJson(const engine::ComputeView& view) {
  const store::ComputeTarget& target = view.target;
  const spec::ClusterSettings& settings = target.settings;
  // All states of the contract; nodes of this machine are there at once and never break alone.
  Json states = {{"preparing", 0}, {"running", 0}, {"idle", 0},
                 {"unusable", 0},  {"leaving", 0}, {"preempted", 0}};
  for (const store::ComputeNode& node : target.nodes) {
    Json& count = states[std::string(StateOf(target, node))];
    count = count.get<int>() + 1;
  }
  const int current = static_cast<int>(target.nodes.size());
  return {{"name", settings.name},
          {"type", view.is_local ? "local" : "AmlCompute"},
          {"provider", view.is_local ? "local" : "process"},
          {"vm_size", settings.size.name},
          {"vm_priority", spec::ToString(settings.priority)},
          {"min_nodes", settings.min_nodes},
          {"max_nodes", settings.max_nodes},
          {"idle_seconds_before_scaledown", settings.idle_seconds},
          {"description", settings.description},
          {"tags", settings.tags},
          {"node", ResourcesJson(view.node)},
          {"wanted", ResourcesJson(view.wanted)},
          {"provisioning_state", target.deleting ? "Deleting" : "Succeeded"},
          {"provisioning_state_transition_time", TimeJson(target.state_since)},
          {"allocation_state", current == view.target_nodes ? "Steady" : "Resizing"},
          {"allocation_state_transition_time", TimeJson(target.resized_at)},
          {"current_nodes", current},
          {"target_nodes", view.target_nodes},
          {"node_states", std::move(states)},
          {"waiting_runs", view.waiting_runs},
          {"warnings", view.warnings},
          {"created_at", TimeJson(target.created_at)},
          {"updated_at", TimeJson(target.updated_at)}};
}

}  // namespace

Result<Response> ListCompute(Services& services, Request&) {
  ROOST_ASSIGN(const auto views, services.engine.ListCompute());
  Json items = Json::array();
  for (const engine::ComputeView& view : views) items.push_back(ComputeJson(view));
  return ListResponse(std::move(items), "");
}

Result<Response> CreateCompute(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::ClusterSettings settings,
               spec::ParseCluster(body, services.engine.vm_sizes()));
  ROOST_ASSIGN(const auto created, services.engine.CreateCompute(settings));
  Response response = JsonResponse(created.created ? 201 : 200, ComputeJson(created.view));
  if (created.created) {
    response.headers.emplace_back("Location",
                                  "/api/v1/compute/" + PercentEncodePath(settings.name));
  }
  return response;
}

Result<Response> GetCompute(Services& services, Request& request) {
  ROOST_ASSIGN(const auto view, services.engine.GetCompute(request.parameters[0]));
  return JsonResponse(200, ComputeJson(view));
}

Result<Response> PatchCompute(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::ClusterChange change, spec::ParseClusterChange(body));
  ROOST_ASSIGN(const auto view, services.engine.UpdateCompute(request.parameters[0], change));
  return JsonResponse(200, ComputeJson(view));
}

Result<Response> DeleteCompute(Services& services, Request& request) {
  ROOST_ASSIGN(const auto view, services.engine.DeleteCompute(request.parameters[0]));
  return JsonResponse(202, ComputeJson(view));
}

Result<Response> ListComputeNodes(Services& services, Request& request) {
  ROOST_ASSIGN(const auto view, services.engine.GetCompute(request.parameters[0]));
  Json items = Json::array();
  for (const store::ComputeNode& node : view.target.nodes) {
    items.push_back({{"node_id", node.id},
                     {"state", StateOf(view.target, node)},
                     {"run_id", TextOrNull(node.run_id)},
                     {"since", TimeJson(node.since)}});
  }
  return ListResponse(std::move(items), "");
}

Result<Response> ListComputeSizes(Services& services, Request&) {
  Json items = Json::array();
  for (const spec::VmSize& size : services.engine.vm_sizes()) {
    items.push_back({{"name", size.name},
                     {"cpus", size.cpus},
                     {"gpus", size.gpus},
                     {"memory_mb", size.memory_mb}});
  }
  return ListResponse(std::move(items), "");
}

}  // namespace roost::api
