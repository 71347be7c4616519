#include "trainer/onnx/onnx_writer.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/strings.h"
#include "trainer/onnx/proto_writer.h"

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian.");

namespace roost::trainer {
namespace {

// Field numbers and codes of onnx.proto.
namespace model {
constexpr std::uint32_t kIrVersion = 1, kProducerName = 2, kGraph = 7, kOpset = 8, kMetadata = 14;
}
namespace opset {
constexpr std::uint32_t kDomain = 1, kVersion = 2;
}
namespace entry {
constexpr std::uint32_t kKey = 1, kValue = 2;
}
namespace graph {
constexpr std::uint32_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node {
constexpr std::uint32_t kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5;
}
namespace attribute {
constexpr std::uint32_t kName = 1, kFloat = 2, kInt = 3, kString = 4, kFloats = 7, kInts = 8,
                        kType = 20;
constexpr std::int64_t kTypeFloat = 1, kTypeInt = 2, kTypeString = 3, kTypeFloats = 6,
                       kTypeInts = 7;
}  // namespace attribute
namespace tensor {
constexpr std::uint32_t kDims = 1, kDataType = 2, kName = 8, kRawData = 9;
constexpr std::int64_t kFloat = 1, kInt64 = 7;
}  // namespace tensor
namespace value_info {
constexpr std::uint32_t kName = 1, kType = 2;
constexpr std::uint32_t kTensorType = 1, kElementType = 1, kShape = 2;
constexpr std::uint32_t kDim = 1, kDimValue = 1, kDimParam = 2;
}  // namespace value_info

std::string AttributeBytes(const OnnxAttribute& given) {
  ProtoWriter out;
  out.Bytes(attribute::kName, given.name);
  std::int64_t type = 0;
  if (const auto* number = std::get_if<std::int64_t>(&given.value)) {
    out.Int(attribute::kInt, *number);
    type = attribute::kTypeInt;
  } else if (const auto* real = std::get_if<float>(&given.value)) {
    out.Float(attribute::kFloat, *real);
    type = attribute::kTypeFloat;
  } else if (const auto* text = std::get_if<std::string>(&given.value)) {
    out.Bytes(attribute::kString, *text);
    type = attribute::kTypeString;
  } else if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&given.value)) {
    for (const std::int64_t each : *numbers) out.Int(attribute::kInts, each);
    type = attribute::kTypeInts;
  } else if (const auto* reals = std::get_if<std::vector<float>>(&given.value)) {
    for (const float each : *reals) out.Float(attribute::kFloats, each);
    type = attribute::kTypeFloats;
  }
  out.Int(attribute::kType, type);
  return out.bytes();
}

OnnxAttribute Pair(std::string name, const OnnxPair& pair) {
  return {std::move(name), std::vector<std::int64_t>{pair[0], pair[1]}};
}

// Begins, then ends.
OnnxAttribute Pads(const OnnxPair& padding) {
  return {"pads", std::vector<std::int64_t>{padding[0], padding[1], padding[0], padding[1]}};
}

std::vector<OnnxAttribute> PoolAttributes(const OnnxPool& options) {
  std::vector<OnnxAttribute> attributes{Pair("kernel_shape", options.kernel),
                                        Pair("strides", options.strides), Pads(options.padding)};
  if (options.ceil_mode) attributes.push_back({"ceil_mode", std::int64_t{1}});
  return attributes;
}

}  // namespace

OnnxGraph::OnnxGraph(std::string name) : name_(std::move(name)) {}

// --- Building ---

void OnnxGraph::Define(const std::string& name) {
  ROOST_CHECK(!name.empty());
  const bool fresh = defined_.insert(name).second;
  ROOST_CHECK(fresh);
}

void OnnxGraph::RequireDefined(const std::string& name) const {
  ROOST_CHECK(defined_.contains(name));
}

std::string OnnxGraph::AddInput(std::string name, std::vector<OnnxDim> dims) {
  Define(name);
  inputs_.push_back({name, std::move(dims)});
  return name;
}

void OnnxGraph::AddOutput(std::string name, std::vector<OnnxDim> dims) {
  RequireDefined(name);
  outputs_.push_back({std::move(name), std::move(dims)});
}

std::string OnnxGraph::Keep(Initializer initializer, std::size_t elements) {
  std::size_t expected = 1;
  for (const std::int64_t dim : initializer.dims) {
    ROOST_CHECK(dim >= 0 && !__builtin_mul_overflow(expected, dim, &expected));
  }
  ROOST_CHECK(expected == elements);
  Define(initializer.name);
  initializer_of_.emplace(initializer.name, initializers_.size());
  initializers_.push_back(std::move(initializer));
  return initializers_.back().name;
}

