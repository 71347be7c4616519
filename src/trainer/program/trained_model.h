#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/model_directory.h"
#include "trainer/models/model.h"
#include "trainer/models/pretrained.h"

namespace roost::trainer {

struct WeightWords {  // where ImageNet's weights come from
  fs::path folder{};  // empty: see WeightFolder
  bool offline = false;
  bool from_others = false;  // another process has them and will share them
};

// The network of a model directory with `classes` outputs, and with ImageNet's weights where it
// asks for them. Errors: 159, 162.
Result<std::unique_ptr<Classifier>> MakeNetwork(const ModelSpec& spec, std::int64_t classes,
                                                const WeightWords& words);

struct TrainedModel {
  ModelSpec spec{};
  std::unique_ptr<Classifier> network{};
};
// A trained model directory with its weights; nothing is downloaded. Errors: 159.
Result<TrainedModel> LoadTrainedModel(const fs::path& folder);

}  // namespace roost::trainer
