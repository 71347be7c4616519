#include "trainer/folders/model_directory.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <chrono>

#include "base/digest.h"
#include "base/strings.h"
#include "trainer/folders/dataframe.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/folders/model_service.h"

namespace roost::trainer {
namespace {

constexpr const char* kType = "ModelDirectory";
constexpr const char* kSpecFile = "model_spec.yaml";
constexpr const char* kLabelFile = "index_to_label.csv";
constexpr const char* kTask = "MultiClassification";
constexpr const char* kAzureModules =
    "azureml.designer.modules.dl.pytorch.initialize_models.vision.classification.";
constexpr const char* kTorchvision = "torchvision.models";
constexpr const char* kNormalizerModule =
    "azureml.designer.core.model.model_spec.builtin_model_meta.pre_processor";
constexpr std::uint64_t kSpecLimit = 1 << 20;
constexpr std::uint64_t kCopyLimit = 256ULL << 20;
constexpr std::size_t kMaxLabels = 1'000'000;
constexpr const char* kHint =
    "Please give the output of a component that makes PyTorch models, such as DenseNet, ResNet or "
    "Train PyTorch Model.";

// Where the class of a network is told to be.
struct Place {
  std::string module;
  std::string name;
};
Place PlaceOf(const std::string& model_name) {
  if (model_name.starts_with("densenet")) {
    return {std::string(kAzureModules) + "densenet", "DenseNet"};
  }
  if (model_name.starts_with("resnet") || model_name.starts_with("resnext") ||
      model_name.starts_with("wide_resnet")) {
    return {std::string(kAzureModules) + "resnet", "ResNet"};
  }
  return {kTorchvision, model_name};
}

std::string Now() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}+0000",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), micros);
}

std::string SpecYaml(const ModelSpec& spec) {
  const Place place = PlaceOf(spec.model_name);
  const bool torchvision = place.module == kTorchvision;
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EscapeNonAscii);
  const auto key = [&](const char* name) { out << YAML::Key << name << YAML::Value; };
  const auto text = [&](const char* name, const std::string& value) {
    key(name);
    out << YAML::DoubleQuoted << value;
  };
  out << YAML::BeginMap;
  key("flavor");
  out << YAML::BeginMap;
  text("name", "pytorch");
  text("serialization_method", "state_dict");
  out << YAML::EndMap;
  text("model_file", kWeightsFile);
  text("time_created", spec.time_created.empty() ? Now() : spec.time_created);
  key("flavor_extras");
  out << YAML::BeginMap;
  text("module", place.module);
  text("class", place.name);
  key("is_cuda");
  out << spec.is_cuda;
  key("init_params");
  out << YAML::BeginMap;
  // A function of torchvision.models takes neither its own name nor "pretrained".
  if (!torchvision) {
    text("model_name", spec.model_name);
    key("pretrained");
    out << spec.pretrained;
  }
  if (spec.memory_efficient) {
    key("memory_efficient");
    out << *spec.memory_efficient;
  }
  if (spec.zero_init_residual) {
    key("zero_init_residual");
    out << *spec.zero_init_residual;
  }
  if (spec.trained()) {
    key("num_classes");
    out << spec.labels.size();
  }
  out << YAML::EndMap;
  if (torchvision) {
    key("pretrained");
    out << spec.pretrained;
  }
  out << YAML::EndMap;
  text("task_type", kTask);
  if (spec.trained()) {
    text("label_map_file", kLabelFile);
    key("inputs");
    out << YAML::BeginSeq << YAML::BeginMap;
    text("name", "image");
    key("pre_processor");
    out << YAML::BeginMap;
    text("module", kNormalizerModule);
    text("class", "ImageNormalizer");
    key("init_params");
    out << YAML::BeginMap;
    for (const char* name : {"mean", "std"}) {
      key(name);
      out << YAML::Flow << std::vector<double>{0.5, 0.5, 0.5};
    }
    out << YAML::EndMap << YAML::EndMap << YAML::EndMap << YAML::EndSeq;
  }
  out << YAML::EndMap;
  return std::string(out.c_str(), out.size()) + "\n";
}

std::string LabelCsv(const std::vector<std::string>& labels) {
  std::string text = ",label\n";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    text += CsvRecord({std::to_string(i), labels[i]});
  }
  return text;
}