std::string OnnxGraph::AddInitializer(std::string name, std::vector<std::int64_t> dims,
                                      std::span<const float> data) {
  return Keep({std::move(name), std::move(dims), tensor::kFloat, std::as_bytes(data)}, data.size());
}

std::string OnnxGraph::AddInitializer(std::string name, std::vector<std::int64_t> dims,
                                      std::span<const std::int64_t> data) {
  return Keep({std::move(name), std::move(dims), tensor::kInt64, std::as_bytes(data)}, data.size());
}

void OnnxGraph::SetMetadata(std::string key, std::string value) {
  metadata_.emplace_back(std::move(key), std::move(value));
}

void OnnxGraph::AddNode(std::string name, std::string op_type, std::vector<std::string> inputs,
                        std::vector<std::string> outputs, std::vector<OnnxAttribute> attributes) {
  for (const std::string& input : inputs) {
    if (!input.empty()) RequireDefined(input);
  }
  for (const std::string& output : outputs) Define(output);
  const bool fresh = node_names_.insert(name).second;
  ROOST_CHECK(fresh);
  // Left out at the end means not there at all.
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  nodes_.push_back({std::move(name), std::move(op_type), std::move(inputs), std::move(outputs),
                    std::move(attributes)});
}

std::string OnnxGraph::Add1(std::string name, std::string op_type, std::vector<std::string> inputs,
                            std::vector<OnnxAttribute> attributes) {
  AddNode(name, std::move(op_type), std::move(inputs), {name}, std::move(attributes));
  return name;
}

std::string OnnxGraph::Conv(std::string name, const std::string& input, const std::string& weight,
                            const std::string& bias, const OnnxConv& options) {
  const auto found = initializer_of_.find(weight);
  ROOST_CHECK(found != initializer_of_.end());
  const std::vector<std::int64_t>& dims = initializers_[found->second].dims;
  ROOST_CHECK(dims.size() == 4);
  return Add1(std::move(name), "Conv", {input, weight, bias},
              {Pair("kernel_shape", {dims[2], dims[3]}),
               Pair("strides", options.strides),
               Pads(options.padding),
               Pair("dilations", options.dilations),
               {"group", options.groups}});
}

std::string OnnxGraph::BatchNormalization(std::string name, const std::string& input,
                                          const std::string& scale, const std::string& bias,
                                          const std::string& mean, const std::string& variance,
                                          float epsilon) {
  return Add1(std::move(name), "BatchNormalization", {input, scale, bias, mean, variance},
              {{"epsilon", epsilon}});
}

std::string OnnxGraph::Relu(std::string name, const std::string& input) {
  return Add1(std::move(name), "Relu", {input});
}

std::string OnnxGraph::MaxPool(std::string name, const std::string& input,
                               const OnnxPool& options) {
  return Add1(std::move(name), "MaxPool", {input}, PoolAttributes(options));
}

std::string OnnxGraph::AveragePool(std::string name, const std::string& input,
                                   const OnnxPool& options) {
  std::vector<OnnxAttribute> attributes = PoolAttributes(options);
  attributes.push_back({"count_include_pad", std::int64_t{options.count_padding ? 1 : 0}});
  return Add1(std::move(name), "AveragePool", {input}, std::move(attributes));
}

std::string OnnxGraph::GlobalAveragePool(std::string name, const std::string& input) {
  return Add1(std::move(name), "GlobalAveragePool", {input});
}

std::string OnnxGraph::Add(std::string name, const std::string& a, const std::string& b) {
  return Add1(std::move(name), "Add", {a, b});
}

std::string OnnxGraph::Concat(std::string name, std::vector<std::string> inputs,
                              std::int64_t axis) {
  return Add1(std::move(name), "Concat", std::move(inputs), {{"axis", axis}});
}

std::string OnnxGraph::Flatten(std::string name, const std::string& input) {
  return Add1(std::move(name), "Flatten", {input}, {{"axis", std::int64_t{1}}});
}

std::string OnnxGraph::Gemm(std::string name, const std::string& input, const std::string& weight,
                            const std::string& bias) {
  return Add1(std::move(name), "Gemm", {input, weight, bias}, {{"transB", std::int64_t{1}}});
}

// --- Writing ---

