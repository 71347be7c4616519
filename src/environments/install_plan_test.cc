#include "environments/install_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "environments/conda_names.h"

namespace roost::environments {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

spec::EnvironmentDefinition Parsed(const char* text) {
  auto parsed = spec::ParseEnvironmentDefinition(nlohmann::json::parse(text));
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

InstallPlan Planned(const char* text, bool has_conda) {
  auto plan = PlanInstall(Parsed(text), has_conda);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? *plan : InstallPlan{};
}

// The definition of the article on training at scale.
constexpr const char* kArticle = R"({"python": {"conda": {
    "channels": ["conda-forge"], "packages": ["python=3.6.2"],
    "pip": ["azureml-defaults", "torch==1.6.0", "torchvision==0.7.0", "future==0.17.1",
            "pillow"]}}})";

TEST(InstallPlan, PythonAndAPipListNeedNoConda) {
  for (bool has_conda : {false, true}) {
    const auto plan = Planned(kArticle, has_conda);
    EXPECT_THAT(plan.conda_packages, IsEmpty());
    EXPECT_THAT(plan.requirements,
                ElementsAre("torch==1.6.0", "torchvision==0.7.0", "future==0.17.1", "pillow"));
    EXPECT_EQ(plan.python.ToText(), "==3.6.2.*");
    EXPECT_EQ(plan.python_asked, "python=3.6.2");
    EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("azureml-defaults is not installed")));
  }
}

TEST(InstallPlan, RealCondaPackagesGoToCondaWhereItIs) {
  const auto plan = Planned(R"({"python": {"conda": {
      "channels": ["pytorch", "nodefaults"],
      "packages": ["python=3.8", "pytorch=1.6", "cudatoolkit=10.1", "ffmpeg"],
      "pip": ["tqdm"]}}})",
                            true);
  EXPECT_THAT(plan.conda_packages,
              ElementsAre("python=3.8", "pytorch=1.6", "cudatoolkit=10.1", "ffmpeg", "pip"));
  EXPECT_THAT(plan.channels, ElementsAre("pytorch"));
  EXPECT_TRUE(plan.only_these_channels);
  EXPECT_THAT(plan.requirements, ElementsAre("tqdm"));
  EXPECT_THAT(plan.imports, ElementsAre("tqdm"));
  EXPECT_THAT(plan.imports_if_there, ElementsAre("torch", "cudatoolkit", "ffmpeg"));
}

TEST(InstallPlan, WithoutCondaPipSuppliesWhatItCan) {
  const auto plan = Planned(R"({"python": {"conda": {
      "channels": ["pytorch"],
      "packages": ["python>=3.8", "pytorch=1.6.0=py3.8_cuda10.1", "torchvision=0.7",
                   "cudatoolkit=10.1", "numpy", "pip", "scipy>=1.2,<2"],
      "pip": ["numpy==1.19.2", "--pre"]}}})",
                            false);
  EXPECT_THAT(plan.conda_packages, IsEmpty());
  EXPECT_THAT(plan.requirements, ElementsAre("torch==1.6.0", "torchvision==0.7.*", "pip",
                                             "scipy<2,>=1.2", "numpy==1.19.2"));
  EXPECT_EQ(plan.options.at(0).name, "--pre");
  const std::string notes = Join(plan.notes, "\n");
  EXPECT_THAT(notes, HasSubstr("is taken as torch==1.6.0 from pip"));
  EXPECT_THAT(notes, HasSubstr("names a build of conda"));
  EXPECT_THAT(notes, HasSubstr("cudatoolkit=10.1 is left out"));
  EXPECT_THAT(notes, HasSubstr("numpy of the conda part gives way"));
  EXPECT_THAT(notes, HasSubstr("channels pytorch are not used"));
}

