#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "trainer/folders/convert.h"
#include "trainer/folders/evaluate.h"
#include "trainer/folders/split.h"
#include "trainer/folders/transformation.h"
#include "trainer/program/commands.h"
#include "trainer/program/run_report.h"

namespace roost::trainer {
namespace {

void Print(const Warnings& warnings) {
  for (const std::string& line : warnings.lines) {
    std::fprintf(stderr, "warning: %s\n", line.c_str());
  }
  if (warnings.count > warnings.lines.size()) {
    std::fprintf(stderr, "warning: and %zu more\n", warnings.count - warnings.lines.size());
  }
}

void AddConvert(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path input, output;
    ConvertOptions options;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command = app.add_subcommand(
      "convert-image-directory",
      "Makes an image directory of class folders, a flat folder, COCO or an archive");
  command->add_option("--input-path", words->input, "Folder or archive")->required();
  command->add_option("--output-path", words->output, "New folder")->required();
  command->add_option("--threads", words->options.threads, "Copying threads (0: one for each core)")
      ->check(CLI::NonNegativeNumber);
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_ASSIGN(const ConvertReport report,
                   ConvertToImageDirectory(words->input, words->output, words->options));
      Print(report.warnings);
      std::printf("%zu images\n", report.images);
      for (std::size_t i = 0; i < report.classes.size(); ++i) {
        std::printf("  %-30s %zu\n", report.classes[i].c_str(), report.class_counts[i]);
      }
      return 0;
    };
  });
}

void AddInit(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path output;
    TransformationOptions options;
  };
  auto words = std::make_shared<Words>();
  TransformationOptions& to = words->options;
  CLI::App* const command =
      app.add_subcommand("init-image-transformation",
                         "Writes a list of image operations; they come in the order shown here");
  command->add_option("--output-path", words->output, "New folder")->required();
  const auto add = [&](const char* name, auto& value, const char* help) {
    command->add_option(name, value, help);
  };
  add("--resize", to.resize, "Resize the shorter side");
  add("--size", to.size, "to so many pixels");
  add("--center-crop,--center_crop", to.center_crop, "Keep the middle");
  add("--crop-size,--crop_size", to.crop_size, "of so many pixels");
  add("--pad", to.pad, "Add a black border");
  add("--padding", to.padding, "of so many pixels");
  add("--color-jitter,--color_jitter", to.color_jitter,
      "Change brightness, contrast and saturation at random");
  add("--color-jitter-strength", to.color_jitter_strength, "by up to this share");
  add("--grayscale", to.grayscale, "Take the colours away");
  add("--random-resized-crop,--random_resized_crop", to.random_resized_crop,
      "Cut out a random part and resize it");
  add("--random-resized-crop-size,--random_resized_crop_size", to.random_resized_crop_size,
      "to so many pixels");
  add("--random-crop,--random_crop", to.random_crop, "Cut out a random part");
  add("--random-crop-size,--random_crop_size", to.random_crop_size, "of so many pixels");
  add("--random-horizontal-flip,--random_horizontal_flip", to.random_horizontal_flip,
      "Mirror every other image left to right");
  add("--random-vertical-flip,--random_vertical_flip", to.random_vertical_flip,
      "Mirror every other image top to bottom");
  add("--random-rotation,--random_rotation", to.random_rotation, "Rotate at random");
  add("--random-rotation-degrees,--random_rotation_degrees", to.random_rotation_degrees,
      "by up to so many degrees");
  add("--random-affine,--random_affine", to.random_affine, "Affine map at random: its rotation");
  add("--random-affine-degrees,--random_affine_degrees", to.random_affine_degrees,
      "by up to so many degrees");
  add("--random-grayscale,--random_grayscale", to.random_grayscale,
      "Take the colours of every tenth image away");
  add("--random-perspective,--random_perspective", to.random_perspective,
      "Look at every other image from the side");
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_TRY(InitImageTransformation(words->options, words->output));
      return 0;
    };
  });
}

void AddApply(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path transformation, input, output;
    std::string mode;
    ApplyOptions options;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command =
      app.add_subcommand("apply-image-transformation",
                         "Carries the operations out on all images of a directory, once");
  command->add_option("--input-image-transform-path", words->transformation, "The operations")
      ->required();
  command->add_option("--input-image-dir-path", words->input, "Image directory")->required();
  command->add_option("--mode", words->mode, "'For training' or 'For inference'")->required();
  command->add_option("--output-path", words->output, "New folder")->required();
  command->add_option("--seed", words->options.seed, "Of the random operations");
  command->add_option("--threads", words->options.threads, "0: one for each core")
      ->check(CLI::NonNegativeNumber);
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_ASSIGN(words->options.mode, ParseApplyMode(words->mode));
      ROOST_ASSIGN(const ApplyReport report,
                   ApplyImageTransformation(words->transformation, words->input, words->output,
                                            words->options));
      Print(report.warnings);
      std::printf("%zu images\n", report.images);
      return 0;
    };
  });
}

void AddSplit(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path input, first, second;
    SplitOptions options;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command = app.add_subcommand("split-image-directory",
                                               "Splits an image directory, class by class, in two");
  command->add_option("--src-path", words->input, "Image directory")->required();
  command->add_option("--tgt-train-path", words->first, "New folder for the first part")
      ->required();
  command->add_option("--tgt-test-path", words->second, "New folder for the second part")
      ->required();
  command->add_option("--fraction", words->options.fraction, "Share of images in the first part");
  command->add_option("--seed", words->options.seed, "Of the draw");
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_ASSIGN(const SplitReport report,
                   SplitImageDirectory(words->input, words->first, words->second, words->options));
      Print(report.warnings);
      std::printf("%zu and %zu images%s\n", report.first, report.second,
                  report.stratified ? "" : ", not drawn class by class");
      return 0;
    };
  });
}

void AddEvaluate(CLI::App& app, Command* chosen) {
  struct Words {
    fs::path left, output;
    std::optional<fs::path> right;
  };
  auto words = std::make_shared<Words>();
  CLI::App* const command = app.add_subcommand(
      "evaluate", "Accuracy, precision, recall and confusion matrix of one or two scored datasets");
  command->add_option("--scored-dataset", words->left, "Scored dataset")->required();
  command->add_option("--scored-dataset-to-compare", words->right, "Another one");
  command->add_option("--evaluation-results,--output-path", words->output, "New folder")
      ->required();
  command->callback([=] {
    *chosen = [words]() -> Result<int> {
      ROOST_ASSIGN(const EvaluateResult result,
                   EvaluateModel(words->left, words->right, words->output));
      const std::unique_ptr<RunReport> run = RunReport::FromEnvironment();
      for (const auto& [name, value] : result.NamedValues()) {
        std::printf("%-32s %.6f\n", name.c_str(), value);
        if (run) run->Point(name, value, 0);
      }
      return 0;
    };
  });
}

}  // namespace

void AddFolderCommands(CLI::App& app, Command* chosen) {
  AddConvert(app, chosen);
  AddSplit(app, chosen);
  AddInit(app, chosen);
  AddApply(app, chosen);
  AddEvaluate(app, chosen);
}

}  // namespace roost::trainer
