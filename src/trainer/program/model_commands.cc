#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "trainer/folders/component_error.h"
#include "trainer/folders/model_directory.h"
#include "trainer/models/export.h"
#include "trainer/models/inspect.h"
#include "trainer/models/pth.h"
#include "trainer/program/commands.h"
#include "trainer/program/trained_model.h"

namespace roost::trainer {
namespace {

constexpr int kLargestSide = 1 << 15;  // beyond it counts of operations leave 64 bits

struct UntrainedWords {
  fs::path output;
  ModelSpec spec{.model_name = "", .pretrained = true};
  bool memory_efficient = false;
  bool zero_init_residual = false;
  WeightWords weights;
};

// The component records what to build. As with Azure's, weights lie beside it, here those that a
// training would start from with ImageNet's classes.
Result<int> WriteUntrained(const UntrainedWords& words, ModelFamily family) {
  const Status known = CheckModelName(words.spec.model_name, family);
  if (!known) return FailModule(InvalidModel("Untrained model", known.error().message));
  ModelSpec spec = words.spec;
  if (family == ModelFamily::kDenseNet) spec.memory_efficient = words.memory_efficient;
  if (family == ModelFamily::kResNet) spec.zero_init_residual = words.zero_init_residual;
  ROOST_TRY(PrepareModelFolder(words.output));
  ROOST_ASSIGN(const auto network, MakeNetwork(spec, 0, words.weights));
  const Status saved = SavePth(*network, words.output / kWeightsFile, StateNames::kDesigner);
  if (!saved) return tl::unexpected<Error>(AsOutputError(saved.error()));
  ROOST_TRY(WriteModelDirectory(words.output, spec));
  return 0;
}

void AddFamily(CLI::App& app, Command* chosen, ModelFamily family) {
  const bool dense = family == ModelFamily::kDenseNet;
  auto words = std::make_shared<UntrainedWords>();
  words->spec.model_name = dense ? "densenet201" : "resnext101_32x8d";
  std::string names;
  for (const std::string& name : ModelNames(family)) names += (names.empty() ? "" : ", ") + name;
  CLI::App* const command =
      app.add_subcommand(dense ? "densenet" : "resnet", "Records an untrained network");
  command->add_option("--untrained-model-path", words->output, "New folder")->required();
  command->add_option("--model-name", words->spec.model_name, names);
  command->add_option("--pretrained", words->spec.pretrained, "Start from ImageNet's weights");
  if (dense) {
    command->add_option("--memory-efficient", words->memory_efficient,
                        "Compute again in the backward pass what is cheap");
  } else {
    command->add_option("--zero-init-residual", words->zero_init_residual,
                        "Let every residual branch start as zero");
  }
  command->add_option(
      "--weights-folder", words->weights.folder,
      "Where ImageNet's weights are looked for, and kept (default: PyTorch's cache)");
  command->add_flag("--offline", words->weights.offline, "Download nothing");
  command->callback([=] { *chosen = [words, family] { return WriteUntrained(*words, family); }; });
}

void AddInspect(CLI::App& app, Command* chosen) {
  struct Words {
    std::string name;
    fs::path folder;
    std::int64_t classes = 1000;
    std::int64_t side = 224;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command =
      app.add_subcommand("inspect", "Layers, parameters and FLOPs of a network");
  auto* const name = command->add_option("--model-name", words->name, "resnet50, densenet121, ...");
  auto* const folder = command->add_option("--model", words->folder, "A model directory");
  name->excludes(folder);
  command->add_option("--classes", words->classes, "Of a network given by name")
      ->check(CLI::PositiveNumber);
  command->add_option("--image-size", words->side, "Side of the images")
      ->check(CLI::Range(1, kLargestSide));
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      if (words->name.empty() && words->folder.empty()) {
        return Fail(ErrorCode::kInvalidArgument, "Give --model-name or --model.");
      }
      ModelSpec spec{.model_name = words->name};
      std::int64_t classes = words->classes;
      if (!words->folder.empty()) {
        ROOST_ASSIGN(spec, ReadModelDirectory(words->folder));
        classes = static_cast<std::int64_t>(spec.labels.size());
      }
      ROOST_ASSIGN(const auto network, Classifier::Make({.name = spec.model_name,
                                                         .pretrained = spec.pretrained,
                                                         .num_classes = classes}));
      ROOST_ASSIGN(const Graph graph, network->Describe(words->side, words->side));
      std::fputs(FormatSummary(graph, spec.model_name).c_str(), stdout);
      return 0;
    };
  });
}

void AddExport(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path model, output;
    std::int64_t side = 224;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command = app.add_subcommand(
      "export-onnx", "Writes a trained model as ONNX (opset 17, any batch size, logits)");
  command->add_option("--trained-model", words->model, "Trained model directory")->required();
  command->add_option("--output-path", words->output, "File to write, e.g. model.onnx")->required();
  command->add_option("--image-size", words->side, "Side of the images")
      ->check(CLI::Range(1, kLargestSide));
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_ASSIGN(const TrainedModel model, LoadTrainedModel(words->model));
      OnnxExportOptions options{.height = words->side, .width = words->side};
      std::string labels;
      for (const std::string& label : model.spec.labels) labels += label + "\n";
      options.metadata = {{"labels", labels}, {"mean", "0.5,0.5,0.5"}, {"std", "0.5,0.5,0.5"}};
      const Status written = ExportOnnx(*model.network, words->output, options);
      if (!written) return tl::unexpected<Error>(AsOutputError(written.error()));
      return 0;
    };
  });
}

}  // namespace

void AddModelCommands(CLI::App& app, Command* chosen) {
  AddFamily(app, chosen, ModelFamily::kDenseNet);
  AddFamily(app, chosen, ModelFamily::kResNet);
  AddInspect(app, chosen);
  AddExport(app, chosen);
}

}  // namespace roost::trainer
