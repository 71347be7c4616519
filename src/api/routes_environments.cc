#include <algorithm>
#include <charconv>

#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/http_url.h"
#include "base/log_file.h"
#include "spec/curated_environments.h"
#include "store/environments.h"

namespace roost::api {
namespace {

using environments::CachedEnvironment;
using environments::EnvironmentCache;

constexpr std::uint64_t kLogPiece = 1 << 20;

// What can be told without waiting about the environment that a definition needs.
struct BuildView {
  std::string key;  // empty: nothing is built for it
  EnvironmentCache::BuildState state = EnvironmentCache::BuildState::kNone;
  std::string error;
};

const char* StateText(EnvironmentCache::BuildState state) {
  switch (state) {
    case EnvironmentCache::BuildState::kReady:
      return "ready";
    case EnvironmentCache::BuildState::kBuilding:
      return "building";
    case EnvironmentCache::BuildState::kFailed:
      return "failed";
    case EnvironmentCache::BuildState::kNone:
      break;
  }
  return "none";
}

bool NeedsBuild(const spec::EnvironmentDefinition& definition) {
  const spec::EnvironmentKind kind = definition.Kind();
  return kind == spec::EnvironmentKind::kConda || kind == spec::EnvironmentKind::kPip ||
         kind == spec::EnvironmentKind::kImage;
}

Result<BuildView> ViewOf(Services& services, const spec::EnvironmentDefinition& definition) {
  EnvironmentCache& cache = services.engine.environments();
  if (!NeedsBuild(definition)) {
    ROOST_TRY(cache.Find(definition));
    return BuildView{{}, EnvironmentCache::BuildState::kReady, {}};
  }
  ROOST_ASSIGN(const Digest digest, cache.DigestFor(definition));
  const std::string key = EnvironmentCache::KeyOf(digest);
  const auto status = cache.StatusOf(key);
  return BuildView{key, status.state, status.error};
}

Json CuratedJson(Services& services, const spec::CuratedEnvironment& curated) {
  const bool is_served = curated.unavailable.empty();
  const auto view = is_served ? ViewOf(services, curated.definition) : Result<BuildView>();
  return {{"name", curated.name},
          {"version", is_served ? curated.definition.version : "1"},
          {"curated", true},
          {"description", is_served ? curated.description : curated.unavailable},
          {"digest", is_served ? Json(curated.definition.Id().ToText()) : Json()},
          {"key", view ? TextOrNull(view->key) : Json()},
          {"ready", is_served && view && view->state == EnvironmentCache::BuildState::kReady},
          {"definition", is_served ? spec::ToJson(curated.definition) : Json()},
          {"created_at", Json()}};
}

// kNotFound when the table has no such name.
Result<Json> FindCuratedJson(Services& services, const std::string& name) {
  if (const auto* curated = spec::FindCurated(name)) return CuratedJson(services, *curated);
  return Fail(ErrorCode::kNotFound, "There is no curated environment named '" + name +
                                        "'. `roost environments list --curated` shows all.");
}

Json VersionJson(Services& services, const store::EnvironmentVersion& version) {
  const auto view = ViewOf(services, version.definition);
  return {{"name", version.name},
          {"version", std::to_string(version.version)},
          {"curated", false},
          {"description", ""},
          {"digest", version.definition.Id().ToText()},
          {"key", view ? TextOrNull(view->key) : Json()},
          {"ready", view && view->state == EnvironmentCache::BuildState::kReady},
          {"definition", spec::ToJson(version.definition)},
          {"created_at", TimeJson(version.created_at)}};
}

Json BuildJson(const CachedEnvironment& environment) {
  const environments::ReadyMark& mark = environment.mark;
  return {{"key", environment.key},
          {"state", "ready"},
          {"error", Json()},
          {"name", TextOrNull(mark.name)},
          {"kind", mark.kind},
          {"tool", mark.tool},
          {"python_version", mark.python},
          {"packages", mark.packages},
          {"notes", mark.notes},
          {"bytes", mark.bytes},
          {"build_seconds", static_cast<double>(mark.build_ms) / 1000},
          {"built_at", TimeJson(mark.built_at)},
          {"last_used", TimeJson(environment.last_used)},
          {"in_use", environment.in_use}};
}

// A build that is not there as an environment (yet).
Json BuildJson(const std::string& key, EnvironmentCache::BuildState state,
               const std::string& error) {
  return {{"key", TextOrNull(key)}, {"state", StateText(state)}, {"error", TextOrNull(error)}};
}

// The definition of {"environment": ...}, with a registered one's in the place of its name.
Result<spec::EnvironmentDefinition> ReadDefinition(Services& services, const Json& body) {
  spec::EnvironmentDefinition definition;
  spec::JsonReader reader(body);
  if (!reader.Has("environment")) reader.AddProblem("environment", "is required");
  reader.Object("environment",
                [&](spec::JsonReader& nested) { spec::ReadEnvironment(nested, definition); });
  ROOST_TRY(reader.Finish("The environment is not valid"));
  return services.engine.ResolveEnvironment(definition);
}

Error NoSuchBuild(const std::string& key) {
  return {ErrorCode::kNotFound, "There is no built environment \"" + key + "\".", {}};
}

Result<Json> BuildOfKey(Services& services, const std::string& key) {
  if (!EnvironmentCache::IsKey(key)) return Fail(NoSuchBuild(key));
  EnvironmentCache& cache = services.engine.environments();
  const auto status = cache.StatusOf(key);
  if (status.state == EnvironmentCache::BuildState::kNone) return Fail(NoSuchBuild(key));
  if (status.state == EnvironmentCache::BuildState::kReady) {
    ROOST_ASSIGN(const auto all, cache.List());
    for (const CachedEnvironment& one : all) {
      if (one.key == key) return BuildJson(one);
    }
    return Fail(NoSuchBuild(key));
  }
  return BuildJson(key, status.state, status.error);
}

}  // namespace

Result<Response> ListEnvironments(Services& services, Request& request) {
  ROOST_ASSIGN(const std::size_t limit, QueryLimit(request));
  ROOST_ASSIGN(const std::string after, ReadPageToken(request));
  const bool asks = request.QueryValue("curated").has_value();
  ROOST_ASSIGN(const bool only_curated, QueryBool(request, "curated"));
  ROOST_ASSIGN(auto versions, services.store.environments().List(after, limit + 1));
  const bool more = versions.size() > limit && !only_curated;
  if (more) versions.pop_back();
  Json items = Json::array();
  if (!only_curated) {
    for (const store::EnvironmentVersion& version : versions) {
      items.push_back(VersionJson(services, version));
    }
  }
  // The table comes with the last page.
  if (!more && (only_curated || !asks)) {
    for (const auto& curated : spec::CuratedEnvironments()) {
      items.push_back(CuratedJson(services, curated));
    }
  }
  return ListResponse(std::move(items), more ? PageToken(versions.back().name) : "");
}

Result<Response> RegisterEnvironment(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::EnvironmentDefinition definition,
               spec::ParseEnvironmentDefinition(body));
  if (definition.name.empty()) return BadField("name", "is required");
  if (spec::IsCuratedName(definition.name)) {
    ROOST_TRY(spec::ResolveCurated(definition));
    ROOST_ASSIGN(const Json curated, FindCuratedJson(services, definition.name));
    return JsonResponse(200, curated);
  }
  if (definition.IsReference()) {
    return BadField("python",
                    "or `docker` or `environment_variables` is required: the "
                    "environment has a name and nothing else. An existing "
                    "interpreter is python.interpreter, an absolute path");
  }
  ROOST_ASSIGN(const auto registered, services.store.environments().Register(definition));
  Response response =
      JsonResponse(registered.created ? 201 : 200, VersionJson(services, registered.version));
  response.headers.emplace_back("Location", "/api/v1/environments/" +
                                                PercentEncodePath(definition.name) + "/versions/" +
                                                std::to_string(registered.version.version));
  return response;
}