TEST(InstallPlan, WithoutCondaTheErrorNamesEveryPackageAndTheTool) {
  const auto plan = PlanInstall(
      Parsed(R"({"python": {"conda": {"packages": ["ffmpeg=4", "numpy", "pytorch=1.6|1.7",
                                                    "pandas[version='>1']"]}}})"),
      false);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().details.size(), 3U);
  EXPECT_THAT(plan.error().message, HasSubstr("ffmpeg=4"));
  EXPECT_THAT(plan.error().message, HasSubstr("pytorch=1.6|1.7 has a version"));
  EXPECT_THAT(plan.error().message, HasSubstr("micromamba"));
}

TEST(InstallPlan, TheSdkIsLeftOutWhereverItIsNamed) {
  const auto plan = Planned(R"({"python": {"conda": {"packages": ["azureml-core"],
      "pip": ["AzureML_SDK[notebooks]>=1.0", "azureml-automl-core", "a"]}}})",
                            true);
  EXPECT_THAT(plan.requirements, ElementsAre("a"));
  EXPECT_THAT(plan.conda_packages, IsEmpty());
  EXPECT_EQ(plan.notes.size(), 3U);
  EXPECT_THAT(plan.notes.at(2), HasSubstr("what imports it will fail"));
}

TEST(ClassifySdkPackage, KnowsTheFamily) {
  for (const char* name : {"azureml-defaults", "azureml-core", "azureml-sdk", "azureml-train",
                           "azureml-train-core", "azureml-train-restclients-hyperdrive",
                           "azureml-pipeline", "azureml-pipeline-core", "azureml-pipeline-steps",
                           "azureml-widgets", "azureml-telemetry", "azureml-dataset-runtime"}) {
    EXPECT_EQ(ClassifySdkPackage(name), SdkPackage::kSatisfied) << name;
  }
  for (const char* name : {"azureml", "azureml-mlflow", "azureml-automl-core", "azureml-dataprep",
                           "azureml-contrib-run", "azureml-interpret"}) {
    EXPECT_EQ(ClassifySdkPackage(name), SdkPackage::kAbsent) << name;
  }
  for (const char* name : {"azureml-inference-server-http", "azure-ai-ml", "azure-core", "torch"}) {
    EXPECT_EQ(ClassifySdkPackage(name), SdkPackage::kNone) << name;
  }
}

TEST(InstallPlan, TheSdkIsLeftOutInEveryWriting) {
  const auto plan = Planned(R"({"python": {"conda": {"packages": ["azureml-train-core=1.20"],
      "pip": ["azureml_core==1.20.0 ; python_version>'3'", "azureml-defaults~=1.20",
              "https://x.org/azureml_telemetry-1.20-py3-none-any.whl"]}}})",
                            false);
  EXPECT_THAT(plan.requirements, IsEmpty());
  EXPECT_EQ(plan.notes.size(), 4U);
  for (const std::string& note : plan.notes) {
    EXPECT_THAT(note, HasSubstr("Roost's own package, which every run imports, takes its place"));
  }
}

TEST(InstallPlan, SaysWhatItDoesNotCheckAndNothingOfImages) {
  const auto plan = Planned(R"({"python": {"version": "3.9", "pip": [
      "https://x.org/a.zip", "b; python_version<'3'"]}, "docker": {"base_image": "img:1"}})",
                            false);
  EXPECT_EQ(plan.python.ToText(), "==3.9.*");
  EXPECT_THAT(plan.imports, IsEmpty());
  EXPECT_THAT(plan.imports_if_there, ElementsAre("b"));
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("a.zip")));
}

TEST(CondaNames, AnUnknownNameIsNotGuessed) {
  EXPECT_FALSE(PipNameOfConda("gcc_linux-64"));
  EXPECT_EQ(PipNameOfConda("pytorch")->name, "torch");
  EXPECT_EQ(PipNameOfConda("cudatoolkit")->name, "");
  EXPECT_EQ(PipNameOfConda("scikit-learn")->name, "scikit-learn");
}

}  // namespace
}  // namespace roost::environments
