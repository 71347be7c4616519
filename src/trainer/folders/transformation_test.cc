#include "trainer/folders/transformation.h"

#include <nlohmann/json.hpp>

#include "trainer/folders/folder_meta.h"
#include "trainer/folders/folders_test_fixture.h"
#include "trainer/folders/image_directory.h"
#include "trainer/images/decode.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const std::vector<Operation>& list) {
  std::vector<std::string> names;
  for (const Operation& operation : list) names.emplace_back(NameOf(operation));
  return names;
}

TransformationOptions None() {
  TransformationOptions options;
  options.resize = options.center_crop = options.random_horizontal_flip = false;
  return options;
}

TransformationOptions All() {
  TransformationOptions options;
  for (bool* on :
       {&options.pad, &options.color_jitter, &options.grayscale, &options.random_resized_crop,
        &options.random_crop, &options.random_vertical_flip, &options.random_rotation,
        &options.random_affine, &options.random_grayscale, &options.random_perspective}) {
    *on = true;
  }
  return options;
}

class TransformationTest : public ::testing::Test {
 protected:
  // Writes _transforms.json of the given text and reads it.
  Result<std::vector<Operation>> Read(const std::string& text) {
    Spill(folder.path() / "t/_meta.yaml", "type: TransformationDirectory\ntransform_type: Image\n");
    Spill(folder.path() / "t/_transforms.json", text);
    return ReadTransformation(folder.path() / "t");
  }
  fs::path Init(const TransformationOptions& options) {
    (void)RemoveTree(folder.path() / "t");
    EXPECT_OK(InitImageTransformation(options, folder.path() / "t"));
    return folder.path() / "t";
  }
  // `count` images of a pattern, 12 x 8.
  void WriteImages(int count) {
    auto writer =
        ROOST_VALUE(ImageDirectoryWriter::Create(in, ImageSchema::Classification({"a", "b"})));
    for (int i = 0; i < count; ++i) {
      std::string pixels;
      for (int p = 0; p < 12 * 8 * 3; ++p) pixels += static_cast<char>(p * 7 + i * 31);
      const std::string name = "image/" + std::to_string(i % 2) + "_" + std::to_string(i) + ".ppm";
      Spill(in / name, "P6\n12 8\n255\n" + pixels);
      EXPECT_OK(writer.Add({name, i % 2, 10 + i}));
    }
    EXPECT_OK(writer.Finish());
  }
  Result<ApplyReport> Apply(const ApplyOptions& options = {}) {
    (void)RemoveTree(out);
    return ApplyImageTransformation(folder.path() / "t", in, out, options);
  }
  // All images of the output, one after the other.
  std::string Pixels() {
    const ImageDirectory directory = ROOST_VALUE(ImageDirectory::Open(out, "out"));
    std::string all;
    for (std::size_t i = 0; i < directory.size(); ++i) {
      const Image image = ROOST_VALUE(DecodeImageFile(directory.PathOf(i))).image;
      all.append(image.pixels.begin(), image.pixels.end());
    }
    return all;
  }

  TempFolder folder;
  const fs::path in = folder.path() / "in";
  const fs::path out = folder.path() / "out";
};

TEST_F(TransformationTest, TheDefaultsAreTheDesigners) {
  const fs::path t = Init({});
  EXPECT_EQ(json::parse(Slurp(t / "_transforms.json")),
            json::parse(R"([["Resize", 256], ["CenterCrop", 224], ["RandomHorizontalFlip", {}]])"));
  const FolderMeta meta = ROOST_VALUE(ReadFolderMeta(t));
  EXPECT_EQ(meta.Get("type"), "TransformationDirectory");
  EXPECT_EQ(meta.Get("transform_type"), "Image");
  EXPECT_TRUE(ROOST_VALUE(OperationsOf(None())).empty());
}

TEST_F(TransformationTest, AllOperationsComeBackInOrder) {
  TransformationOptions options = All();
  options.random_rotation_degrees = 30;
  options.random_affine_degrees = 12.5;
  options.size = 100;
  options.padding = 3;
  const auto list = ROOST_VALUE(ReadTransformation(Init(options)));
  EXPECT_THAT(NamesOf(list), ElementsAre("Resize", "CenterCrop", "Pad", "ColorJitter", "Grayscale",
                                         "RandomResizedCrop", "RandomCrop", "RandomHorizontalFlip",
                                         "RandomVerticalFlip", "RandomRotation", "RandomAffine",
                                         "RandomGrayscale", "RandomPerspective"));
  EXPECT_EQ(std::get<operations::Resize>(list[0]).size, 100);
  EXPECT_EQ(std::get<operations::Pad>(list[2]).padding, 3);
  EXPECT_EQ(std::get<operations::ColorJitter>(list[3]).brightness, (operations::Range{0.6, 1.4}));
  EXPECT_FALSE(std::get<operations::ColorJitter>(list[3]).hue);
  EXPECT_EQ(std::get<operations::RandomResizedCrop>(list[5]).size, 256);
  EXPECT_EQ(std::get<operations::RandomRotation>(list[9]).degrees, 30);
  EXPECT_EQ(std::get<operations::RandomAffine>(list[10]).degrees, 12.5);
}

