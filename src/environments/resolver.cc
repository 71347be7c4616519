#include "environments/resolver.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "environments/tool_arguments.h"
#include "spec/requirement.h"
#include "spec/version_spec.h"

namespace roost::environments {
namespace {

// Variables that name further places of packages.
constexpr const char* kSourceVariables[] = {"PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
                                            "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"};

constexpr std::chrono::seconds kAskLimit{60};

// "pip 23.2.1 from ...": --dry-run and --report came with 22.2.
bool CanReport(const std::string& answer) {
  if (!answer.starts_with("pip ")) return false;
  const std::string version = answer.substr(4, answer.find(' ', 4) - 4);
  return spec::VersionSpec::Parse(">=22.2")->Matches(version);
}

// A file's place: "https://host", or the folder of a local one.
std::string PlaceOf(const std::string& url) {
  if (url.starts_with("file:")) return url.substr(0, url.rfind('/'));
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  return url.substr(0, url.find('/', scheme + 3));
}

// Empty when there is no text.
std::string TextAt(const nlohmann::json& value, const char* pointer) {
  const nlohmann::json::json_pointer place(pointer);
  if (!value.is_object() || !value.contains(place) || !value.at(place).is_string()) return "";
  return value.at(place).get<std::string>();
}

}  // namespace

Resolved ParseUvAnswer(const std::string& text) {
  constexpr std::string_view kFrom = "# from ";
  Resolved resolved;
  std::string name;
  for (const std::string& line : Split(text, '\n')) {
    const std::string_view word = Trim(line);
    if (word.starts_with(kFrom)) {
      if (!name.empty()) resolved.sources[name] = word.substr(kFrom.size());
      continue;
    }
    if (word.empty() || word.starts_with('#') || word.starts_with("--")) continue;
    const auto equals = word.find("==");
    const std::string_view before = word.substr(0, word.find_first_of(" =[;@"));
    name = spec::NormalizePackageName(before);
    if (equals == std::string_view::npos) {
      resolved.versions[name] = "";  // an address
      continue;
    }
    const std::string_view version = word.substr(equals + 2);
    resolved.versions[name] = version.substr(0, version.find_first_of(" ;\\"));
  }
  return resolved;
}

Result<Resolved> ParsePipReport(const std::string& text) {
  const auto report = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object() || !report.contains("install") || !report["install"].is_array()) {
    return Fail(ErrorCode::kInternal, "pip's report has another form than expected.");
  }
  Resolved resolved;
  for (const auto& one : report["install"]) {
    const std::string name = spec::NormalizePackageName(TextAt(one, "/metadata/name"));
    if (name.empty()) continue;
    resolved.versions[name] = TextAt(one, "/metadata/version");
    resolved.sources[name] = PlaceOf(TextAt(one, "/download_info/url"));
  }
  return resolved;
}

std::vector<std::string> ParseFromVersions(const std::string& output) {
  constexpr std::string_view kBegin = "(from versions: ";
  const auto begin = output.rfind(kBegin);
  if (begin == std::string::npos) return {};
  const auto end = output.find(')', begin);
  std::vector<std::string> versions;
  for (const std::string& part :
       Split(output.substr(begin + kBegin.size(), end - begin - kBegin.size()), ',')) {
    const std::string version(Trim(part));
    if (!version.empty() && version != "none") versions.push_back(version);
  }
  return versions;
}

Resolver::Resolver(const BuildSettings& settings, const Tools& tools, CommandRunner& runner,
                   const BuildStep& step, fs::path scratch)
    : settings_(settings),
      tools_(tools),
      runner_(runner),
      step_(step),
      scratch_(std::move(scratch)) {}

std::map<std::string, std::string> Resolver::Variables(const ResolveQuestion& question) const {
  std::map<std::string, std::string> variables = settings_.variables;
  if (question.source.empty()) return variables;
  for (const char* name : kSourceVariables) variables.erase(name);
  return variables;
}

