#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "spec/environment_definition.h"

namespace roost::store {

class Database;

// One version of a registered environment; it never changes.
struct EnvironmentVersion {
  std::string name;
  std::int64_t version = 0;                // 1, 2, 3...
  spec::EnvironmentDefinition definition;  // with name and version
  Micros created_at = 0;
};

// The environments that users registered, by name.
class Environments {
 public:
  explicit Environments(Database& database) : database_(database) {}

  struct Registered {
    EnvironmentVersion version;
    bool created = true;
  };
  // Requires: the definition has a name. Content that the name has already gives its version;
  // otherwise it is the next one. A version in the definition is not looked at.
  Result<Registered> Register(const spec::EnvironmentDefinition& definition);
  // The newest version of each name, by name.
  Result<std::vector<EnvironmentVersion>> List(const std::string& after_name,
                                               std::size_t limit) const;
  // Newest first; kNotFound when there is none.
  Result<std::vector<EnvironmentVersion>> Versions(const std::string& name) const;
  Result<EnvironmentVersion> Get(const std::string& name,
                                 std::optional<std::int64_t> version) const;  // none: newest

 private:
  Database& database_;
};

}  // namespace roost::store
