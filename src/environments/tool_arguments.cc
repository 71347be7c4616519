#include "environments/tool_arguments.h"

#include <algorithm>

namespace roost::environments {
namespace {

std::vector<std::string> PipArguments(const spec::PipOption& option) {
  if (option.value.empty()) return {option.name};
  return {option.name, option.value};
}

// uv has other names for some.
std::vector<std::string> UvArguments(const spec::PipOption& option) {
  if (option.name == "--pre") return {"--prerelease", "allow"};
  if (option.name == "--trusted-host") return {"--allow-insecure-host", option.value};
  if (option.name == "--prefer-binary") return {};
  return PipArguments(option);
}

}  // namespace

void Append(std::vector<std::string>& argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
}

std::vector<std::string> IndexArguments(const BuildSettings& settings) {
  std::vector<std::string> arguments;
  if (!settings.index_url.empty()) Append(arguments, {"--index-url", settings.index_url});
  for (const std::string& url : settings.extra_index_urls) {
    Append(arguments, {"--extra-index-url", url});
  }
  for (const std::string& place : settings.find_links) Append(arguments, {"--find-links", place});
  if (settings.no_index) arguments.push_back("--no-index");
  if (!settings.constraints.empty()) Append(arguments, {"-c", settings.constraints.string()});
  return arguments;
}

std::vector<std::string> SourceArguments(const BuildSettings& settings,
                                         const std::vector<spec::PipOption>& options, bool uv) {
  const bool names_an_index =
      std::any_of(options.begin(), options.end(),
                  [](const spec::PipOption& option) { return option.name == "--index-url"; });
  BuildSettings of_operator = settings;
  // uv takes an option that may come once not twice.
  if (names_an_index) of_operator.index_url.clear();
  std::vector<std::string> arguments = IndexArguments(of_operator);
  for (const spec::PipOption& option : options) {
    Append(arguments, uv ? UvArguments(option) : PipArguments(option));
  }
  return arguments;
}

}  // namespace roost::environments
