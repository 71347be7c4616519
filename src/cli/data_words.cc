#include "cli/data_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/format.h"
#include "spec/data_definition.h"

namespace roost::cli {
namespace {

using nlohmann::json;

bool IsVersion(std::string_view text) {
  return text == "latest" || (!text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
           return c >= '0' && c <= '9';
         }));
}

bool IsAddress(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

// "NAME=DATA,OPTION,OPTION=VALUE".
struct Words {
  std::string name;
  std::optional<std::string> data;
  struct Option {
    std::string key;
    std::optional<std::string> value;
  };
  std::vector<Option> options;
};

Result<Words> ReadWords(const std::string& text, std::string_view what, std::string_view form) {
  std::vector<std::string> parts = Split(text, ',');
  Words words;
  const std::string& first = parts.front();
  const auto equals = first.find('=');
  words.name = first.substr(0, equals);
  if (equals != std::string::npos) words.data = first.substr(equals + 1);
  if (words.name.empty() || (words.data && words.data->empty())) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} '{}' is not of the form {}.", what, text, form));
  }
  if (const Status named = spec::CheckInputName(words.name); !named) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} '{}': '{}' cannot be a name here, because it becomes a variable of "
                            "the script: letters, digits and '_', not first a digit.",
                            what, text, words.name));
  }
  for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
    const auto sign = part->find('=');
    words.options.push_back({part->substr(0, sign), std::nullopt});
    if (sign != std::string::npos) words.options.back().value = part->substr(sign + 1);
  }
  return words;
}

Status UnknownOption(std::string_view what, const std::string& text, const Words::Option& option,
                     std::string_view known) {
  const std::string shown = option.key + (option.value ? "=" + *option.value : "");
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} '{}' has no option '{}'; there are {}. A path with a comma can only "
                          "be named by a dataset.",
                          what, text, shown, known));
}

std::string NormalisedOr(const std::string& path) {
  const auto normalised = spec::NormalisedDataPath(path);
  return normalised ? *normalised : path;  // the server says what is wrong with it
}

}  // namespace

Result<json> FindDataset(client::Client& client, const std::string& reference) {
  const auto colon = reference.rfind(':');
  const std::string name = reference.substr(0, colon);
  const std::string version = colon == std::string::npos ? "latest" : reference.substr(colon + 1);
  auto found = client.Get("/datasets/" + client::EncodePart(name) + "/versions/" +
                          client::EncodePart(version));
  if (found || colon != std::string::npos || found.error().code != ErrorCode::kNotFound) {
    return found;
  }
  auto by_id = client.Get("/dataset-ids/" + client::EncodePart(reference));
  if (by_id || by_id.error().code != ErrorCode::kNotFound) return by_id;
  return found;
}

json DataPathOf(const std::string& text) {
  if (IsAddress(text)) return {{"url", text}};
  const auto colon = text.find(':');
  if (colon == std::string::npos) return {{"datastore", spec::kBlobDatastore}, {"path", text}};
  return {{"datastore", text.substr(0, colon)}, {"path", text.substr(colon + 1)}};
}

std::string DataText(const json& item) {
  std::vector<std::string> parts;
  const std::string name = Text(item, "dataset_name");
  if (!name.empty()) parts.push_back(name + ":" + Text(item, "version"));
  const std::string datastore = Text(item, "datastore");
  if (!datastore.empty()) parts.push_back(datastore + ":" + Text(item, "path"));
  return parts.empty() ? Text(item, "dataset_id") : Join(parts, " in ");
}

