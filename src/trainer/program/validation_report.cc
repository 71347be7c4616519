#include "trainer/program/validation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "trainer/images/decode.h"
#include "trainer/images/encode.h"
#include "trainer/images/resize.h"
#include "trainer/train/evaluation.h"

namespace roost::trainer {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostPictures = 16;
constexpr std::size_t kMostClasses = 100;
constexpr int kLongestSide = 512;

struct Mistake {
  std::size_t row = 0;
  std::size_t predicted = 0;
  float probability = 0;
};

// The worst so far; a heap whose first is the mildest of them.
class WorstMistakes {
 public:
  void Add(const Mistake& mistake) {
    mistakes_.push_back(mistake);
    std::push_heap(mistakes_.begin(), mistakes_.end(), Worse);
    if (mistakes_.size() <= kMostPictures) return;
    std::pop_heap(mistakes_.begin(), mistakes_.end(), Worse);
    mistakes_.pop_back();
  }
  std::vector<Mistake> WorstFirst() && {
    std::sort_heap(mistakes_.begin(), mistakes_.end(), Worse);
    return std::move(mistakes_);
  }

 private:
  static bool Worse(const Mistake& a, const Mistake& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.row < b.row;
  }
  std::vector<Mistake> mistakes_{};
};

Result<std::string> Picture(const fs::path& path) {
  ROOST_ASSIGN(const DecodedImage decoded, DecodeImageFile(path));
  const Image& image = decoded.image;
  const int longest = std::max(image.width, image.height);
  if (longest <= kLongestSide) return EncodePng(image);
  const auto shrunk = [&](int side) {
    return std::max(1, static_cast<int>(std::int64_t{side} * kLongestSide / longest));
  };
  return EncodePng(
      ResizeImage(image, shrunk(image.width), shrunk(image.height), Filter::kBilinear));
}

Status ReportMistakes(const std::vector<Mistake>& mistakes, const ImageDirectory& validation,
                      const fs::path& outputs, RunReport& run) {
  if (mistakes.empty()) return {};
  ROOST_TRY(MakeFolders(outputs / "misclassified"));
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    const Mistake& mistake = mistakes[i];
    ROOST_ASSIGN(const std::string picture, Picture(validation.PathOf(mistake.row)));
    const std::string name = fmt::format("misclassified/{:02}.png", i + 1);
    ROOST_TRY(WriteFileAtomic(outputs / name, picture));
    const auto truth = static_cast<std::size_t>(validation.ClassOf(mistake.row));
    run.Entry("Misclassified images", "image", {{"path", "outputs/" + name}},
              fmt::format("{}: {}, taken for {} ({:.1f} %)", validation.FileName(mistake.row),
                          validation.classes()[truth], validation.classes()[mistake.predicted],
                          static_cast<double>(mistake.probability) * 100));
  }
  return {};
}

}  // namespace

Status ReportValidation(Classifier& model, const ImageDirectory& validation,
                        const TrainOptions& options, const fs::path& outputs, RunReport& run) {
  const std::size_t classes = validation.classes().size();
  std::vector<std::vector<std::int64_t>> matrix(classes <= kMostClasses ? classes : 0,
                                                std::vector<std::int64_t>(classes));
  WorstMistakes worst;
  const auto visit = [&](std::size_t row, const float* probabilities) -> Status {
    const int label = validation.ClassOf(row);
    if (label < 0) return {};
    const auto truth = static_cast<std::size_t>(label);
    const auto predicted = static_cast<std::size_t>(
        std::max_element(probabilities, probabilities + classes) - probabilities);
    if (!matrix.empty()) ++matrix[truth][predicted];
    if (predicted != truth) worst.Add({row, predicted, probabilities[predicted]});
    return {};
  };
  ROOST_ASSIGN(const auto source,
               ImageSource::Open(validation, {.dataset = "Validation dataset",
                                              .crop = options.random_resized_crop}));
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  ROOST_TRY(ScoreImages(model, validation, *source,
                        {.batch_size = options.batch_size,
                         .threads = threads,
                         .channels_last = options.channels_last},
                        visit));
  if (!matrix.empty()) {
    run.Entry("Validation confusion matrix", "confusion_matrix",
              {{"schema_type", "confusion_matrix"},
               {"schema_version", "1.0.0"},
               {"data", {{"class_labels", validation.classes()}, {"matrix", matrix}}}});
  }
  return ReportMistakes(std::move(worst).WorstFirst(), validation, outputs, run);
}

}  // namespace roost::trainer
