#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/files.h"

namespace roost::trainer {

// IR version 8 and opset 17: what every ONNX runtime since 2022 takes.
inline constexpr std::int64_t kOnnxIrVersion = 8;
inline constexpr std::int64_t kOnnxOpset = 17;
// Protobuf's readers stop here; larger models would need their weights in files of their own.
inline constexpr std::uint64_t kMaxOnnxBytes = (std::uint64_t{1} << 31) - 1;

// A size, or the name of one that is only known when the model runs ("N" for the batch).
using OnnxDim = std::variant<std::int64_t, std::string>;

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>>
      value;
};

using OnnxPair = std::array<std::int64_t, 2>;  // height, width

struct OnnxConv {
  OnnxPair strides{1, 1};
  OnnxPair padding{0, 0};  // on both sides of each axis, as torch has it
  OnnxPair dilations{1, 1};
  std::int64_t groups = 1;
};
struct OnnxPool {
  OnnxPair kernel{1, 1};
  OnnxPair strides{1, 1};
  OnnxPair padding{0, 0};
  bool ceil_mode = false;
  bool count_padding = true;  // of an average, as torch's default
};

// Builds the graph of one model and writes it as an ONNX file (onnx.proto: ModelProto).
//
// Values have names: each function that adds a node takes the names of its inputs and returns the
// name of its output, which is the node's own. Images are float32, N x C x H x W. The weights given
// to AddInitializer are borrowed until the file is written. Names that are used twice or before
// they are defined, and weights whose number does not fit their dimensions, are mistakes of the
// caller and end the program.
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string name);

  // float32; returns the name.
  std::string AddInput(std::string name, std::vector<OnnxDim> dims);
  void AddOutput(std::string name, std::vector<OnnxDim> dims);
  std::string AddInitializer(std::string name, std::vector<std::int64_t> dims,
                             std::span<const float> data);
  std::string AddInitializer(std::string name, std::vector<std::int64_t> dims,
                             std::span<const std::int64_t> data);
  // Text kept with the model (class names, the normalisation): metadata_props.
  void SetMetadata(std::string key, std::string value);

  // Any operator of the default domain. An optional input that is left out is "".
  void AddNode(std::string name, std::string op_type, std::vector<std::string> inputs,
               std::vector<std::string> outputs, std::vector<OnnxAttribute> attributes = {});
  // The same with one output, named as the node.
  std::string Add1(std::string name, std::string op_type, std::vector<std::string> inputs,
                   std::vector<OnnxAttribute> attributes = {});

  // weight: out x in/groups x kh x kw, an initializer; bias: out, or "".
  std::string Conv(std::string name, const std::string& input, const std::string& weight,
                   const std::string& bias, const OnnxConv& options);
  // With the running statistics, as in evaluation.
  std::string BatchNormalization(std::string name, const std::string& input,
                                 const std::string& scale, const std::string& bias,
                                 const std::string& mean, const std::string& variance,
                                 float epsilon);
  std::string Relu(std::string name, const std::string& input);
  std::string MaxPool(std::string name, const std::string& input, const OnnxPool& options);
  std::string AveragePool(std::string name, const std::string& input, const OnnxPool& options);
  std::string GlobalAveragePool(std::string name, const std::string& input);
  std::string Add(std::string name, const std::string& a, const std::string& b);
  std::string Concat(std::string name, std::vector<std::string> inputs, std::int64_t axis = 1);
  std::string Flatten(std::string name, const std::string& input);  // all but the batch
  // y = x weight^T + bias, with weight out x in and bias out, or "": torch's Linear.
  std::string Gemm(std::string name, const std::string& input, const std::string& weight,
                   const std::string& bias);

  // The file's bytes. kTooLarge when they would be more than kMaxOnnxBytes (found out before memory
  // is taken); kInvalidArgument when a text is not UTF-8. Requires: an input and an output.
  Result<std::string> Serialize() const;
  // Writes the file atomically.
  Status Write(const fs::path& path) const;

 private:
  struct Value {
    std::string name;
    std::vector<OnnxDim> dims;
  };
  struct Node {
    std::string name;
    std::string op_type;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<OnnxAttribute> attributes;
  };
  struct Initializer {
    std::string name;
    std::vector<std::int64_t> dims;
    std::int64_t type;
    std::span<const std::byte> data;
  };
  void Define(const std::string& name);
  void RequireDefined(const std::string& name) const;
  std::string Keep(Initializer initializer, std::size_t elements);
  Status CheckTexts() const;
  static std::string ValueBytes(const Value& value);
  static std::string NodeBytes(const Node& node);

  std::string name_;
  std::vector<Value> inputs_;
  std::vector<Value> outputs_;
  std::vector<Node> nodes_;
  std::vector<Initializer> initializers_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::unordered_set<std::string> defined_;
  std::unordered_set<std::string> node_names_;
  std::unordered_map<std::string, std::size_t> initializer_of_;
};

}  // namespace roost::trainer
