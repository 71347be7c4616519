#include "spec/data_definition.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/strings.h"
#include "spec/json_reader.h"
#include "spec/run_definition.h"
#include "spec/text.h"

namespace roost::spec {
namespace {

// Names become variables and folders; a path of that length fits neither.
constexpr std::size_t kMaxInputName = 255;
constexpr std::size_t kMaxNames = 1000;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void Require(JsonReader& reader, std::string_view field, const Status& checked) {
  if (!checked) reader.AddProblems(field, checked.error());
}

// Reads the object `field`, whose keys are names, with `read` for each value.
template <class T>
void ReadNamed(JsonReader& reader, std::string_view field, std::map<std::string, T>* to,
               void (*read)(JsonReader&, T*)) {
  const nlohmann::json* raw = reader.Any(field);
  if (raw == nullptr) return;
  if (!raw->is_object()) return reader.AddProblem(field, "must be an object");
  if (raw->size() > kMaxNames) {
    return reader.AddProblem(field, "has more than " + std::to_string(kMaxNames) + " names");
  }
  reader.Object(field, [&](JsonReader& all) {
    for (const auto& [name, value] : raw->items()) {
      Require(all, ToValidUtf8(name), CheckInputName(name));
      T item;
      if (value.is_null()) all.AddProblem(name, "must be an object");
      all.Object(name, [&](JsonReader& one) { read(one, &item); });
      to->emplace(name, std::move(item));
    }
  });
}

void ReadDatastorePath(JsonReader& reader, DataPath* to) {
  if (reader.String("datastore", &to->datastore, {.max_length = 255, .may_be_empty = false})) {
    Require(reader, "datastore", CheckDatastoreName(to->datastore));
  }
  std::string path;
  if (!reader.String("path", &path, {.max_length = kMaxPath})) return;
  auto normalised = NormalisedDataPath(path);
  if (normalised) {
    to->path = std::move(*normalised);
  } else {
    reader.AddProblems("path", normalised.error());
  }
}

// A folder of the run: "" the server's choice, "a/b" in the working folder, "/a/b" absolute.
void ReadPlaceOnCompute(JsonReader& reader, std::string_view field, std::string* to) {
  if (!reader.String(field, to, {.max_length = kMaxPath})) return;
  while (to->starts_with("./")) to->erase(0, 2);
  while (to->size() > 1 && to->ends_with('/')) to->pop_back();
  const bool absolute = to->starts_with('/');
  if (to->empty() || IsSafeRelativePath(absolute ? to->substr(1) : *to)) return;
  reader.AddProblem(field, "must be a folder below the working folder, or an absolute path");
}

void ReadInput(JsonReader& reader, RunInput* input) {
  std::string mode = "mount";
  reader.String("mode", &mode);
  if (mode == "download") {
    input->mode = InputMode::kDownload;
  } else if (mode == "direct") {
    input->mode = InputMode::kDirect;
  } else if (mode != "mount") {
    reader.AddProblem("mode", "must be mount, download or direct");
  }
  reader.String("dataset", &input->dataset, {.max_length = 255, .may_be_empty = false});
  ReadDatastorePath(reader, &input->place);
  ReadPlaceOnCompute(reader, "path_on_compute", &input->path_on_compute);
  reader.Bool("overwrite", &input->overwrite);
  if (input->dataset.empty() == input->place.datastore.empty()) {
    reader.AddProblem("dataset", "or `datastore` is required, and not both");
  } else if (!input->dataset.empty() && !input->place.path.empty()) {
    reader.AddProblem("path", "goes with `datastore` only");
  }
  if (input->mode == InputMode::kDirect && input->dataset.empty()) {
    reader.AddProblem("mode", "direct is for datasets; use mount or download");
  }
  if (HasWildcard(input->place.path)) {
    reader.AddProblem("path", "must name a file or a folder; make a dataset of a wildcard");
  }
}

void ReadRegisterAs(JsonReader& reader, RegisterAs* to) {
  if (reader.String("name", &to->name, {.required = true})) {
    Require(reader, "name", CheckDatasetName(to->name));
  }
  reader.String("description", &to->description, {.max_length = kMaxDescription});
  reader.StringMap("tags", &to->tags);
}

void ReadOutput(JsonReader& reader, RunOutput* output) {
  std::string mode = "mount";
  reader.String("mode", &mode);
  if (mode == "upload") {
    output->mode = OutputMode::kUpload;
  } else if (mode != "mount") {
    reader.AddProblem("mode", "must be mount or upload");
  }
  DataPath place;
  ReadDatastorePath(reader, &place);
  output->datastore = place.datastore;
  output->path = place.path;
  if (HasWildcard(output->path)) reader.AddProblem("path", "must not have wildcards");
  reader.Bool("overwrite", &output->overwrite);
  reader.StringList("source_globs", &output->source_globs);
  ReadPlaceOnCompute(reader, "source", &output->source);
  if (reader.Any("register_as") != nullptr) {
    output->register_as.emplace();
    reader.Object("register_as",
                  [&](JsonReader& nested) { ReadRegisterAs(nested, &*output->register_as); });
  }
}

nlohmann::json TextOrNull(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

}  // namespace

std::string_view ToString(InputMode mode) {
  switch (mode) {
    case InputMode::kMount:
      return "mount";
    case InputMode::kDownload:
      return "download";
    case InputMode::kDirect:
      return "direct";
  }
  return "";
}

std::string_view ToString(OutputMode mode) {
  return mode == OutputMode::kUpload ? "upload" : "mount";
}

void ReadInputs(JsonReader& reader, std::map<std::string, RunInput>* to) {
  ReadNamed(reader, "inputs", to, ReadInput);
}

void ReadOutputs(JsonReader& reader, std::map<std::string, RunOutput>* to) {
  ReadNamed(reader, "outputs", to, ReadOutput);
}

nlohmann::json ToJson(const std::map<std::string, RunInput>& inputs) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [name, input] : inputs) {
    nlohmann::json& item = all[name];
    item["mode"] = ToString(input.mode);
    if (input.dataset.empty()) {
      item["datastore"] = input.place.datastore;
      item["path"] = input.place.path;
    } else {
      item["dataset"] = input.dataset;
    }
    item["path_on_compute"] = TextOrNull(input.path_on_compute);
    item["overwrite"] = input.overwrite;
  }
  return all;
}