TEST_F(TransformationTest, OptionsOutOfRangeAreNamed) {
  const auto check = [&](auto set, const std::string& name) {
    TransformationOptions options = None();
    set(options);
    EXPECT_NUMBER(InitImageTransformation(options, folder.path() / "x"), 8,
                  "Parameter \"" + name + "\" value should be in the range of [");
    EXPECT_FALSE(fs::exists(folder.path() / "x"));
  };
  check([](auto& o) { o.size = 0; }, "Size");
  check([](auto& o) { o.size = 65536; }, "Size");
  check([](auto& o) { o.crop_size = -1; }, "Crop size");
  check([](auto& o) { o.padding = -1; }, "Padding");
  check([](auto& o) { o.color_jitter_strength = 1.1; }, "Color jitter strength");
  check([](auto& o) { o.random_resized_crop_size = 0; }, "Random size");
  check([](auto& o) { o.random_crop_size = 0; }, "Random crop size");
  check([](auto& o) { o.random_rotation_degrees = 180.5; }, "Random rotation degrees");
  check([](auto& o) { o.random_affine_degrees = -1; }, "Random affine degrees");
}

TEST_F(TransformationTest, ArgumentsMayComeInAnyFormOfAzures) {
  const auto list = ROOST_VALUE(Read(R"([
    ["Resize", {"size": 10}], ["CenterCrop", [[4, 4]]], ["Grayscale", {}], ["ColorJitter", {}],
    ["ColorJitter", [0.5, 0, [0.9, 1.0], 0.1]], ["RandomResizedCrop", [5, [0.5, 1.0]]],
    ["RandomRotation", [[-20, 20]]], ["RandomPerspective", {"p": 1}], ["RandomHorizontalFlip", null]])"));
  ASSERT_EQ(list.size(), 9U);
  EXPECT_EQ(std::get<operations::CenterCrop>(list[1]).size, 4);
  const auto jitter = std::get<operations::ColorJitter>(list[4]);
  EXPECT_EQ(jitter.brightness, (operations::Range{0.5, 1.5}));
  EXPECT_FALSE(jitter.contrast);
  EXPECT_EQ(jitter.saturation, (operations::Range{0.9, 1.0}));
  EXPECT_EQ(jitter.hue, (operations::Range{-0.1, 0.1}));
  EXPECT_EQ(std::get<operations::RandomResizedCrop>(list[5]).scale, (operations::Range{0.5, 1.0}));
  EXPECT_EQ(std::get<operations::RandomRotation>(list[6]).degrees, 20);
  EXPECT_EQ(std::get<operations::RandomPerspective>(list[7]).probability, 1);
}

TEST_F(TransformationTest, WhatIsNoTransformationIsNamed) {
  const fs::path t = folder.path() / "t";
  EXPECT_NUMBER(ReadTransformation(t), 158, "is invalid. Reason: ");
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "no list"},
           {"{}", "no list"},
           {"[1]", "not [<operation>, <arguments>]"},
           {R"([["Resize"]])", "not [<operation>, <arguments>]"},
           {R"([["ToTensor", {}]])", "ToTensor is unknown or does not turn an image into an image"},
           {R"([["os.system", "rm"]])", "os.system is unknown"},
           {R"([["Resize", {}]])", "'size', which is missing"},
           {R"([["Resize", "x"]])", "'size', which is no whole number"},
           {R"([["Resize", 0]])", "Resize is wrong"},
           {R"([["Resize", 1e9]])", "no whole number"},
           {R"([["Resize", [4, 5]]])", "too many"},
           {R"([["Resize", [[4, 5]]]])", "no whole number"},
           {R"([["Resize", {"size": 4, "interpolation": 3}]])",
            "'interpolation', which is not sup"},
           {R"([["RandomHorizontalFlip", {"p": 2}]])", "RandomHorizontalFlip is wrong"},
           {R"([["RandomHorizontalFlip", {"p": "1"}]])", "'p', which is no number"},
           {R"([["RandomRotation", [[0, 20]]]])", "not the same to both sides"},
           {R"([["ColorJitter", {"hue": [1]}]])", "'hue', which is no list of two numbers"},
           {R"([["ColorJitter", {"hue": 0.7}]])", "ColorJitter is wrong"},
           {R"([["Grayscale", 2]])", "num_output_channels"}}) {
    EXPECT_NUMBER(Read(text), 158, reason) << text;
  }
  Spill(t / "_meta.yaml", "type: TransformationDirectory\nfile_path: transform.pkl\n");
  EXPECT_NUMBER(ReadTransformation(t), 158, "no transformation of images");
  Spill(t / "_meta.yaml", "type: ImageDirectory\n");
  EXPECT_NUMBER(ReadTransformation(t), 158, "of type ImageDirectory");
  WriteImages(1);
  EXPECT_NUMBER(ApplyImageTransformation(in, in, out), 158, "of type ImageDirectory");
}

