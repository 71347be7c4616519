#include "trainer/program/trained_model.h"

#include <cstdio>

#include "trainer/folders/component_error.h"
#include "trainer/models/pth.h"

namespace roost::trainer {
namespace {

ModelOptions OptionsOf(const ModelSpec& spec, std::int64_t classes) {
  return {.name = spec.model_name,
          .pretrained = spec.pretrained,
          .memory_efficient = spec.memory_efficient.value_or(false),
          .zero_init_residual = spec.zero_init_residual.value_or(false),
          .num_classes = classes};
}

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> environment;
  for (const char* name : {"ROOST_WEIGHTS", "TORCH_HOME", "XDG_CACHE_HOME", "HOME"}) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  return environment;
}

Error AsModelError(const Error& error, std::string_view directory) {
  return ToError(InvalidModel(directory, error.message));
}

Result<fs::path> PretrainedWeights(const std::string& model, const WeightWords& words) {
  const std::optional<fs::path> chosen =
      words.folder.empty() ? std::nullopt : std::optional(words.folder);
  ROOST_ASSIGN(const fs::path folder, WeightFolder(chosen, Environment()));
  const Result<fs::path> file =
      FindPretrainedWeights(model, {.folder = folder, .offline = words.offline});
  if (file || file.error().code != ErrorCode::kUnavailable) return file;
  return FailModule({162, "FailedToDownloadFiles", file.error().message});
}

}  // namespace

Result<std::unique_ptr<Classifier>> MakeNetwork(const ModelSpec& spec, std::int64_t classes,
                                                const WeightWords& words) {
  Result<std::unique_ptr<Classifier>> network = Classifier::Make(OptionsOf(spec, classes));
  if (!network) {
    return tl::unexpected<Error>(AsModelError(network.error(), "Untrained model"));
  }
  if (spec.pretrained && !words.from_others) {
    ROOST_ASSIGN(const fs::path weights, PretrainedWeights(spec.model_name, words));
    ROOST_TRY(LoadBackbonePth(**network, weights));
  }
  return network;
}

Result<TrainedModel> LoadTrainedModel(const fs::path& folder) {
  TrainedModel model;
  ROOST_ASSIGN(model.spec, ReadTrainedModelDirectory(folder));
  ROOST_ASSIGN(const fs::path weights, WeightsPath(folder));
  Result<std::unique_ptr<Classifier>> network =
      Classifier::Make(OptionsOf(model.spec, static_cast<std::int64_t>(model.spec.labels.size())));
  if (!network) return tl::unexpected<Error>(AsModelError(network.error(), "Trained model"));
  const Status loaded = LoadPth(**network, weights);
  if (!loaded) return tl::unexpected<Error>(AsModelError(loaded.error(), "Trained model"));
  model.network = std::move(*network);
  return model;
}

}  // namespace roost::trainer