Status WriteFiles(const fs::path& folder, const ModelSpec& spec,
                  const std::optional<fs::path>& training_data) {
  ROOST_TRY(MakeFolders(folder));
  ROOST_TRY(WriteFileAtomic(folder / kSpecFile, SpecYaml(spec)));
  if (!spec.trained()) return WriteFolderMeta(folder, kType, {{"model", kSpecFile}});
  ROOST_TRY(WriteFileAtomic(folder / kLabelFile, LabelCsv(spec.labels)));
  ROOST_TRY(WriteFileAtomic(folder / "score.py", kScoreScript));
  ROOST_TRY(WriteFileAtomic(folder / "conda_env.yaml", kCondaEnvironment));
  if (training_data) {
    for (const char* name : {"_schema.json", "_samples.json"}) {
      ROOST_ASSIGN(const std::string text, ReadFile(*training_data / name, kCopyLimit));
      ROOST_TRY(WriteFileAtomic(folder / name, text));
    }
  }
  return WriteFolderMeta(folder, kType,
                         {{"model", kSpecFile}, {"modelOutputPath", "trained_model_outputs"}},
                         {"registerModel"});
}

// --- Reading ---

// The text at a path of keys; empty where it leads nowhere.
std::string ScalarAt(const YAML::Node& root, std::initializer_list<const char*> path) {
  YAML::Node node = YAML::Clone(root);
  for (const char* key : path) {
    if (!node.IsMap() || !node[key]) return {};
    node.reset(node[key]);
  }
  return node.IsScalar() ? node.Scalar() : std::string();
}

class SpecReader {
 public:
  explicit SpecReader(const fs::path& folder) : folder_(folder) {}

  Result<YAML::Node> Load() {
    const auto meta = ReadFolderMeta(folder_);
    if (!meta) return Refuse(meta.error().message);
    if (meta->Get("type") != kType) {
      return Refuse("it is of type " + meta->Get("type", "unknown") + ", not of type " + kType);
    }
    const auto path = FileInFolder(folder_, meta->Get("model", kSpecFile));
    if (!path) return Refuse(path.error().message);
    const auto text = ReadFile(*path, kSpecLimit);
    if (!text) return Refuse(text.error().message);
    try {
      YAML::Node root = YAML::Load(*text);
      if (!root.IsMap()) return Refuse(path->string() + " does not hold a map");
      return root;
    } catch (const std::exception& problem) {
      return Refuse(path->string() + " is no YAML that can be read: " + problem.what());
    }
  }

  Result<ModelSpec> Read() {
    ROOST_ASSIGN(const YAML::Node root, Load());
    try {
      return Interpret(root);
    } catch (const std::exception& problem) {
      return Refuse(std::string("its model specification cannot be read: ") + problem.what());
    }
  }

  tl::unexpected<Error> Refuse(const std::string& reason) const {
    std::string text = ToValidUtf8(reason);
    if (text.ends_with('.')) text.pop_back();
    return FailModule(InvalidModel(ToValidUtf8(folder_.string()), text, kHint));
  }

 private:
  Result<ModelSpec> Interpret(const YAML::Node& root) {
    if (ScalarAt(root, {"flavor", "name"}) != "pytorch" ||
        ScalarAt(root, {"flavor", "serialization_method"}) != "state_dict") {
      return Refuse("the input must be a PyTorch model kept as a state dictionary");
    }
    if (ScalarAt(root, {"task_type"}) != kTask) {
      return Refuse("its task is '" + ScalarAt(root, {"task_type"}) + "' and not " + kTask);
    }
    ModelSpec spec;
    const std::string module = ScalarAt(root, {"flavor_extras", "module"});
    if (module == kTorchvision) {
      spec.model_name = ScalarAt(root, {"flavor_extras", "class"});
      ROOST_ASSIGN(spec.pretrained, Flag(root, {"flavor_extras", "pretrained"}, false));
    } else {
      spec.model_name = ScalarAt(root, {"flavor_extras", "init_params", "model_name"});
      ROOST_ASSIGN(spec.pretrained,
                   Flag(root, {"flavor_extras", "init_params", "pretrained"}, false));
    }
    if (spec.model_name.empty()) return Refuse("its specification names no model");
    ROOST_ASSIGN(spec.is_cuda, Flag(root, {"flavor_extras", "is_cuda"}, false));
    for (const auto& [key, target] : {std::pair("memory_efficient", &spec.memory_efficient),
                                      std::pair("zero_init_residual", &spec.zero_init_residual)}) {
      if (ScalarAt(root, {"flavor_extras", "init_params", key}).empty()) continue;
      ROOST_ASSIGN(*target, Flag(root, {"flavor_extras", "init_params", key}, false));
    }
    spec.time_created = ScalarAt(root, {"time_created"});
    const std::string label_file = ScalarAt(root, {"label_map_file"});
    if (label_file.empty()) return spec;
    ROOST_ASSIGN(spec.labels, ReadLabels(label_file));
    const std::string count = ScalarAt(root, {"flavor_extras", "init_params", "num_classes"});
    if (count != std::to_string(spec.labels.size())) {
      return Refuse(
          fmt::format("it has {} labels and num_classes is '{}'", spec.labels.size(), count));
    }
    return spec;
  }

