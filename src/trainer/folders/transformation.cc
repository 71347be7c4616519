#include "trainer/folders/transformation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "trainer/folders/folder_meta.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kType = "TransformationDirectory";
constexpr const char* kOperationsFile = "_transforms.json";
constexpr const char* kHint = "Please give the output of Init Image Transformation.";
constexpr std::uint64_t kFileLimit = 1 << 20;
constexpr std::size_t kMaxOperations = 1000;
constexpr int kMaxSide = 65'535;

// The arguments of one operation, by name. Each that is asked for counts as used; the first one
// that is wrong is kept.
class Arguments {
 public:
  Arguments(const json& given, std::vector<std::string> names) : names_(std::move(names)) {
    if (given.is_object()) {
      for (const auto& [name, value] : given.items()) values_[name] = value;
    } else if (given.is_array()) {
      if (given.size() > names_.size()) problem_ = "has too many arguments";
      for (std::size_t i = 0; i < std::min(given.size(), names_.size()); ++i) {
        values_[names_[i]] = given[i];
      }
    } else if (!given.is_null()) {
      if (names_.empty()) {
        problem_ = "takes no argument";
      } else {
        values_[names_.front()] = given;
      }
    }
    for (const auto& [name, value] : values_) {
      if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        Wrong(name, "is not supported");
      }
    }
  }

  double Number(const std::string& name, double fallback) {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.is_null()) return fallback;
    if (!found->second.is_number()) {
      Wrong(name, "is no number");
      return fallback;
    }
    return found->second.get<double>();
  }

  // A whole number, or a list of one or two equal ones (height and width). Required.
  int Side(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      Wrong(name, "is missing");
      return 1;
    }
    json value = found->second;
    if (value.is_array() && (value.size() == 1 || (value.size() == 2 && value[0] == value[1]))) {
      value = value[0];
    }
    if (!value.is_number_integer() || value < 0 || value > kMaxSide) {
      Wrong(name, fmt::format("is no whole number up to {}", kMaxSide));
      return 1;
    }
    return value.get<int>();
  }

  // A list of two numbers.
  operations::Range Pair(const std::string& name, operations::Range fallback) {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.is_null()) return fallback;
    return PairOf(name, found->second, fallback);
  }

  // A number d for [-d, d], or that list. Required.
  double Degrees(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      Wrong(name, "is missing");
    } else if (found->second.is_array()) {
      const operations::Range range = PairOf(name, found->second, {});
      if (range.low != -range.high) Wrong(name, "is not the same to both sides");
      return range.high;
    }
    return Number(name, 0);
  }

  // torchvision's ranges of ColorJitter: a number around `center`, or a list.
  std::optional<operations::Range> Jitter(const std::string& name, double center) {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.is_null()) return {};
    if (found->second.is_array()) return PairOf(name, found->second, {center, center});
    const double strength = Number(name, 0);
    if (strength == 0) return {};
    const double low = center == 0 ? -strength : std::max(0.0, center - strength);
    return operations::Range{low, center + strength};
  }

  const std::string& problem() const { return problem_; }

 private:
  operations::Range PairOf(const std::string& name, const json& value, operations::Range fallback) {
    if (!value.is_array() || value.size() != 2 || !value[0].is_number() || !value[1].is_number()) {
      Wrong(name, "is no list of two numbers");
      return fallback;
    }
    return {value[0].get<double>(), value[1].get<double>()};
  }
  void Wrong(const std::string& name, const std::string& reason) {
    if (problem_.empty()) problem_ = "has the argument '" + name + "', which " + reason;
  }

  std::vector<std::string> names_;
  std::map<std::string, json> values_;
  std::string problem_;
};

