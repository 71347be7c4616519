#include <filesystem>

#include "api/http_url.h"
#include "api/mlflow/handlers.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/objects.h"
#include "api/mlflow/run_tags.h"

// Experiments: made, found, renamed, deleted and restored, tagged.
namespace roost::api::mlflow {
namespace {

Result<store::Experiment> RequireActive(Call& call) {
  ROOST_ASSIGN(store::Experiment experiment, RequireExperiment(call));
  if (experiment.lifecycle != spec::Lifecycle::kDeleted) return experiment;
  return Invalid("The experiment " + std::to_string(experiment.id.value()) +
                 " must be in the 'active' state. Current state is deleted.");
}

tl::unexpected<Error> NameIsTaken(const store::Experiment& by) {
  std::string message = "Experiment(name=" + by.name + ") already exists.";
  if (by.lifecycle == spec::Lifecycle::kDeleted) {
    message += " It is deleted: restore it, or choose another name.";
  }
  return Fail(Code::kResourceAlreadyExists, std::move(message));
}

bool HasParameters(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return path.find(';', slash == std::string_view::npos ? 0 : slash) != std::string_view::npos;
}

// Of web addresses and plain paths, as Python's urllib reads them: other schemes have none.
bool MayHaveParameters(std::string_view location) {
  const std::size_t colon = location.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view scheme = location.substr(0, colon);
  return scheme == "http" || scheme == "https" || scheme == "ftp" || scheme == "sftp";
}

// A location is where clients write. One on this server must not lead elsewhere.
Status CheckLocation(const std::string& location) {
  const std::string_view all(location);
  const std::size_t hash = all.find('#');
  const std::string_view before = all.substr(0, hash);
  const std::size_t question = before.find('?');
  const std::string_view path = before.substr(0, question);
  const bool has_fragment = hash != std::string_view::npos && hash + 1 < all.size();
  if (has_fragment || (MayHaveParameters(path) && HasParameters(path))) {
    return Invalid("'artifact_location' URL can't include fragments or params.");
  }
  if (question != std::string_view::npos) {
    const auto query = PercentDecode(before.substr(question + 1), false);
    if (!query || query->find("..") != std::string::npos) return Invalid("Invalid query string");
  }
  if (location.starts_with("runs:")) {
    return Invalid("Artifact location cannot be a runs:/ URI. Given: '" + location + "'");
  }
  if (CountCharacters(location) > kMaxArtifactLocation) {
    return Invalid(
        "Invalid artifact path length. The length of the artifact path cannot be greater than " +
        std::to_string(kMaxArtifactLocation) +
        " characters. To configure this limit, please set the MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH "
        "environment variable.");
  }
  const bool leads_up = ("/" + std::string(path) + "/").find("/../") != std::string::npos;
  if (leads_up && location.starts_with("mlflow-artifacts:")) {
    return InvalidValue("artifact_location", location, "The location must have no '..' in it.");
  }
  return {};
}

// A relative one is below the server's working directory, as with MLflow's own server.
std::string Absolute(std::string location) {
  if (location.empty() || location.find(":/") != std::string::npos) return location;
  std::error_code ignored;
  return (std::filesystem::current_path(ignored) / location).string();
}

Status PutTag(Call& call, const store::Experiment& experiment, const std::string& key,
              const std::optional<std::string>& value) {
  store::Experiments& experiments = call.store().experiments();
  if (key == kNoteTag) return experiments.Update(experiment.id, value.value_or(""), {});
  return experiments.Update(experiment.id, std::nullopt, {{key, value}});
}

}  // namespace

Result<Answer> CreateExperiment(Call& call) {
  ROOST_ASSIGN(const std::string name, call.message.RequiredText("name"));
  ROOST_ASSIGN(const std::string location, call.message.TextOr("artifact_location", ""));
  ROOST_ASSIGN(const auto pairs, call.message.Pairs("tags"));
  ROOST_TRY(CheckLength("name", name, kMaxExperimentName));
  ROOST_TRY(CheckLocation(location));
  store::NewExperiment experiment{.name = name, .artifact_location = Absolute(location)};
  for (const auto& [key, value] : pairs) {
    if (key == kNoteTag) {
      experiment.description = value;
    } else {
      experiment.tags[key] = value;
    }
  }
  if (const auto known = call.store().experiments().GetByName(name)) return NameIsTaken(*known);
  auto made = call.store().experiments().Create(experiment);
  if (!made && made.error().code == ErrorCode::kConflict) {
    return Fail(Code::kResourceAlreadyExists, "Experiment(name=" + name + ") already exists.");
  }
  ROOST_TRY(made);
  return Answer{{"experiment_id", std::to_string(made->id.value())}};
}

Result<Answer> GetExperiment(Call& call) {
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(call));
  return Answer{{"experiment", ExperimentObject(experiment)}};
}

