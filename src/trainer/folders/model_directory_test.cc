#include "trainer/folders/model_directory.h"

#include <yaml-cpp/yaml.h>

#include "trainer/folders/folder_meta.h"
#include "trainer/folders/folders_test_fixture.h"
#include "trainer/folders/image_directory.h"

namespace roost::trainer {
namespace {

TEST(ModelDirectory, AnUntrainedOneComesBack) {
  const TempFolder folder;
  ModelSpec spec{.model_name = "densenet201", .pretrained = true, .memory_efficient = false};
  EXPECT_OK(WriteModelDirectory(folder.path() / "m", spec));
  const ModelSpec read = ROOST_VALUE(ReadModelDirectory(folder.path() / "m"));
  EXPECT_EQ(read.model_name, "densenet201");
  EXPECT_TRUE(read.pretrained);
  EXPECT_EQ(read.memory_efficient, false);
  EXPECT_FALSE(read.zero_init_residual);
  EXPECT_FALSE(read.trained());
  EXPECT_NUMBER(ReadTrainedModelDirectory(folder.path() / "m"), 159, "has not been trained");

  const YAML::Node yaml = YAML::LoadFile(folder.path() / "m/model_spec.yaml");
  EXPECT_EQ(yaml["flavor"]["name"].as<std::string>(), "pytorch");
  EXPECT_EQ(yaml["flavor"]["serialization_method"].as<std::string>(), "state_dict");
  EXPECT_EQ(yaml["flavor_extras"]["class"].as<std::string>(), "DenseNet");
  EXPECT_EQ(yaml["flavor_extras"]["init_params"].size(), 3U);
  EXPECT_EQ(yaml["task_type"].as<std::string>(), "MultiClassification");
  EXPECT_FALSE(yaml["label_map_file"]);
  EXPECT_FALSE(yaml["inputs"]);
  const std::string time = yaml["time_created"].as<std::string>();
  EXPECT_THAT(time, ::testing::MatchesRegex("....-..-..T..:..:..\\........0000")) << time;
}

TEST(ModelDirectory, ATrainedOneHasAllThatAServiceNeeds) {
  const TempFolder folder;
  auto data = ROOST_VALUE(
      ImageDirectoryWriter::Create(folder.path() / "data", ImageSchema::Classification({"a"})));
  Spill(folder.path() / "data/image/0_0.ppm", TinyPpm());
  EXPECT_OK(data.Add({"image/0_0.ppm", 0, 0}));
  EXPECT_OK(data.Finish());

  const fs::path m = folder.path() / "m";
  ModelSpec spec{.model_name = "resnet18", .zero_init_residual = true, .is_cuda = true};
  spec.labels = {"a b", "x, \"y\"\nz", "\u866b"};
  spec.time_created = "2026-01-31T12:00:00.000000+0000";
  EXPECT_OK(WriteModelDirectory(m, spec, folder.path() / "data"));
  const ModelSpec read = ROOST_VALUE(ReadTrainedModelDirectory(m));
  EXPECT_EQ(read.model_name, spec.model_name);
  EXPECT_EQ(read.labels, spec.labels);
  EXPECT_EQ(read.zero_init_residual, true);
  EXPECT_TRUE(read.is_cuda);
  EXPECT_FALSE(read.pretrained);
  EXPECT_EQ(read.time_created, spec.time_created);
  EXPECT_EQ(ROOST_VALUE(WeightsPath(m)), m / "model");

  EXPECT_TRUE(Slurp(m / "index_to_label.csv").starts_with(",label\n0,a b\n1,"));
  EXPECT_EQ(Slurp(m / "_schema.json"), Slurp(folder.path() / "data/_schema.json"));
  EXPECT_EQ(Slurp(m / "_samples.json"), Slurp(folder.path() / "data/_samples.json"));
  EXPECT_TRUE(fs::exists(m / "score.py"));
  EXPECT_EQ(YAML::LoadFile(m / "conda_env.yaml")["name"].as<std::string>(), "project_environment");
  const FolderMeta meta = ROOST_VALUE(ReadFolderMeta(m));
  EXPECT_EQ(meta.Get("type"), "ModelDirectory");
  EXPECT_EQ(meta.Get("registerModel"), "true");
  EXPECT_EQ(meta.Get("modelOutputPath"), "trained_model_outputs");
  const YAML::Node yaml = YAML::LoadFile(m / "model_spec.yaml");
  EXPECT_EQ(yaml["flavor_extras"]["init_params"]["num_classes"].as<int>(), 3);
  EXPECT_EQ(yaml["inputs"][0]["name"].as<std::string>(), "image");
  EXPECT_EQ(yaml["inputs"][0]["pre_processor"]["init_params"]["std"][2].as<double>(), 0.5);
}

TEST(ModelDirectory, OtherNetworksAreFunctionsOfTorchvision) {
  const TempFolder folder;
  ModelSpec spec{.model_name = "mobilenet_v3_small", .pretrained = true};
  EXPECT_OK(WriteModelDirectory(folder.path(), spec));
  const YAML::Node yaml = YAML::LoadFile(folder.path() / "model_spec.yaml");
  EXPECT_EQ(yaml["flavor_extras"]["module"].as<std::string>(), "torchvision.models");
  EXPECT_EQ(yaml["flavor_extras"]["class"].as<std::string>(), "mobilenet_v3_small");
  EXPECT_EQ(yaml["flavor_extras"]["init_params"].size(), 0U);
  const ModelSpec read = ROOST_VALUE(ReadModelDirectory(folder.path()));
  EXPECT_EQ(read.model_name, "mobilenet_v3_small");
  EXPECT_TRUE(read.pretrained);
}

TEST(ModelDirectory, WhatIsNoneIsNamed) {
  const TempFolder folder;
  const fs::path m = folder.path();
  EXPECT_NUMBER(ReadModelDirectory(m), 159, "is invalid. Reason: ");
  Spill(m / "_meta.yaml", "type: ImageDirectory");
  EXPECT_NUMBER(ReadModelDirectory(m), 159, "of type ImageDirectory");
  Spill(m / "_meta.yaml", "type: ModelDirectory\nmodel: ../model_spec.yaml");
  EXPECT_NUMBER(ReadModelDirectory(m), 159, "../model_spec.yaml");
  Spill(m / "_meta.yaml", "type: ModelDirectory\nmodel: model_spec.yaml");
  EXPECT_NUMBER(ReadModelDirectory(m), 159, "model_spec.yaml");

  const std::string flavor = "flavor: {name: pytorch, serialization_method: state_dict}\n";
  const std::string task = "task_type: MultiClassification\n";
  const std::string extras =
      "flavor_extras: {module: m, class: ResNet, init_params: {model_name: r";
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "does not hold a map"},
           {"{", "no YAML"},
           {"a: *b", "no YAML"},
           {"model_type: pickle\n", "must be a PyTorch model"},
           {"flavor: [1]\n", "must be a PyTorch model"},
           {flavor, "its task is ''"},
           {flavor + "task_type: Regression\n", "its task is 'Regression'"},
           {flavor + task, "names no model"},
           {flavor + task + extras + ", pretrained: 3}}", "'pretrained' is '3'"},
           {flavor + task + extras + "}}\nlabel_map_file: none.csv", "none.csv"},
           {flavor + task + extras + "}}\nlabel_map_file: /etc/passwd", "/etc/passwd"},
           {flavor + task + extras + "}}\nlabel_map_file: empty.csv", "has no labels"},
           {flavor + task + extras + "}}\nlabel_map_file: gap.csv", "is not '1,<label>'"},
           {flavor + task + extras + ", num_classes: 3}}\nlabel_map_file: two.csv",
            "2 labels and num_classes is '3'"}}) {
    Spill(m / "model_spec.yaml", text);
    Spill(m / "empty.csv", ",label\n");
    Spill(m / "gap.csv", ",label\n0,a\n2,b\n");
    Spill(m / "two.csv", ",label\n0,a\n1,b\n");
    EXPECT_NUMBER(ReadModelDirectory(m), 159, reason) << text;
  }
  Spill(m / "model_spec.yaml", flavor + task + extras + "}}\nmodel_file: ../../x");
  EXPECT_OK(ReadModelDirectory(m));
  EXPECT_NUMBER(WeightsPath(m), 159, "../../x");
  // Depth costs no stack.
  Spill(m / "model_spec.yaml", std::string(500'000, '['));
  EXPECT_NUMBER(ReadModelDirectory(m), 159, "no YAML");
}

}  // namespace
}  // namespace roost::trainer
