#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/environment_definition.h"

namespace roost::spec {

// A name that Azure ML gave to an environment of its own, and what stands for it here.
struct CuratedEnvironment {
  std::string name;         // "AzureML-PyTorch-1.6-GPU"
  std::string description;  // what it was and what it is mapped to, for lists and run properties
  std::string unavailable;  // why it cannot be served; empty: it can
  // Azure's environment of this name holds Horovod. No definition here does: see `description`.
  bool had_horovod = false;
  EnvironmentDefinition definition;  // with name and version; empty when it cannot be served
};

// The table curated_environments.json, which is a part of the program; in its order.
const std::vector<CuratedEnvironment>& CuratedEnvironments();
// nullptr when the table has no such name. Names are compared letter by letter.
const CuratedEnvironment* FindCurated(std::string_view name);
std::vector<std::string> CuratedNames();

// Whether only the table may define what has this name.
bool IsCuratedName(std::string_view name);  // begins with "AzureML"

// What a definition with a curated name stands for: the table's row, when the definition asks for
// nothing else (only a name, or what the row itself says; hints for containers do not count). The
// error says whether the name is unknown, cannot be served, or that the definition was changed and
// must be cloned under a new name. Requires: IsCuratedName(definition.name).
Result<EnvironmentDefinition> ResolveCurated(const EnvironmentDefinition& definition);

std::string_view CuratedEnvironmentsText();  // the file itself

}  // namespace roost::spec
