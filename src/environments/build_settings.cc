#include "environments/build_settings.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/digest.h"

namespace roost::environments {
namespace {

constexpr std::array<std::string_view, 24> kKept = {"PATH",
                                                    "HOME",
                                                    "USER",
                                                    "LOGNAME",
                                                    "SHELL",
                                                    "LANG",
                                                    "TZ",
                                                    "TMPDIR",
                                                    "LD_LIBRARY_PATH",
                                                    "XDG_CACHE_HOME",
                                                    "http_proxy",
                                                    "https_proxy",
                                                    "no_proxy",
                                                    "HTTP_PROXY",
                                                    "HTTPS_PROXY",
                                                    "NO_PROXY",
                                                    "all_proxy",
                                                    "ALL_PROXY",
                                                    "SSL_CERT_FILE",
                                                    "SSL_CERT_DIR",
                                                    "CURL_CA_BUNDLE",
                                                    "CONDARC",
                                                    "REQUESTS_CA_BUNDLE",
                                                    "CONDA_PKGS_DIRS"};
constexpr std::array<std::string_view, 5> kKeptBeginnings = {"LC_", "PIP_", "UV_", "MAMBA_",
                                                             "CONDA_OVERRIDE_"};
// These would send packages to another place than the environment's folder.
constexpr std::array<std::string_view, 9> kDropped = {
    "PIP_TARGET",      "PIP_PREFIX",       "PIP_ROOT",  "PIP_USER",
    "PIP_REQUIREMENT", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON"};

template <class List>
bool Contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool IsKept(std::string_view name) {
  if (Contains(kDropped, name)) return false;
  return Contains(kKept, name) ||
         std::any_of(kKeptBeginnings.begin(), kKeptBeginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

}  // namespace

Result<std::string> BuildSettings::Canonical() const {
  std::string constraint_lines;
  if (!constraints.empty()) {
    Result<std::string> content = ReadFile(constraints);
    if (!content) {
      return Fail(content.error().code,
                  "The operator's file of constraints for environments cannot be read (" +
                      content.error().message + "); mend the server's setting or the file.");
    }
    constraint_lines = std::move(*content);
  }
  const nlohmann::json all = {
      {"python", python},         {"index_url", index_url},
      {"no_index", no_index},     {"extra_index_urls", extra_index_urls},
      {"find_links", find_links}, {"constraints", DigestOf(constraint_lines).Hex()},
      {"relax_pins", relax_pins}};
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::map<std::string, std::string> BuildVariables(
    const std::map<std::string, std::string>& server,
    const std::map<std::string, std::string>& of_operator) {
  std::map<std::string, std::string> variables;
  for (const auto& [name, value] : server) {
    if (IsKept(name)) variables[name] = value;
  }
  // Output that appears when it is written, without bars drawn over themselves, and no questions.
  variables["PYTHONUNBUFFERED"] = "1";
  variables["PYTHONNOUSERSITE"] = "1";
  variables["PIP_NO_INPUT"] = "1";
  variables["PIP_PROGRESS_BAR"] = "off";
  variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1";
  variables["UV_NO_PROGRESS"] = "1";
  variables["CONDA_ALWAYS_YES"] = "1";
  for (const auto& [name, value] : of_operator) variables[name] = value;
  return variables;
}

std::string WithoutSecrets(std::string_view text) {
  std::string shown;
  while (true) {
    const auto scheme = text.find("://");
    if (scheme == std::string_view::npos) return shown.append(text);
    const auto begin = scheme + 3;
    const auto end = std::min(text.find_first_of("/ ?#\"'", begin), text.size());
    const auto at = text.substr(begin, end - begin).rfind('@');
    shown.append(text.substr(0, begin));
    if (at != std::string_view::npos) {
      shown.append("****").append(text.substr(begin + at, end - begin - at));
    } else {
      shown.append(text.substr(begin, end - begin));
    }
    text.remove_prefix(end);
  }
}

}  // namespace roost::environments
