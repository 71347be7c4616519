#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>

namespace roost::client {

// What is known of a folder's git repository, as run properties: azureml.git.repository_uri
// (without credentials), .branch, .commit, .dirty and mlflow.source.git.repoURL, .branch, .commit.
// Variables AZUREML_GIT_REPOSITORY_URI, _BRANCH, _COMMIT, _DIRTY, _BUILD_ID and _BUILD_URI take
// precedence. Empty without git, outside a repository, or for what git cannot tell within
// `time_limit`.
std::map<std::string, std::string> ReadGitProperties(
    const std::filesystem::path& folder, const std::map<std::string, std::string>& environment,
    std::chrono::milliseconds time_limit = std::chrono::seconds(2));

// Removes user, password, and tokens in a query from a repository's address.
std::string StripCredentials(const std::string& uri);

}  // namespace roost::client
