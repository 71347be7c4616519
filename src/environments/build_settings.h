#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost::environments {

// What the operator decides for all environments of the server.
struct BuildSettings {
  fs::path folder;     // where environments are built; absolute, for they cannot be moved
  std::string python;  // the server's own interpreter: the first choice for new environments

  std::string index_url;                      // empty: the tools' own (PyPI)
  std::vector<std::string> extra_index_urls;  // asked beside it
  std::vector<std::string> find_links;        // folders or pages with wheels
  bool no_index = false;                      // find_links alone
  fs::path constraints;                       // a file of versions for every build; empty: none

  // Definitions that cannot be resolved as written get the nearest versions that can; see relax.h.
  bool relax_pins = false;
  // Definitions with a conda or pip section that ask for a container (docker.enabled) get one.
  // Those that are an image alone need no permission.
  bool containers = false;

  // All variables of the programs that build; see BuildVariables.
  std::map<std::string, std::string> variables;

  std::uint64_t max_bytes = 0;  // after each build unused ones are removed down to it; 0: never

  // What of it changes the outcome of a build, in one form: environments that were built with
  // other settings are not used any more. Reads the constraints file.
  Result<std::string> Canonical() const;
};

// Of the server's own variables those that building needs (PATH, HOME, proxies, certificates, the
// settings of pip, uv and conda that do not send packages elsewhere), and the operator's on top.
std::map<std::string, std::string> BuildVariables(
    const std::map<std::string, std::string>& server,
    const std::map<std::string, std::string>& of_operator);

// "https://user:secret@host/x" -> "https://****@host/x": for logs.
std::string WithoutSecrets(std::string_view text);

}  // namespace roost::environments
