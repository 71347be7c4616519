#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "trainer/folders/component_error.h"
#include "trainer/folders/dataframe.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/program/commands.h"
#include "trainer/program/trained_model.h"
#include "trainer/train/device.h"
#include "trainer/train/evaluation.h"
#include "trainer/train/options.h"
#include "trainer/train/torch_error.h"

namespace roost::trainer {
namespace {

constexpr const char* kDataset = "Dataset";

struct ScoreWords {
  fs::path model, dataset, output;
  std::int64_t batch_size = 16;
  std::int64_t crop = 0;
  std::string device = "auto";
};

Result<int> Score(const ScoreWords& words) {
  ROOST_ASSIGN(const at::Device device, ChooseDevice(words.device));
  ROOST_ASSIGN(const TrainedModel model, LoadTrainedModel(words.model));
  ROOST_ASSIGN(const ImageDirectory images, ImageDirectory::Open(words.dataset, kDataset));
  ROOST_ASSIGN(const auto source,
               ImageSource::Open(images, {.dataset = kDataset, .crop = words.crop}));
  ROOST_TRY(PrepareOutputFolder(words.output));
  OutputGuard guard({words.output});
  ROOST_ASSIGN(auto writer, DataFrameWriter::Create(
                                words.output, ScoreSchema(model.spec.labels, images.labelled())));
  model.network->ToChannelsLast();
  model.network->ToDevice(device);
  PrepareDevice(device, /*deterministic=*/false);

  const auto visit = [&](std::size_t row, const float* probabilities) {
    std::vector<std::string> cells;
    if (images.labelled()) {
      const int index = images.ClassOf(row);
      cells.push_back(index < 0 ? "" : images.classes()[static_cast<std::size_t>(index)]);
    }
    cells.push_back(std::to_string(images.IdOf(row)));
    const std::size_t classes = model.spec.labels.size();
    for (std::size_t i = 0; i < classes; ++i) {
      cells.push_back(NumberText(static_cast<double>(probabilities[i])));
    }
    const auto likeliest = std::max_element(probabilities, probabilities + classes) - probabilities;
    cells.push_back(model.spec.labels[static_cast<std::size_t>(likeliest)]);
    return writer.Add(cells);
  };
  const auto unreadable = GuardTorch(kDataset, [&] {
    return ScoreImages(
        *model.network, images, *source,
        {.batch_size = words.batch_size,
         .threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))},
        visit);
  });
  ROOST_TRY(unreadable);
  for (const std::string& sentence : *unreadable) {
    std::fprintf(stderr, "warning: An image is left out: %s\n", sentence.c_str());
  }
  if (unreadable->size() == images.size()) {
    return FailModule(InvalidDataset(kDataset, "none of its images can be read"));
  }
  ROOST_TRY(writer.Finish());
  guard.Keep();
  std::printf("%zu images scored\n", images.size() - unreadable->size());
  return 0;
}

}  // namespace

void AddScoreCommand(CLI::App& app, Command* chosen) {
  auto words = std::make_shared<ScoreWords>();
  CLI::App* const command =
      app.add_subcommand("score", "Probabilities and class of each image by a trained model");
  command->add_option("--trained-model", words->model, "Trained model directory")->required();
  command->add_option("--dataset", words->dataset, "Image directory")->required();
  command->add_option("--scored-dataset", words->output, "New folder")->required();
  command->add_option("--device", words->device, "auto, cpu, cuda or cuda:<number>");
  command->add_option("--batch-size", words->batch_size, "Images at once")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--crop", words->crop,
                   "Side of the middle that is looked at: what --random-resized-crop was when "
                   "the model was trained (0: whole images)")
      ->check(CLI::Range(std::int64_t{0}, kLargestCrop));
  command->callback([=] { *chosen = [words] { return Score(*words); }; });
}

}  // namespace roost::trainer
