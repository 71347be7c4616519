#include "roost/git_info.h"

#include <optional>

#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::client {
namespace {

// What `git <arguments>` prints, or nothing when it fails or is too slow.
class Git {
 public:
  Git(const fs::path& folder, const std::map<std::string, std::string>& environment,
      std::chrono::milliseconds time_limit)
      : folder_(folder), environment_(environment), time_limit_(time_limit) {
    environment_["GIT_TERMINAL_PROMPT"] = "0";  // never ask anyone
    environment_["GIT_OPTIONAL_LOCKS"] = "0";   // never write into the repository
    environment_["LC_ALL"] = "C";
  }

  std::optional<std::string> Ask(std::vector<std::string> arguments) const {
    SubprocessOptions options;
    options.argv = {"git", "-C", folder_.string()};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.environment = environment_;
    auto run = RunAndCapture(std::move(options), time_limit_, 8 << 20);
    if (!run || run->status.code != 0) return std::nullopt;
    return run->output;
  }

 private:
  fs::path folder_;
  std::map<std::string, std::string> environment_;
  std::chrono::milliseconds time_limit_;
};

struct GitInfo {
  std::string repository_uri, branch, commit, dirty, build_id, build_uri;
};

void ReadStatus(const std::string& status, GitInfo& info) {
  info.dirty = "False";
  for (const std::string& line : Split(status, '\n')) {
    if (line.starts_with("# branch.oid ")) {
      info.commit = line.substr(13);
      if (info.commit == "(initial)") info.commit.clear();
    } else if (line.starts_with("# branch.head ")) {
      info.branch = line.substr(14);
      if (info.branch == "(detached)") info.branch = "HEAD";
    } else if (!line.empty() && line.front() != '#') {
      info.dirty = "True";
      break;
    }
  }
}

GitInfo ReadGit(const Git& git) {
  GitInfo info;
  // One command for branch, commit and changes of this folder; fails outside a repository.
  const auto status = git.Ask({"status", "--porcelain=v2", "--branch", "--", "."});
  if (status) {
    ReadStatus(*status, info);
  } else {
    // Too slow for a big tree, or no repository: the cheap questions alone.
    info.commit = Trim(git.Ask({"rev-parse", "--verify", "--quiet", "HEAD"}).value_or(""));
    if (info.commit.empty()) return info;
    info.branch = Trim(git.Ask({"rev-parse", "--abbrev-ref", "HEAD"}).value_or(""));
  }
  // The address of the branch's remote; git answers with the bare word "origin" when there is none.
  const std::string uri(Trim(git.Ask({"ls-remote", "--get-url"}).value_or("")));
  if (uri.find_first_of("/:") != std::string::npos) info.repository_uri = StripCredentials(uri);
  return info;
}

}  // namespace

std::string StripCredentials(const std::string& uri) {
  const auto scheme_end = uri.find("://");
  if (scheme_end == std::string::npos) return uri;  // a path, or git@host:path
  const std::string scheme = uri.substr(0, scheme_end + 3);
  std::string rest = uri.substr(scheme_end + 3);
  const auto slash = rest.find('/');
  std::string host = rest.substr(0, slash);
  std::string path = slash == std::string::npos ? "" : rest.substr(slash);
  if (const auto at = host.rfind('@'); at != std::string::npos) {
    const std::string user = host.substr(0, host.find(':') < at ? host.find(':') : at);
    const bool is_web = scheme == "http://" || scheme == "https://";
    // An ssh user ("git") is part of the address, no secret; a web user may be a token.
    host = is_web ? host.substr(at + 1) : user + host.substr(at);
  }
  if (scheme.starts_with("http")) path = path.substr(0, path.find_first_of("?#"));
  return scheme + host + path;
}

std::map<std::string, std::string> ReadGitProperties(
    const fs::path& folder, const std::map<std::string, std::string>& environment,
    std::chrono::milliseconds time_limit) {
  GitInfo info = ReadGit(Git(folder, environment, time_limit));
  const auto prefer = [&](const char* variable, std::string& value) {
    const auto found = environment.find(variable);
    if (found != environment.end() && !found->second.empty()) value = found->second;
  };
  prefer("AZUREML_GIT_REPOSITORY_URI", info.repository_uri);
  prefer("AZUREML_GIT_BRANCH", info.branch);
  prefer("AZUREML_GIT_COMMIT", info.commit);
  prefer("AZUREML_GIT_DIRTY", info.dirty);
  prefer("AZUREML_GIT_BUILD_ID", info.build_id);
  prefer("AZUREML_GIT_BUILD_URI", info.build_uri);

  std::map<std::string, std::string> properties;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) properties[name] = ToValidUtf8(value);
  };
  add("azureml.git.repository_uri", info.repository_uri);
  add("azureml.git.branch", info.branch);
  add("azureml.git.commit", info.commit);
  add("azureml.git.dirty", info.dirty);
  add("azureml.git.build_id", info.build_id);
  add("azureml.git.build_uri", info.build_uri);
  add("mlflow.source.git.repoURL", info.repository_uri);
  add("mlflow.source.git.branch", info.branch);
  add("mlflow.source.git.commit", info.commit);
  return properties;
}

}  // namespace roost::client
