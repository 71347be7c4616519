#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "environments/build_settings.h"
#include "environments/build_step.h"
#include "environments/install_plan.h"
#include "environments/python_finder.h"

namespace roost::environments {

// What to resolve for one interpreter.
struct ResolveQuestion {
  std::vector<std::string> requirements;
  std::vector<spec::PipOption> options = {};
  std::vector<std::string> only_wheels = {};  // packages of which no source will do
  bool lowest = false;   // of what is named the lowest versions that will do; uv alone
  bool no_deps = false;  // look at what is named alone
  // One place that packages come from, in place of all: "--index-url" and so on.
  std::vector<std::string> source = {};
};

// What would be installed, by normalized name.
struct Resolved {
  std::map<std::string, std::string> versions;
  std::map<std::string, std::string> sources;  // the index, or the address up to the file
};

// Asks uv, or the pip (22.2 and newer) of the interpreter or of a virtual environment of it, what
// an installation would give. Every question is a step of the build: in its log, and canceled with
// it. Nothing is installed; builds of packages' metadata may run.
class Resolver {
 public:
  // All outlive it. `scratch` is a folder for its files.
  Resolver(const BuildSettings& settings, const Tools& tools, CommandRunner& runner,
           const BuildStep& step, fs::path scratch);

  bool has_lowest() const { return tools_.uv.has_value(); }
  // `python`: an interpreter of the machine.
  Result<Resolved> Resolve(const FoundPython& python, const ResolveQuestion& question);
  // The versions that there are, lowest first; pip alone can say so.
  Result<std::vector<std::string>> Versions(const FoundPython& python, const std::string& name,
                                            const ResolveQuestion& question, const BuildLog& log);

 private:
  Result<fs::path> PipPython(const FoundPython& python);
  std::vector<std::string> PipCommand(const fs::path& python, const ResolveQuestion& question);
  std::map<std::string, std::string> Variables(const ResolveQuestion& question) const;

  const BuildSettings& settings_;
  const Tools& tools_;
  CommandRunner& runner_;
  const BuildStep& step_;
  const fs::path scratch_;
  std::map<std::string, fs::path> probes_;  // interpreters with a pip that can, by version
};

Resolved ParseUvAnswer(const std::string& text);
Result<Resolved> ParsePipReport(const std::string& text);
// "... (from versions: 1.11.0, 1.12.0)" of pip's error.
std::vector<std::string> ParseFromVersions(const std::string& output);

}  // namespace roost::environments