  Result<bool> Flag(const YAML::Node& root, std::initializer_list<const char*> path,
                    bool fallback) const {
    const std::string text = ScalarAt(root, path);
    if (text.empty()) return fallback;
    if (text == "true" || text == "True") return true;
    if (text == "false" || text == "False") return false;
    return Refuse(fmt::format("'{}' is '{}' and neither true nor false", *(path.end() - 1), text));
  }

  Result<std::vector<std::string>> ReadLabels(const std::string& name) const {
    const auto path = FileInFolder(folder_, name);
    if (!path) return Refuse(path.error().message);
    auto reader = CsvReader::Open(*path);
    if (!reader) return Refuse(reader.error().message);
    std::vector<std::string> labels;
    std::vector<std::string> row;
    for (bool header = true;; header = false) {
      const auto more = reader->Next(row);
      if (!more) return Refuse(name + " " + more.error().message);
      if (!*more) break;
      if (header) continue;
      if (row.size() != 2 || row[0] != std::to_string(labels.size()) ||
          labels.size() >= kMaxLabels) {
        return Refuse(
            fmt::format("line {} of {} is not '{},<label>'", reader->line(), name, labels.size()));
      }
      labels.push_back(row[1]);
    }
    if (labels.empty()) return Refuse(name + " has no labels");
    return labels;
  }

  const fs::path& folder_;
};

}  // namespace

Status WriteModelDirectory(const fs::path& folder, const ModelSpec& spec,
                           const std::optional<fs::path>& training_data) {
  const Status written = WriteFiles(folder, spec, training_data);
  if (!written) return Fail(AsOutputError(written.error()));
  return {};
}

Status PrepareModelFolder(const fs::path& folder) {
  constexpr const char* kOtherFolder = "Choose another folder for the model.";
  const auto refuse = [&](const std::string& reason) {
    return FailModule(FailedToWriteOutputs(ToValidUtf8(reason), kOtherFolder));
  };
  if (const Status made = MakeFolders(folder); !made) return refuse(made.error().message);
  if (const auto meta = ReadFolderMeta(folder); meta && meta->Get("type") != kType) {
    return refuse(folder.string() + " holds something else, of type " + meta->Get("type"));
  }
  // Permission bits do not tell of all folders that take no file, and root passes them.
  const fs::path probe = folder / (".probe-" + RandomHex(8));
  if (const auto file = OpenFile(probe, O_WRONLY | O_CREAT | O_EXCL); !file) {
    return refuse(file.error().message);
  }
  unlink(probe.c_str());
  return {};
}

Result<ModelSpec> ReadModelDirectory(const fs::path& folder) { return SpecReader(folder).Read(); }

Result<ModelSpec> ReadTrainedModelDirectory(const fs::path& folder) {
  ROOST_ASSIGN(ModelSpec spec, ReadModelDirectory(folder));
  if (!spec.trained()) return SpecReader(folder).Refuse("the model has not been trained");
  return spec;
}

Result<fs::path> WeightsPath(const fs::path& folder) {
  SpecReader reader(folder);
  ROOST_ASSIGN(const YAML::Node root, reader.Load());
  const std::string name = ScalarAt(root, {"model_file"});
  const auto path = FileInFolder(folder, name.empty() ? kWeightsFile : name);
  if (!path) return reader.Refuse(path.error().message);
  return *path;
}

}  // namespace roost::trainer
