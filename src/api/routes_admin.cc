#include "api/handler_util.h"
#include "api/handlers.h"
#include "store/maintenance.h"
#include "store/tokens.h"

namespace roost::api {

Result<Response> GetServer(Services& services, Request& request) {
  ROOST_ASSIGN(const DiskSpace space, GetDiskSpace(services.store.data_folder()));
  const engine::QueueStatus queue = services.engine.Queue();
  const launch::MachineResources& machine = services.options.machine;
  return JsonResponse(200, {{"version", services.options.version},
                            {"epoch", services.store.epoch()},
                            {"address", services.address},
                            {"data_folder", services.store.data_folder().string()},
                            {"free_bytes", space.free_bytes},
                            {"total_bytes", space.total_bytes},
                            {"started_at", TimeJson(services.started_at)},
                            {"user", request.token.name},
                            {"trainer", TextOrNull(services.options.trainer.string())},
                            {"queue",
                             {{"paused", queue.paused},
                              {"reason", TextOrNull(queue.reason)},
                              {"waiting", queue.waiting},
                              {"running", queue.running}}},
                            {"resources",
                             {{"cpus", machine.cpus},
                              {"cpus_used", queue.cpus_used},
                              {"gpus", machine.gpus.size()},
                              {"gpus_used", queue.gpus_used},
                              {"memory_mb", machine.memory_mb},
                              {"memory_mb_used", queue.memory_mb_used}}},
                            {"gpu_policy", engine::ToString(services.engine.missing_gpus())}});
}

Result<Response> ListTokens(Services& services, Request&) {
  ROOST_ASSIGN(const auto tokens, services.store.tokens().List());
  Json items = Json::array();
  for (const store::Token& token : tokens) {
    items.push_back({{"name", token.name}, {"created_at", TimeJson(token.created_at)}});
  }
  return ListResponse(std::move(items), "");
}

Result<Response> CreateToken(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::string name;
  if (reader.String("name", &name, {.required = true, .max_length = 128, .may_be_empty = false})) {
    for (const char c : name) {
      if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == 127) {
        reader.AddProblem("name", "must not contain blanks, slashes or control characters");
        break;
      }
    }
  }
  ROOST_TRY(reader.Finish("The token is not valid"));
  ROOST_ASSIGN(const std::string secret, services.store.tokens().Create(name));
  return JsonResponse(201, {{"name", name}, {"token", secret}});
}

Result<Response> DeleteToken(Services& services, Request& request) {
  ROOST_TRY(services.store.tokens().Delete(request.parameters[0]));
  return Response(204, "");
}

Result<Response> PostGc(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  bool dry_run = false;
  std::int64_t grace_seconds = 3600;
  reader.Bool("dry_run", &dry_run);
  reader.Integer("grace_seconds", &grace_seconds, 0, 31'536'000);
  ROOST_TRY(reader.Finish("The request is not valid"));
  ROOST_ASSIGN(const store::GcReport report,
               store::CollectGarbage(services.store, grace_seconds, dry_run));
  return JsonResponse(200, {{"runs_removed", report.runs_removed},
                            {"blobs_removed", report.blobs_removed},
                            {"bytes_freed", report.bytes_freed}});
}

Result<Response> PostBackup(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::string folder;
  if (reader.String("folder", &folder, {.required = true}) && !folder.starts_with('/')) {
    reader.AddProblem("folder", "must be an absolute path on the server's machine");
  }
  ROOST_TRY(reader.Finish("The request is not valid"));
  ROOST_ASSIGN(const store::BackupReport report, store::Backup(services.store, folder));
  return JsonResponse(200, {{"files", report.files}, {"bytes", report.bytes}, {"folder", folder}});
}

}  // namespace roost::api