// pip resolves for the interpreter that runs it. One without a pip that can gets a virtual
// environment, which costs seconds.
Result<fs::path> Resolver::PipPython(const FoundPython& python) {
  fs::path& probe = probes_[python.version];
  if (!probe.empty()) return probe;
  const auto asked = runner_.Ask({.argv = {python.path.string(), "-m", "pip", "--version"},
                                  .environment = settings_.variables},
                                 kAskLimit);
  if (asked && asked->status.code == 0 && CanReport(asked->output)) return probe = python.path;
  const fs::path folder = scratch_ / ("python-" + python.version);
  ROOST_TRY(step_.Run("making a virtual environment to look for versions",
                      {python.path.string(), "-m", "venv", folder.string()}, scratch_));
  probe = folder / "bin" / "python";
  return probe;
}

std::vector<std::string> Resolver::PipCommand(const fs::path& python,
                                              const ResolveQuestion& question) {
  std::vector<std::string> argv = {
      python.string(), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"};
  Append(argv, question.source.empty() ? SourceArguments(settings_, question.options, /*uv=*/false)
                                       : question.source);
  for (const std::string& name : question.only_wheels) Append(argv, {"--only-binary", name});
  if (question.no_deps) argv.push_back("--no-deps");
  return argv;
}

Result<Resolved> Resolver::Resolve(const FoundPython& python, const ResolveQuestion& question) {
  ROOST_TRY(MakeFolders(scratch_));
  const fs::path asked = scratch_ / "requirements.in";
  const fs::path answered = scratch_ / "resolved";
  std::error_code ignored;
  fs::remove(answered, ignored);  // uv would keep to the versions of an older answer
  ROOST_TRY(WriteFileAtomic(asked, Join(question.requirements, "\n") + "\n"));
  if (!tools_.uv) {
    ROOST_ASSIGN(const fs::path pip, PipPython(python));
    std::vector<std::string> argv = PipCommand(pip, question);
    Append(argv, {"--report", answered.string(), "-r", asked.string()});
    ROOST_TRY(step_.Run("resolving", argv, scratch_, Variables(question)));
    ROOST_ASSIGN(const std::string text, ReadFile(answered));
    return ParsePipReport(text);
  }
  std::vector<std::string> argv = {tools_.uv->string(),
                                   "pip",
                                   "compile",
                                   "--quiet",
                                   "--python",
                                   python.path.string(),
                                   "--index-strategy",
                                   "unsafe-best-match",
                                   "--no-header",
                                   "--no-annotate",
                                   "--emit-index-annotation"};
  Append(argv, question.source.empty() ? SourceArguments(settings_, question.options, /*uv=*/true)
                                       : question.source);
  for (const std::string& name : question.only_wheels) Append(argv, {"--only-binary", name});
  if (question.lowest) Append(argv, {"--resolution", "lowest-direct"});
  if (question.no_deps) argv.push_back("--no-deps");
  Append(argv, {"--output-file", answered.string(), asked.string()});
  ROOST_TRY(step_.Run("resolving", argv, scratch_, Variables(question)));
  ROOST_ASSIGN(const std::string text, ReadFile(answered));
  return ParseUvAnswer(text);
}

Result<std::vector<std::string>> Resolver::Versions(const FoundPython& python,
                                                    const std::string& name,
                                                    const ResolveQuestion& question,
                                                    const BuildLog& log) {
  ROOST_ASSIGN(const fs::path pip, PipPython(python));
  std::vector<std::string> argv = PipCommand(pip, question);
  // No such version: the error lists those that there are.
  Append(argv, {"--no-deps", "--report", (scratch_ / "resolved").string()});
  argv.push_back(name + "===roost-asks");
  std::error_code error;
  const std::uint64_t begin = fs::file_size(log.path(), error);
  const Status asked = step_.Run("asking for the versions of " + name, argv, scratch_);
  if (!asked && asked.error().code == ErrorCode::kUnavailable) return Fail(asked.error());
  ROOST_ASSIGN(const std::string output, ReadRange(log.path(), begin, 1 << 20));
  return ParseFromVersions(output);
}

}  // namespace roost::environments
