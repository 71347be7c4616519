#pragma once

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/image_directory.h"
#include "trainer/models/model.h"
#include "trainer/program/run_report.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// Shows a Roost run how a trained model does on its validation images: the confusion matrix
// "Validation confusion matrix" (rows are the true classes; left out above 100 classes), and under
// "Misclassified images" up to 16 images, those whose wrong class was given the highest probability
// first. Their pictures, at most 512 pixels a side, are written into `outputs`/misclassified, which
// the server keeps with the run.
Status ReportValidation(Classifier& model, const ImageDirectory& validation,
                        const TrainOptions& options, const fs::path& outputs, RunReport& run);

}  // namespace roost::trainer