Result<InputWords> ReadInputWords(const std::string& text) {
  constexpr std::string_view kForm = "NAME=DATASET[:VERSION] or NAME=DATASTORE:PATH";
  ROOST_ASSIGN(const Words words, ReadWords(text, "--input", kForm));
  if (!words.data) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--input '{}' is not of the form {}.", text, kForm));
  }
  InputWords read{words.name, "", {{"mode", "mount"}}};
  if (IsAddress(*words.data)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--input '{}': make a dataset of an address first: `roost data "
                            "register NAME {}`.",
                            text, *words.data));
  }
  const auto colon = words.data->find(':');
  if (colon == std::string::npos || IsVersion(std::string_view(*words.data).substr(colon + 1))) {
    read.dataset = *words.data;
  } else {
    read.input["datastore"] = words.data->substr(0, colon);
    read.input["path"] = NormalisedOr(words.data->substr(colon + 1));
  }
  for (const Words::Option& option : words.options) {
    const bool is_mode =
        option.key == "mount" || option.key == "download" || option.key == "direct";
    if (is_mode && !option.value) {
      read.input["mode"] = option.key;
    } else if (option.key == "to" && option.value && !option.value->empty()) {
      read.input["path_on_compute"] = *option.value;
    } else if (option.key == "overwrite" && !option.value) {
      read.input["overwrite"] = true;
    } else {
      ROOST_TRY(UnknownOption("--input", text, option,
                              "mount, download, direct, to=FOLDER and overwrite"));
    }
  }
  return read;
}

Result<OutputWords> ReadOutputWords(const std::string& text) {
  ROOST_ASSIGN(const Words words, ReadWords(text, "--output", "NAME or NAME=DATASTORE:FOLDER"));
  OutputWords read{words.name, {{"mode", "mount"}}};
  if (words.data) {
    const auto colon = words.data->find(':');
    if (colon == std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--output '{0}': '{1}' names no datastore. Write "
                              "{2}=DATASTORE:{1}; `roost datastores` lists them.",
                              text, *words.data, words.name));
    }
    read.output["datastore"] = words.data->substr(0, colon);
    const std::string path = NormalisedOr(words.data->substr(colon + 1));
    if (!path.empty()) read.output["path"] = path;
  }
  for (const Words::Option& option : words.options) {
    if ((option.key == "mount" || option.key == "upload") && !option.value) {
      read.output["mode"] = option.key;
    } else if (option.key == "from" && option.value && !option.value->empty()) {
      read.output["source"] = *option.value;
    } else if (option.key == "register" && option.value && !option.value->empty()) {
      read.output["register_as"] = {{"name", *option.value}};
    } else if (option.key == "overwrite" && !option.value) {
      read.output["overwrite"] = true;
    } else {
      ROOST_TRY(UnknownOption("--output", text, option,
                              "mount, upload, from=FOLDER, register=DATASET and overwrite"));
    }
  }
  return read;
}

Result<std::vector<InputWords>> ReadInputs(const std::vector<std::string>& texts) {
  std::vector<InputWords> inputs;
  for (const std::string& text : texts) {
    ROOST_ASSIGN(InputWords words, ReadInputWords(text));
    const bool twice = std::any_of(inputs.begin(), inputs.end(), [&](const InputWords& other) {
      return other.name == words.name;
    });
    if (twice) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--input names '{}' twice; give each its own name.", words.name));
    }
    inputs.push_back(std::move(words));
  }
  return inputs;
}

Result<json> ReadOutputs(const std::vector<std::string>& texts) {
  json outputs = json::object();
  for (const std::string& text : texts) {
    ROOST_ASSIGN(OutputWords words, ReadOutputWords(text));
    if (outputs.contains(words.name)) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--output names '{}' twice; give each its own name.", words.name));
    }
    outputs[words.name] = std::move(words.output);
  }
  return outputs;
}

Result<json> FindInputs(client::Client& client, const std::vector<InputWords>& inputs) {
  json found = json::object();
  for (const InputWords& words : inputs) {
    json& input = found[words.name] = words.input;
    if (words.dataset.empty()) continue;
    const auto dataset = FindDataset(client, words.dataset);
    if (!dataset) {
      Error error = dataset.error();
      error.message = fmt::format("--input {}: {}", words.name, error.message);
      if (error.code == ErrorCode::kNotFound) {
        error.message += " `roost data` lists the datasets; DATASTORE:PATH names files directly.";
      }
      return Fail(std::move(error));
    }
    input["dataset"] = Text(*dataset, "dataset_id");
  }
  return found;
}

}  // namespace roost::cli