TEST_F(TransformationTest, TheResultDependsOnTheSeedAlone) {
  WriteImages(12);
  TransformationOptions options = All();
  options.size = 20;
  options.crop_size = 16;
  options.random_resized_crop_size = 16;
  options.random_crop_size = 9;
  options.random_rotation_degrees = options.random_affine_degrees = 45;
  Init(options);
  EXPECT_EQ(ROOST_VALUE(Apply({.threads = 1})).images, 12U);
  const std::string once = Pixels();
  EXPECT_EQ(once.size(), 12U * 9 * 9 * 3);
  const std::string list = Slurp(out / "images.lst");
  EXPECT_OK(Apply({.threads = 5}));
  EXPECT_EQ(Pixels(), once);
  EXPECT_EQ(Slurp(out / "images.lst"), list);
  EXPECT_OK(Apply({.seed = 43}));
  EXPECT_NE(Pixels(), once);

  const ImageDirectory directory = ROOST_VALUE(ImageDirectory::Open(out, "out"));
  EXPECT_EQ(directory.FileName(3), "image/1_3.png");
  EXPECT_EQ(directory.ClassOf(3), 1);
  EXPECT_EQ(directory.IdOf(3), 13);
  EXPECT_THAT(directory.classes(), ElementsAre("a", "b"));
}

TEST_F(TransformationTest, InferenceLeavesOutWhatIsRandom) {
  WriteImages(4);
  Init(None());
  EXPECT_OK(Apply());
  const std::string unchanged = Pixels();

  TransformationOptions options = None();
  options.random_horizontal_flip = options.random_vertical_flip = options.random_crop = true;
  options.random_perspective = options.random_grayscale = true;
  options.random_crop_size = 4;
  Init(options);
  EXPECT_OK(Apply({.mode = ApplyMode::kInference}));
  EXPECT_EQ(Pixels(), unchanged);
  EXPECT_OK(Apply({.mode = ApplyMode::kTraining}));
  EXPECT_EQ(Pixels().size(), 4U * 4 * 4 * 3);

  options = None();
  options.color_jitter = true;
  Init(options);
  EXPECT_OK(Apply({.mode = ApplyMode::kInference}));
  EXPECT_NE(Pixels(), unchanged);

  EXPECT_EQ(ROOST_VALUE(ParseApplyMode("For inference")), ApplyMode::kInference);
  EXPECT_EQ(ROOST_VALUE(ParseApplyMode("For training")), ApplyMode::kTraining);
  EXPECT_NUMBER(ParseApplyMode("training"), 8, "\"Mode\" value is not in range. It is 'training'");
}

TEST_F(TransformationTest, GrayscaleReallyMakesGray) {
  WriteImages(1);
  TransformationOptions options = None();
  options.grayscale = true;
  Init(options);
  EXPECT_OK(Apply());
  const std::string pixels = Pixels();
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    ASSERT_EQ(pixels[i], pixels[i + 1]);
    ASSERT_EQ(pixels[i], pixels[i + 2]);
  }
}

TEST_F(TransformationTest, ImagesThatFailAreNamed) {
  WriteImages(4);
  Init(None());
  Spill(in / "image/0_0.ppm", "P6\n12 8\n255\nabc");
  Spill(in / "image/1_1.ppm", "");
  Spill(in / "image/0_2.ppm", "not at all");
  const ApplyReport report = ROOST_VALUE(Apply());
  EXPECT_THAT(report.warnings.lines, ElementsAre(HasSubstr("image/0_0.ppm end early"),
                                                 HasSubstr("1_1.ppm"), HasSubstr("0_2.ppm")));
  EXPECT_EQ(report.images, 2U);
  EXPECT_EQ(ROOST_VALUE(ImageDirectory::Open(out, "x")).IdOf(1), 13);
  EXPECT_NUMBER(Apply({.max_unreadable = 1}), 18, "2 of 4 images cannot be decoded, image/1_1.ppm");

  Spill(in / "image/1_1.ppm", "P6\n100000 100000\n255\n");
  EXPECT_NUMBER(Apply(), 127, "1_1.ppm' exceeds allowed limit");
  EXPECT_TRUE(fs::is_empty(out));

  WriteImages(2);
  TransformationOptions options = None();
  options.random_crop = true;
  options.random_crop_size = 10;
  Init(options);
  EXPECT_NUMBER(Apply(), 18, "RandomCrop cannot be applied to ");
}

TEST_F(TransformationTest, NamesThatDifferInTheExtensionAloneStayApart) {
  auto writer = ROOST_VALUE(ImageDirectoryWriter::Create(in, ImageSchema::Unlabelled()));
  Spill(in / "image/x.ppm", TinyPpm(1, 1, 1));
  Spill(in / "image/x.pgm", TinyPpm(1, 1, 2));
  EXPECT_OK(writer.Add({"image/x.ppm", -1, 0}));
  EXPECT_OK(writer.Add({"image/x.pgm", -1, 1}));
  EXPECT_OK(writer.Finish());
  Init(None());
  EXPECT_OK(Apply());
  EXPECT_EQ(Pixels(), std::string("\1\1\1\2\2\2"));
}

}  // namespace
}  // namespace roost::trainer
