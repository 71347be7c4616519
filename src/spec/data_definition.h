#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace roost::spec {

class JsonReader;

// The datastores that every server has. They keep their files as content in the server's blobs.
inline constexpr const char* kBlobDatastore = "workspaceblobstore";  // the default one at first
inline constexpr const char* kFileDatastore = "workspacefilestore";
inline constexpr const char* kArtifactDatastore = "workspaceartifactstore";

inline constexpr std::size_t kMaxDatasetName = 255;
inline constexpr std::size_t kMaxDatasetPaths = 1000;
inline constexpr std::size_t kMaxUploadFiles = 10'000;  // of one request

// Where data lies: a file, folder or wildcard in a datastore, or an address.
struct DataPath {
  std::string datastore;
  std::string path;  // normalised: "" is the whole datastore
  std::string url;   // http or https; excludes the others
  bool operator==(const DataPath&) const = default;
};

enum class InputMode { kMount, kDownload, kDirect };
enum class OutputMode { kMount, kUpload };
std::string_view ToString(InputMode mode);
std::string_view ToString(OutputMode mode);

// Data that a run reads: a dataset by its id, or a place in a datastore.
struct RunInput {
  InputMode mode = InputMode::kMount;
  std::string dataset;
  DataPath place;               // when there is no dataset
  std::string path_on_compute;  // "": the server's choice; else in the working folder, or absolute
  bool overwrite = false;       // download into a folder that has files
  bool operator==(const RunInput&) const = default;
};

struct RegisterAs {
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  bool operator==(const RegisterAs&) const = default;
};

// A folder that a run writes and that is kept in a datastore when it ends.
struct RunOutput {
  OutputMode mode = OutputMode::kMount;
  std::string datastore;  // "": the default one
  std::string path;       // "": dataset/<run id>/<name>
  bool overwrite = false;
  std::vector<std::string> source_globs;  // empty: every file
  std::string source;                     // as RunInput::path_on_compute
  std::optional<RegisterAs> register_as;  // when the run is Completed
  bool operator==(const RunOutput&) const = default;
};

// The fields `inputs` and `outputs` of a run definition: objects by name.
void ReadInputs(JsonReader& reader, std::map<std::string, RunInput>* to);
void ReadOutputs(JsonReader& reader, std::map<std::string, RunOutput>* to);
nlohmann::json ToJson(const std::map<std::string, RunInput>& inputs);
nlohmann::json ToJson(const std::map<std::string, RunOutput>& outputs);

// A path in a datastore as users write it: "/a/b/", "./a/b" and "a/b" are the same; "" and "." are
// the whole datastore. What leaves the datastore is kInvalidArgument.
Result<std::string> NormalisedDataPath(std::string_view text);
// {"datastore", "path"} or {"url"}.
void ReadDataPath(JsonReader& reader, DataPath* to);
nlohmann::json ToJson(const DataPath& path);
bool HasWildcard(std::string_view path);

// Letters, digits, '_', '-' and '.', not first a '.' or '-'; at most 255.
Status CheckDatastoreName(std::string_view name);
// Printable text without '/', ':' and '@'; at most 255 characters.
Status CheckDatasetName(std::string_view name);
// [A-Za-z_][A-Za-z0-9_]*: the name becomes an environment variable.
Status CheckInputName(std::string_view name);

}  // namespace roost::spec