nlohmann::json ToJson(const std::map<std::string, RunOutput>& outputs) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [name, output] : outputs) {
    nlohmann::json& item = all[name];
    item["mode"] = ToString(output.mode);
    item["datastore"] = TextOrNull(output.datastore);
    item["path"] = TextOrNull(output.path);
    item["overwrite"] = output.overwrite;
    item["source_globs"] = output.source_globs;
    item["source"] = TextOrNull(output.source);
    item["register_as"] = nullptr;
    if (!output.register_as) continue;
    item["register_as"] = {{"name", output.register_as->name},
                           {"description", output.register_as->description},
                           {"tags", output.register_as->tags}};
  }
  return all;
}

Result<std::string> NormalisedDataPath(std::string_view text) {
  std::string path(text);
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.starts_with('/')) path.erase(0, 1);
  while (path.ends_with('/')) path.pop_back();
  if (path == ".") path.clear();
  if (path.empty()) return path;
  if (path.size() > kMaxPath || !IsValidUtf8(path) || HasControlCharacters(path) ||
      !IsSafeRelativePath(path)) {
    return Invalid("path",
                   "must be a path inside the datastore without '..', empty parts or control "
                   "characters, like weather/2018");
  }
  return path;
}

void ReadDataPath(JsonReader& reader, DataPath* to) {
  reader.String("url", &to->url, {.max_length = kMaxPath, .may_be_empty = false});
  ReadDatastorePath(reader, to);
  if (to->url.empty() == to->datastore.empty()) {
    reader.AddProblem("datastore", "or `url` is required, and not both");
  } else if (!to->url.empty() && !to->path.empty()) {
    reader.AddProblem("path", "goes with `datastore` only");
  }
  if (!to->url.empty() && !to->url.starts_with("http://") && !to->url.starts_with("https://")) {
    reader.AddProblem("url", "must begin with http:// or https://");
  } else if (HasControlCharacters(to->url)) {
    reader.AddProblem("url", "must not have control characters");
  }
}

nlohmann::json ToJson(const DataPath& path) {
  if (!path.url.empty()) return {{"url", path.url}};
  return {{"datastore", path.datastore}, {"path", path.path}};
}

bool HasWildcard(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

Status CheckDatastoreName(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= 255 && name.front() != '.' &&
                     name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
                       return IsLetter(c) || IsDigit(c) || c == '_' || c == '-' || c == '.';
                     });
  if (valid) return {};
  return Invalid("name",
                 "must be 1 to 255 letters, digits, '_', '-' and '.', not first a '-' or '.'");
}

Status CheckDatasetName(std::string_view name) {
  const bool valid = !name.empty() && IsValidUtf8(name) &&
                     CountCharacters(name) <= kMaxDatasetName && !HasControlCharacters(name) &&
                     !Trim(name).empty() && name.find_first_of("/:@") == std::string_view::npos;
  if (valid) return {};
  return Invalid("name",
                 "must be 1 to 255 printable characters without '/', ':' and '@', not all blank");
}

Status CheckInputName(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= kMaxInputName && !IsDigit(name.front()) &&
                     std::all_of(name.begin(), name.end(),
                                 [](char c) { return IsLetter(c) || IsDigit(c) || c == '_'; });
  if (valid) return {};
  return Invalid("name", "must be letters, digits and '_', and not begin with a digit");
}

}  // namespace roost::spec
