#include "engine/run_environment.h"

#include <gtest/gtest.h>

namespace roost::engine {
namespace {

class RunEnvironmentTest : public testing::Test {
 protected:
  RunEnvironmentTest() : layout("/data", RunId("exp_1_ab"), 2) {
    run.id = RunId("exp_1_ab");
    run.experiment = ExperimentId(7);
    run.experiment_name = "exp";
    identity.server_url = "http://127.0.0.1:7070";
    identity.token = "secret";
    identity.launch_id = "launch";
    identity.attempt = 2;
  }
  EnvironmentMap Make() {
    return MakeRunEnvironment(run, definition, layout, identity, server_environment);
  }

  store::Run run;
  spec::RunDefinition definition;
  spec::RunLayout layout;
  RunIdentity identity;
  EnvironmentMap server_environment;
};

TEST_F(RunEnvironmentTest, TellsTheRunWhoItIs) {
  const EnvironmentMap made = Make();
  EXPECT_EQ(made.at("ROOST_URL"), "http://127.0.0.1:7070");
  EXPECT_EQ(made.at("ROOST_TOKEN"), "secret");
  EXPECT_EQ(made.at("ROOST_RUN_ID"), "exp_1_ab");
  EXPECT_EQ(made.at("ROOST_EXPERIMENT"), "exp");
  EXPECT_EQ(made.at("ROOST_ATTEMPT"), "2");
  EXPECT_EQ(made.at("ROOST_LAUNCH_ID"), "launch");
  EXPECT_EQ(made.at("ROOST_REPORT_FILE"), layout.report_file().string());
  EXPECT_EQ(made.at("AZUREML_RUN_ID"), "exp_1_ab");
  EXPECT_EQ(made.at("AZUREML_EXPERIMENT_ID"), "7");
  EXPECT_EQ(made.at("AZUREML_ARM_PROJECT_NAME"), "exp");
  EXPECT_EQ(made.at("AZUREML_ARM_WORKSPACE_NAME"), "roost");
  EXPECT_EQ(made.at("AZUREML_RUN_TOKEN"), "secret");
  EXPECT_EQ(made.at("AZUREML_OUTPUT_DIRECTORY"), layout.outputs_folder().string());
  EXPECT_EQ(made.at("AZUREML_CURRENT_CLOUD"), "AzureCloud");
  EXPECT_EQ(made.at("AZUREML_RUN_TOKEN_EXPIRY"), "4102444800");
}

TEST_F(RunEnvironmentTest, TellsTheWorkspaceAsItsSubmitterNamesIt) {
  const std::string scope =
      "/subscriptions/sub/resourceGroups/group/providers/Microsoft.MachineLearningServices/"
      "workspaces/mine";
  run.properties["roost.workspace"] = scope;
  const EnvironmentMap made = Make();
  EXPECT_EQ(made.at("AZUREML_ARM_SUBSCRIPTION"), "sub");
  EXPECT_EQ(made.at("AZUREML_ARM_RESOURCEGROUP"), "group");
  EXPECT_EQ(made.at("AZUREML_ARM_WORKSPACE_NAME"), "mine");
  EXPECT_EQ(made.at("AZUREML_EXPERIMENT_SCOPE"), scope + "/experiments/exp");
  for (const char* rubbish : {"mine", "/a/b/c/d/e/f/g/h"}) {
    run.properties["roost.workspace"] = rubbish;
    EXPECT_EQ(Make().at("AZUREML_ARM_SUBSCRIPTION"), "local");
    EXPECT_EQ(Make().at("AZUREML_ARM_WORKSPACE_NAME"), "roost");
  }
}

TEST_F(RunEnvironmentTest, MlflowLogsIntoTheRunUnlessTheUserNamesAnotherServer) {
  const EnvironmentMap made = Make();
  EXPECT_EQ(made.at("MLFLOW_TRACKING_URI"), "http://127.0.0.1:7070");
  EXPECT_EQ(made.at("MLFLOW_TRACKING_TOKEN"), "secret");
  EXPECT_EQ(made.at("MLFLOW_RUN_ID"), "exp_1_ab");
  EXPECT_EQ(made.at("MLFLOW_EXPERIMENT_NAME"), "exp");
  EXPECT_EQ(made.at("MLFLOW_EXPERIMENT_ID"), "7");

  definition.environment_variables["MLFLOW_TRACKING_URI"] = "http://elsewhere";
  const EnvironmentMap elsewhere = Make();
  EXPECT_EQ(elsewhere.at("MLFLOW_TRACKING_URI"), "http://elsewhere");
  EXPECT_FALSE(elsewhere.contains("MLFLOW_TRACKING_TOKEN"));
  EXPECT_FALSE(elsewhere.contains("MLFLOW_RUN_ID"));
  EXPECT_FALSE(elsewhere.contains("MLFLOW_EXPERIMENT_ID"));
}

TEST_F(RunEnvironmentTest, TakesOnlyAShortListFromTheServer) {
  server_environment = {{"PATH", "/usr/bin"},        {"HOME", "/home/me"}, {"LC_ALL", "C.UTF-8"},
                        {"https_proxy", "proxy"},    {"SECRET_KEY", "x"},  {"PYTHONUNBUFFERED", ""},
                        {"PYTHONPATH", "/elsewhere"}};
  const EnvironmentMap made = Make();
  EXPECT_EQ(made.at("PATH"), "/usr/bin");
  EXPECT_EQ(made.at("HOME"), "/home/me");
  EXPECT_EQ(made.at("LC_ALL"), "C.UTF-8");
  EXPECT_EQ(made.at("https_proxy"), "proxy");
  EXPECT_EQ(made.at("PYTHONUNBUFFERED"), "1");
  EXPECT_EQ(made.at("PYTHONPATH"), layout.working_folder().string());
  EXPECT_FALSE(made.contains("SECRET_KEY"));
}

TEST_F(RunEnvironmentTest, FindsTheTrainerAfterTheUsersPrograms) {
  server_environment = {{"PATH", "/usr/bin"}};
  identity.trainer = "/opt/roost/roost-trainer";
  EXPECT_EQ(Make().at("PATH"), "/usr/bin:/opt/roost");
  identity.trainer = "/usr/bin/roost-trainer";
  EXPECT_EQ(Make().at("PATH"), "/usr/bin");
}

TEST_F(RunEnvironmentTest, LetsTheDefinitionWinOverDefaultsButNotOverIdentity) {
  definition.environment_variables = {{"PYTHONUNBUFFERED", "0"}, {"OMP_NUM_THREADS", "9"},
                                      {"MINE", "yes"},           {"ROOST_RUN_ID", "another"},
                                      {"PYTHONPATH", "/my/lib"}, {"PATH", "/my/bin"}};
  identity.sdk_python_folder = "/sdk";
  identity.python = "/venv/bin/python";
  const EnvironmentMap made = Make();
  EXPECT_EQ(made.at("PYTHONUNBUFFERED"), "0");
  EXPECT_EQ(made.at("OMP_NUM_THREADS"), "9");
  EXPECT_EQ(made.at("MINE"), "yes");
  EXPECT_EQ(made.at("PATH"), "/my/bin");
  EXPECT_EQ(made.at("ROOST_RUN_ID"), "exp_1_ab");
  EXPECT_EQ(made.at("PYTHONPATH"), layout.working_folder().string() + ":/my/lib:/sdk");
}

TEST_F(RunEnvironmentTest, PutsTheInterpretersFolderFirst) {
  server_environment = {{"PATH", "/usr/bin"}};
  identity.python = "/venv/bin/python";
  EXPECT_EQ(Make().at("PATH"), "/venv/bin:/usr/bin");
}

TEST_F(RunEnvironmentTest, ThreadsAreTheCpusAskedForAndAtLeastOne) {
  for (const auto& [cpus, threads] :
       std::map<double, std::string>{{0.25, "1"}, {1, "1"}, {2, "2"}, {3.6, "4"}}) {
    definition.resources.cpus = cpus;
    EXPECT_EQ(Make().at("OMP_NUM_THREADS"), threads) << cpus;
  }
}

TEST_F(RunEnvironmentTest, ShowsARunItsOwnGpusOnly) {
  EXPECT_FALSE(Make().contains("CUDA_VISIBLE_DEVICES"));
  identity.machine_has_gpus = true;
  EXPECT_EQ(Make().at("CUDA_VISIBLE_DEVICES"), "");
  identity.gpus = {1, 3};
  definition.environment_variables = {{"CUDA_VISIBLE_DEVICES", "0"}};
  EXPECT_EQ(Make().at("CUDA_VISIBLE_DEVICES"), "1,3");
}

TEST(ExpandVariables, ReplacesWhatItKnows) {
  const EnvironmentMap environment = {{"A", "1"}, {"LONG_NAME", "two"}, {"EMPTY", ""}};
  const std::map<std::string, std::string> cases = {
      {"", ""},
      {"plain", "plain"},
      {"$A", "1"},
      {"${A}", "1"},
      {"x$A/${LONG_NAME}y", "x1/twoy"},
      {"$LONG_NAME.pt", "two.pt"},
      {"a${EMPTY}b", "ab"},
      {"$UNKNOWN and ${UNKNOWN}", "$UNKNOWN and ${UNKNOWN}"},
      {"cost: 5$", "cost: 5$"},
      {"$5 $$A", "$5 $1"},
      {"${A", "${A"},
      {"${A-x}", "${A-x}"},
      {"${}", "${}"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(ExpandVariables(text, environment), expected) << text;
  }
}

TEST(RunArguments, OfAScriptAreExpandedAndOfACommandGoToAShell) {
  const EnvironmentMap environment = {{"PATH", "/usr/bin:/bin"}, {"RUN", "r1"}};
  spec::RunDefinition definition;
  definition.script = "src/train.py";
  definition.arguments = {"--name", "$RUN"};
  EXPECT_EQ(MakeRunArguments(definition, "/usr/bin/python3", environment),
            (std::vector<std::string>{"/usr/bin/python3", "src/train.py", "--name", "r1"}));

  spec::RunDefinition command;
  command.command = "echo $RUN && ls";
  const auto arguments = MakeRunArguments(command, {}, environment);
  ASSERT_EQ(arguments.size(), 3U);
  EXPECT_TRUE(arguments[0].ends_with("/bash")) << arguments[0];
  EXPECT_EQ(arguments[2], "echo $RUN && ls");
  EXPECT_EQ(MakeRunArguments(command, {}, {{"PATH", "/nowhere"}})[0], "/bin/sh");
}

}  // namespace
}  // namespace roost::engine