Result<Response> GetEnvironment(Services& services, Request& request) {
  const std::string& name = request.parameters[0];
  if (spec::IsCuratedName(name)) {
    ROOST_ASSIGN(Json curated, FindCuratedJson(services, name));
    return JsonResponse(200, {{"name", name}, {"versions", Json::array({std::move(curated)})}});
  }
  ROOST_ASSIGN(const auto versions, services.store.environments().Versions(name));
  Json items = Json::array();
  for (const auto& version : versions) items.push_back(VersionJson(services, version));
  return JsonResponse(200, {{"name", name}, {"versions", std::move(items)}});
}

Result<Response> GetEnvironmentVersion(Services& services, Request& request) {
  spec::EnvironmentDefinition reference;
  reference.name = request.parameters[0];
  if (spec::IsCuratedName(reference.name)) {
    ROOST_ASSIGN(const Json curated, FindCuratedJson(services, reference.name));
    if (request.parameters[1] == "latest" || curated["version"] == request.parameters[1]) {
      return JsonResponse(200, curated);
    }
    return Fail(ErrorCode::kNotFound, "The curated environment '" + reference.name +
                                          "' has the version " +
                                          curated["version"].get<std::string>() + " alone.");
  }
  reference.version = request.parameters[1];
  std::optional<std::int64_t> number;
  if (reference.version != "latest") {
    std::int64_t parsed = 0;
    const char* end = reference.version.data() + reference.version.size();
    const auto read = std::from_chars(reference.version.data(), end, parsed);
    if (read.ec != std::errc() || read.ptr != end) {
      return Fail(ErrorCode::kNotFound, "The environment '" + reference.name +
                                            "' has no version \"" + reference.version +
                                            "\"; versions are numbers, or latest.");
    }
    number = parsed;
  }
  ROOST_ASSIGN(const auto version, services.store.environments().Get(reference.name, number));
  return JsonResponse(200, VersionJson(services, version));
}