// One operation of the file; the message of an error goes on after its name.
Result<Operation> ParseOperation(const std::string& name, const json& given) {
  const auto finish = [](const Arguments& arguments, Operation operation) -> Result<Operation> {
    if (!arguments.problem().empty()) {
      return Fail(ErrorCode::kInvalidArgument, arguments.problem());
    }
    if (const Status checked = Check(operation); !checked) {
      return Fail(ErrorCode::kInvalidArgument, "is wrong: " + checked.error().message);
    }
    return operation;
  };
  namespace op = operations;
  if (name == "Resize") {
    Arguments a(given, {"size"});
    const int size = a.Side("size");
    return finish(a, op::Resize{size});
  }
  if (name == "CenterCrop") {
    Arguments a(given, {"size"});
    const int size = a.Side("size");
    return finish(a, op::CenterCrop{size});
  }
  if (name == "Pad") {
    Arguments a(given, {"padding"});
    const int padding = a.Side("padding");
    return finish(a, op::Pad{padding});
  }
  if (name == "ColorJitter") {
    Arguments a(given, {"brightness", "contrast", "saturation", "hue"});
    op::ColorJitter jitter;
    jitter.brightness = a.Jitter("brightness", 1);
    jitter.contrast = a.Jitter("contrast", 1);
    jitter.saturation = a.Jitter("saturation", 1);
    jitter.hue = a.Jitter("hue", 0);
    return finish(a, jitter);
  }
  if (name == "Grayscale") {
    // With one channel, too, the image is read as RGB again.
    Arguments a(given, {"num_output_channels"});
    const double channels = a.Number("num_output_channels", 1);
    if (channels != 1 && channels != 3) {
      return Fail(ErrorCode::kInvalidArgument, "has num_output_channels other than 1 and 3");
    }
    return finish(a, op::Grayscale{});
  }
  if (name == "RandomResizedCrop") {
    Arguments a(given, {"size", "scale", "ratio"});
    op::RandomResizedCrop crop;
    crop.size = a.Side("size");
    crop.scale = a.Pair("scale", crop.scale);
    crop.ratio = a.Pair("ratio", crop.ratio);
    return finish(a, crop);
  }
  if (name == "RandomCrop") {
    Arguments a(given, {"size"});
    const int size = a.Side("size");
    return finish(a, op::RandomCrop{size});
  }
  if (name == "RandomHorizontalFlip") {
    Arguments a(given, {"p"});
    const double p = a.Number("p", 0.5);
    return finish(a, op::RandomHorizontalFlip{p});
  }
  if (name == "RandomVerticalFlip") {
    Arguments a(given, {"p"});
    const double p = a.Number("p", 0.5);
    return finish(a, op::RandomVerticalFlip{p});
  }
  if (name == "RandomRotation") {
    Arguments a(given, {"degrees"});
    const double degrees = a.Degrees("degrees");
    return finish(a, op::RandomRotation{degrees});
  }
  if (name == "RandomAffine") {
    Arguments a(given, {"degrees"});
    const double degrees = a.Degrees("degrees");
    return finish(a, op::RandomAffine{degrees});
  }
  if (name == "RandomGrayscale") {
    Arguments a(given, {"p"});
    const double p = a.Number("p", 0.1);
    return finish(a, op::RandomGrayscale{p});
  }
  if (name == "RandomPerspective") {
    Arguments a(given, {"distortion_scale", "p"});
    op::RandomPerspective perspective;
    perspective.distortion = a.Number("distortion_scale", 0.5);
    perspective.probability = a.Number("p", 0.5);
    return finish(a, perspective);
  }
  return Fail(ErrorCode::kInvalidArgument, "is unknown or does not turn an image into an image");
}

struct ArgumentsVisitor {
  ordered_json operator()(const operations::Resize& o) const { return o.size; }
  ordered_json operator()(const operations::CenterCrop& o) const { return o.size; }
  ordered_json operator()(const operations::Pad& o) const { return o.padding; }
  ordered_json operator()(const operations::ColorJitter& o) const {
    ordered_json result = ordered_json::object();
    const auto add = [&](const char* name, const std::optional<operations::Range>& range) {
      if (range) result[name] = {range->low, range->high};
    };
    add("brightness", o.brightness);
    add("contrast", o.contrast);
    add("saturation", o.saturation);
    add("hue", o.hue);
    return result;
  }
  ordered_json operator()(const operations::Grayscale&) const {
    return ordered_json{{"num_output_channels", 3}};
  }
  ordered_json operator()(const operations::RandomResizedCrop& o) const { return o.size; }
  ordered_json operator()(const operations::RandomCrop& o) const { return o.size; }
  ordered_json operator()(const operations::RandomRotation& o) const { return o.degrees; }
  ordered_json operator()(const operations::RandomAffine& o) const { return o.degrees; }
  ordered_json operator()(const auto&) const { return ordered_json::object(); }
};

// The arguments as they are written. Probabilities and the like are torchvision's defaults.
ordered_json ArgumentsOf(const Operation& operation) {
  return std::visit(ArgumentsVisitor{}, operation);
}

}  // namespace