std::string OnnxGraph::ValueBytes(const Value& value) {
  ProtoWriter shape;
  for (const OnnxDim& each : value.dims) {
    ProtoWriter dim;
    if (const std::int64_t* size = std::get_if<std::int64_t>(&each)) {
      dim.Int(value_info::kDimValue, *size);
    } else {
      dim.Bytes(value_info::kDimParam, std::get<std::string>(each));
    }
    shape.Bytes(value_info::kDim, dim.bytes());
  }
  ProtoWriter tensor_type;
  tensor_type.Int(value_info::kElementType, tensor::kFloat);
  tensor_type.Bytes(value_info::kShape, shape.bytes());
  ProtoWriter type;
  type.Bytes(value_info::kTensorType, tensor_type.bytes());
  ProtoWriter out;
  out.Bytes(value_info::kName, value.name);
  out.Bytes(value_info::kType, type.bytes());
  return out.bytes();
}

std::string OnnxGraph::NodeBytes(const Node& given) {
  ProtoWriter out;
  for (const std::string& input : given.inputs) out.Bytes(node::kInput, input);
  for (const std::string& output : given.outputs) out.Bytes(node::kOutput, output);
  out.Bytes(node::kName, given.name);
  out.Bytes(node::kOpType, given.op_type);
  for (const OnnxAttribute& each : given.attributes) {
    out.Bytes(node::kAttribute, AttributeBytes(each));
  }
  return out.bytes();
}

// Names come from the program; metadata holds what users wrote.
Status OnnxGraph::CheckTexts() const {
  for (const auto& [key, value] : metadata_) {
    if (!IsValidUtf8(key) || !IsValidUtf8(value)) {
      return Fail(ErrorCode::kInvalidArgument, "The text '" + ToValidUtf8(key) +
                                                   "' of the model is not UTF-8; ONNX takes no "
                                                   "other.");
    }
  }
  return {};
}

Result<std::string> OnnxGraph::Serialize() const {
  ROOST_CHECK(!inputs_.empty() && !outputs_.empty());
  ROOST_TRY(CheckTexts());
  ProtoWriter small;  // the graph without its weights
  for (const Node& each : nodes_) small.Bytes(graph::kNode, NodeBytes(each));
  small.Bytes(graph::kName, name_);
  for (const Value& each : inputs_) small.Bytes(graph::kInput, ValueBytes(each));
  for (const Value& each : outputs_) small.Bytes(graph::kOutput, ValueBytes(each));

  // Each weight's bytes follow its head, so that they are copied once.
  std::vector<std::string> heads;
  std::uint64_t graph_bytes = small.bytes().size();
  for (const Initializer& each : initializers_) {
    ProtoWriter head;
    for (const std::int64_t dim : each.dims) head.Int(tensor::kDims, dim);
    head.Int(tensor::kDataType, each.type);
    head.Bytes(tensor::kName, each.name);
    head.Header(tensor::kRawData, each.data.size());
    ProtoWriter field;
    field.Header(graph::kInitializer, head.bytes().size() + each.data.size());
    heads.push_back(field.bytes() + head.bytes());
    graph_bytes += heads.back().size() + each.data.size();
  }

  ProtoWriter opset_id;
  opset_id.Bytes(opset::kDomain, "");
  opset_id.Int(opset::kVersion, kOnnxOpset);
  ProtoWriter out;
  out.Int(model::kIrVersion, kOnnxIrVersion);
  out.Bytes(model::kProducerName, "roost-trainer");
  out.Bytes(model::kOpset, opset_id.bytes());
  for (const auto& [key, value] : metadata_) {
    ProtoWriter pair;
    pair.Bytes(entry::kKey, key);
    pair.Bytes(entry::kValue, value);
    out.Bytes(model::kMetadata, pair.bytes());
  }
  out.Header(model::kGraph, graph_bytes);

  const std::uint64_t total = out.bytes().size() + graph_bytes;
  if (total > kMaxOnnxBytes) {
    return Fail(ErrorCode::kTooLarge,
                "The model would be an ONNX file of " + FormatBytes(total) +
                    "; files of 2 GiB and more are not written, since protobuf's readers do not "
                    "take them. Export a smaller model, or keep its .pth file.");
  }
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(total));
  bytes += out.bytes();
  bytes += small.bytes();
  for (std::size_t i = 0; i < initializers_.size(); ++i) {
    bytes += heads[i];
    const std::span<const std::byte> data = initializers_[i].data;
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return bytes;
}

Status OnnxGraph::Write(const fs::path& path) const {
  ROOST_ASSIGN(const std::string bytes, Serialize());
  return WriteFileAtomic(path, bytes);
}

}  // namespace roost::trainer
