#pragma once

#include <map>
#include <string>

#include "trainer/folders/image_directory.h"
#include "trainer/models/model.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// All that decides what a training computes, by names that users know: a checkpoint is gone on from
// only with the same, and all processes of a training must have the same.
std::map<std::string, std::string> SettingsOf(const Classifier& model,
                                              const ImageDirectory& training,
                                              const ImageDirectory& validation,
                                              const TrainOptions& options, int processes);

}  // namespace roost::trainer