Result<std::vector<Operation>> OperationsOf(const TransformationOptions& o) {
  struct Bound {
    const char* name;
    double value;
    double low;
    double high;
  };
  for (const Bound& bound : std::initializer_list<Bound>{
           {"Size", static_cast<double>(o.size), 1, kMaxSide},
           {"Crop size", static_cast<double>(o.crop_size), 1, kMaxSide},
           {"Padding", static_cast<double>(o.padding), 0, kMaxSide},
           {"Color jitter strength", o.color_jitter_strength, 0, 1},
           {"Random size", static_cast<double>(o.random_resized_crop_size), 1, kMaxSide},
           {"Random crop size", static_cast<double>(o.random_crop_size), 1, kMaxSide},
           {"Random rotation degrees", o.random_rotation_degrees, 0, 180},
           {"Random affine degrees", o.random_affine_degrees, 0, 180}}) {
    if (!(bound.value >= bound.low && bound.value <= bound.high)) {
      return FailModule(NotInRange(bound.name, bound.low, bound.high));
    }
  }
  namespace op = operations;
  std::vector<Operation> result;
  const double strength = o.color_jitter_strength;
  if (o.resize) result.push_back(op::Resize{o.size});
  if (o.center_crop) result.push_back(op::CenterCrop{o.crop_size});
  if (o.pad) result.push_back(op::Pad{o.padding});
  if (o.color_jitter) result.push_back(op::ColorJitter::Of(strength, strength, strength, 0));
  if (o.grayscale) result.push_back(op::Grayscale{});
  if (o.random_resized_crop) {
    op::RandomResizedCrop crop;
    crop.size = o.random_resized_crop_size;
    result.push_back(crop);
  }
  if (o.random_crop) result.push_back(op::RandomCrop{o.random_crop_size});
  if (o.random_horizontal_flip) result.push_back(op::RandomHorizontalFlip{});
  if (o.random_vertical_flip) result.push_back(op::RandomVerticalFlip{});
  if (o.random_rotation) result.push_back(op::RandomRotation{o.random_rotation_degrees});
  if (o.random_affine) result.push_back(op::RandomAffine{o.random_affine_degrees});
  if (o.random_grayscale) result.push_back(op::RandomGrayscale{});
  if (o.random_perspective) result.push_back(op::RandomPerspective{});
  return result;
}

Status InitImageTransformation(const TransformationOptions& options, const fs::path& output) {
  ROOST_ASSIGN(const std::vector<Operation> list, OperationsOf(options));
  ROOST_TRY(PrepareOutputFolder(output));
  ordered_json root = ordered_json::array();
  for (const Operation& operation : list) {
    root.push_back(ordered_json::array({std::string(NameOf(operation)), ArgumentsOf(operation)}));
  }
  const Status written = WriteFileAtomic(output / kOperationsFile, root.dump(2) + "\n");
  if (!written) return Fail(AsOutputError(written.error()));
  return WriteFolderMeta(output, kType, {{"transform_type", "Image"}});
}

Result<std::vector<Operation>> ReadTransformation(const fs::path& folder) {
  const auto refuse = [&](std::string reason) {
    reason = ToValidUtf8(reason);
    if (reason.ends_with('.')) reason.pop_back();
    return FailModule(InvalidTransformation(ToValidUtf8(folder.string()), reason, kHint));
  };
  const auto meta = ReadFolderMeta(folder);
  if (!meta) return refuse(meta.error().message);
  if (meta->Get("type") != kType) {
    return refuse("it is of type " + meta->Get("type", "unknown") + ", not of type " + kType);
  }
  if (meta->Get("transform_type") != "Image") {
    return refuse("it is no transformation of images");
  }
  const auto text = ReadFile(folder / kOperationsFile, kFileLimit);
  if (!text) return refuse(text.error().message);
  const json root = json::parse(*text, nullptr, false);
  if (!root.is_array() || root.size() > kMaxOperations) {
    return refuse(
        fmt::format("{} is no list of up to {} operations", kOperationsFile, kMaxOperations));
  }
  std::vector<Operation> result;
  for (const json& entry : root) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string()) {
      return refuse(std::string(kOperationsFile) +
                    " has an entry that is not [<operation>, <arguments>]");
    }
    const std::string name = entry[0].get<std::string>();
    auto operation = ParseOperation(name, entry[1]);
    if (!operation) return refuse("the operation " + name + " " + operation.error().message);
    result.push_back(*operation);
  }
  return result;
}

}  // namespace roost::trainer