Result<Answer> GetExperimentByName(Call& call) {
  ROOST_ASSIGN(const std::string name, call.message.RequiredText("experiment_name"));
  const auto experiment = call.store().experiments().GetByName(name);
  if (!experiment && experiment.error().code == ErrorCode::kNotFound) {
    return Fail(Code::kResourceDoesNotExist, "Could not find experiment with name '" + name + "'");
  }
  ROOST_TRY(experiment);
  return Answer{{"experiment", ExperimentObject(*experiment)}};
}

Result<Answer> DeleteExperiment(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(call));
  if (experiment.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(Code::kResourceDoesNotExist,
                "No Experiment with id=" + std::to_string(experiment.id.value()) + " exists");
  }
  ROOST_TRY(call.store().experiments().SetLifecycle(experiment.id, spec::Lifecycle::kDeleted));
  return Answer::object();
}

Result<Answer> RestoreExperiment(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(call));
  if (experiment.lifecycle != spec::Lifecycle::kDeleted) {
    return Fail(Code::kResourceDoesNotExist,
                "No Experiment with id=" + std::to_string(experiment.id.value()) +
                    " exists that is deleted");
  }
  ROOST_TRY(call.store().experiments().SetLifecycle(experiment.id, spec::Lifecycle::kActive));
  return Answer::object();
}

Result<Answer> UpdateExperiment(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const store::Experiment experiment, RequireExperiment(call));
  ROOST_ASSIGN(const std::string name, call.message.RequiredText("new_name"));
  ROOST_TRY(CheckLength("name", name, kMaxExperimentName));
  if (experiment.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(Code::kInvalidState, "Cannot rename a non-active experiment.");
  }
  if (name == experiment.name) return Answer::object();
  if (const auto known = call.store().experiments().GetByName(name)) return NameIsTaken(*known);
  ROOST_TRY(call.store().experiments().Rename(experiment.id, name));
  return Answer::object();
}

Result<Answer> SetExperimentTag(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const std::string key, call.message.RequiredText("key"));
  ROOST_ASSIGN(const std::string value, call.message.TextOr("value", ""));
  ROOST_TRY(CheckKey("key", key));
  ROOST_TRY(CheckLength("value", value, kMaxExperimentTagValue));
  ROOST_ASSIGN(const store::Experiment experiment, RequireActive(call));
  ROOST_TRY(PutTag(call, experiment, key, value));
  return Answer::object();
}

Result<Answer> DeleteExperimentTag(Call& call) {
  ROOST_TRY(RequireUser(call));
  ROOST_ASSIGN(const std::string key, call.message.RequiredText("key"));
  ROOST_ASSIGN(const store::Experiment experiment, RequireActive(call));
  const bool there =
      key == kNoteTag ? !experiment.description.empty() : experiment.tags.contains(key);
  if (!there) {
    return Fail(Code::kResourceDoesNotExist, "No tag with name: " + key +
                                                 " in experiment with id " +
                                                 std::to_string(experiment.id.value()));
  }
  ROOST_TRY(PutTag(call, experiment, key, std::nullopt));
  return Answer::object();
}

}  // namespace roost::api::mlflow
