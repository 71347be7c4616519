#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "roost/client.h"

// Data as it is written on the command line: "birds", "birds:3", "datastore:folder/file", and what
// `submit --input` and `--output` say beside that.
namespace roost::cli {

// "name", "name:3", "name:latest", or a dataset's id.
Result<nlohmann::json> FindDataset(client::Client& client, const std::string& reference);
// "datastore:path", a path in workspaceblobstore, or an address; as the wire has paths of datasets.
nlohmann::json DataPathOf(const std::string& text);

// What a run read or wrote, of its `inputs` and `outputs`: "birds:3", "disk:folder", "birds:3 in
// disk:folder", or a dataset's id where there is neither name nor place.
std::string DataText(const nlohmann::json& item);

// One --input, read without a server. Either `dataset` is set or the wire's input is whole.
struct InputWords {
  std::string name;
  std::string dataset;   // still to be found
  nlohmann::json input;  // of the run definition
};
// "NAME=DATA[,OPTION...]".
Result<InputWords> ReadInputWords(const std::string& text);

// One --output: "NAME[=DATASTORE:FOLDER][,OPTION...]".
struct OutputWords {
  std::string name;
  nlohmann::json output;  // of the run definition
};
Result<OutputWords> ReadOutputWords(const std::string& text);

// All of them; a name that is there twice is kInvalidArgument.
Result<std::vector<InputWords>> ReadInputs(const std::vector<std::string>& texts);
Result<nlohmann::json> ReadOutputs(const std::vector<std::string>& texts);
// The run definition's `inputs`, with the datasets' ids of this moment.
Result<nlohmann::json> FindInputs(client::Client& client, const std::vector<InputWords>& inputs);

}  // namespace roost::cli
