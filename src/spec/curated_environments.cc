#include "spec/curated_environments.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/strings.h"

namespace roost::spec {
namespace {

constexpr std::string_view kPrefix = "AzureML";

EnvironmentDefinition MakeDefinition(const nlohmann::json& row, const std::string& name,
                                     const std::string& version) {
  const nlohmann::json body = {{"name", name},
                               {"version", version},
                               {"python",
                                {{"conda",
                                  {{"channels", {"conda-forge"}},
                                   {"packages", {"python" + row.at("python").get<std::string>()}},
                                   {"pip", row.at("pip")}}}}}};
  Result<EnvironmentDefinition> definition = ParseEnvironmentDefinition(body);
  ROOST_CHECK(definition.has_value());
  return *definition;
}

std::string Describe(const CuratedEnvironment& row, const std::string& was,
                     const std::string& shown) {
  std::string text = "Azure ML's environment of " + was + "; here: " + shown + ".";
  if (row.had_horovod) {
    text +=
        " Azure's holds Horovod as well, this one does not: Horovod has no wheels. Where the "
        "machine can compile it, clone this environment under a new name and add horovod.";
  }
  return text;
}

// The table is ours and every row is read by a test, so what is wrong in it is our mistake.
std::vector<CuratedEnvironment> ReadTable() {
  const nlohmann::json table = nlohmann::json::parse(CuratedEnvironmentsText());
  std::vector<CuratedEnvironment> rows;
  for (const nlohmann::json& one : table.at("environments")) {
    CuratedEnvironment row;
    row.name = one.at("name").get<std::string>();
    row.had_horovod = one.value("horovod", false);
    if (row.unavailable = one.value("unavailable", ""); !row.unavailable.empty()) {
      row.description = "Cannot be served: " + row.unavailable + ".";
    } else {
      const nlohmann::json& definition =
          table.at("definitions").at(one.at("definition").get<std::string>());
      row.description = Describe(row, one.at("was").get<std::string>(),
                                 definition.at("shown").get<std::string>());
      row.definition = MakeDefinition(definition, row.name, table.at("version").get<std::string>());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string CloneIt(const std::string& name) {
  return "names that begin with AzureML are those of the server's table: clone it under a new name "
         "(Environment.clone(new_name='my-" +
         name.substr(std::min(name.size(), kPrefix.size() + 1)) + "')) and change the clone";
}

// Name, version and hints for containers left out.
bool AsksForNothing(const EnvironmentDefinition& definition) {
  return !definition.conda && !definition.pip && definition.interpreter.empty() &&
         definition.conda_environment.empty() && definition.environment_variables.empty();
}

}  // namespace

const std::vector<CuratedEnvironment>& CuratedEnvironments() {
  static const std::vector<CuratedEnvironment> rows = ReadTable();
  return rows;
}

const CuratedEnvironment* FindCurated(std::string_view name) {
  const std::vector<CuratedEnvironment>& rows = CuratedEnvironments();
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::vector<std::string> CuratedNames() {
  std::vector<std::string> names;
  for (const CuratedEnvironment& row : CuratedEnvironments()) names.push_back(row.name);
  return names;
}

bool IsCuratedName(std::string_view name) { return name.starts_with(kPrefix); }

Result<EnvironmentDefinition> ResolveCurated(const EnvironmentDefinition& definition) {
  ROOST_CHECK(IsCuratedName(definition.name));
  const CuratedEnvironment* row = FindCurated(definition.name);
  if (row == nullptr) {
    std::vector<std::string> served;
    for (const CuratedEnvironment& one : CuratedEnvironments()) {
      if (one.unavailable.empty()) served.push_back(one.name);
    }
    return Fail(ErrorCode::kNotFound, "There is no curated environment '" + definition.name +
                                          "'. There are " + Join(served, ", ") +
                                          "; an environment of your own needs a name that does "
                                          "not begin with AzureML.");
  }
  if (!row->unavailable.empty()) {
    return Invalid("environment.name", row->name + " cannot be served: " + row->unavailable +
                                           "; define an environment of your own");
  }
  if (!definition.version.empty() && definition.version != "latest" &&
      definition.version != row->definition.version) {
    return Fail(ErrorCode::kNotFound, "The curated environment " + row->name + " has version " +
                                          row->definition.version + " alone, not " +
                                          definition.version + ".");
  }
  if (AsksForNothing(definition)) return row->definition;
  const bool same = definition.CanonicalBuild() == row->definition.CanonicalBuild() &&
                    definition.environment_variables == row->definition.environment_variables;
  if (!same) {
    return Invalid("environment.name",
                   "the environment " + row->name + " was changed, and " + CloneIt(row->name));
  }
  return row->definition;
}

}  // namespace roost::spec