Result<Response> ListEnvironmentBuilds(Services& services, Request&) {
  EnvironmentCache& cache = services.engine.environments();
  ROOST_ASSIGN(const auto all, cache.List());
  Json items = Json::array();
  for (const CachedEnvironment& one : all) items.push_back(BuildJson(one));
  for (const auto& [key, status] : cache.Unready()) {
    items.push_back(BuildJson(key, status.state, status.error));
  }
  return ListResponse(std::move(items), "");
}

Result<Response> BuildEnvironment(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  ROOST_ASSIGN(const spec::EnvironmentDefinition definition, ReadDefinition(services, body));
  EnvironmentCache& cache = services.engine.environments();
  ROOST_TRY(cache.Find(definition));
  ROOST_ASSIGN(const BuildView before, ViewOf(services, definition));
  if (before.state == EnvironmentCache::BuildState::kReady) {
    return JsonResponse(202, BuildJson(before.key, before.state, ""));
  }
  // Whoever waits for it asks again; the build goes on without.
  static_cast<void>(cache.Prepare(definition, {}, [](const auto&) {}));
  ROOST_ASSIGN(const BuildView view, ViewOf(services, definition));
  return JsonResponse(202, BuildJson(view.key, view.state, view.error));
}

Result<Response> GetEnvironmentBuild(Services& services, Request& request) {
  ROOST_ASSIGN(Json build, BuildOfKey(services, request.parameters[0]));
  return JsonResponse(200, build);
}

Result<Response> GetEnvironmentBuildLog(Services& services, Request& request) {
  const std::string& key = request.parameters[0];
  ROOST_ASSIGN(const std::int64_t offset, QueryInteger(request, "offset", 0, 0, INT64_MAX));
  if (!EnvironmentCache::IsKey(key)) return Fail(NoSuchBuild(key));
  EnvironmentCache& cache = services.engine.environments();
  // Asked before reading: a log that is called complete is sent whole.
  const bool complete = cache.StatusOf(key).state != EnvironmentCache::BuildState::kBuilding;
  const auto text = ReadRange(cache.LogFile(key), static_cast<std::uint64_t>(offset), kLogPiece);
  if (!text) return Fail(NoSuchBuild(key));
  const auto from = static_cast<std::uint64_t>(offset);
  const bool is_end = text->size() < kLogPiece;
  Response response(200, *text);
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Roost-Log-Offset", std::to_string(from));
  response.headers.emplace_back("Roost-Log-Complete", complete && is_end ? "true" : "false");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<Response> DeleteEnvironmentBuild(Services& services, Request& request) {
  const std::string& key = request.parameters[0];
  if (!EnvironmentCache::IsKey(key)) return Fail(NoSuchBuild(key));
  ROOST_TRY(services.engine.environments().Remove(key));
  return Response(204, "");
}

Result<Response> PruneEnvironmentBuilds(Services& services, Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  std::int64_t max_bytes = 0;
  std::int64_t unused_for = 0;
  const bool has_bytes = reader.Integer("max_bytes", &max_bytes, 0, INT64_MAX);
  const bool has_age = reader.Integer("unused_for_seconds", &unused_for, 0, 3'155'760'000);
  ROOST_TRY(reader.Finish("The request is not valid"));
  environments::PruneOptions options;
  if (has_bytes) options.max_bytes = static_cast<std::uint64_t>(max_bytes);
  if (has_age) options.unused_since = SystemClock().Now() - unused_for * 1'000'000;
  // Asked for nothing in particular, everything that nobody uses goes.
  if (!has_bytes && !has_age) options.max_bytes = 0;
  ROOST_ASSIGN(const auto report, services.engine.environments().Prune(options));
  return JsonResponse(200, {{"removed", report.removed},
                            {"removed_bytes", report.removed_bytes},
                            {"kept_bytes", report.kept_bytes}});
}

}  // namespace roost::api
