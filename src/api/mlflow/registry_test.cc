// The model registry as MLflow's clients see it; tests/mlflow_clients/test_registry.py asks more,
// with the real client.
#include "api/api_test_support.h"
#include "store/blobs.h"
#include "store/logged_models.h"

namespace roost::api {
namespace {

using ::testing::HasSubstr;

class MlflowRegistryTest : public ApiTest {
 protected:
  Answer Mlflow(const std::string& method, const std::string& path, const std::string& body = "",
                const std::string& secret = "") {
    Headers headers = {{"Content-Type", "application/json"}};
    if (!secret.empty()) headers.emplace_back("Authorization", "Bearer " + secret);
    return Call(method, "/api/2.0/mlflow/" + path, body, headers);
  }
  void ExpectError(const Answer& answer, int status, const std::string& code,
                   const std::string& part) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.Json().value("error_code", ""), code) << answer.body;
    EXPECT_THAT(answer.Json().value("message", ""), HasSubstr(part));
  }
  std::string RunToken(const std::string& run_id) {
    const auto run = store->runs().Get(RunId(run_id));
    EXPECT_TRUE(run);
    const auto secret = store->tokens().CreateForRun(run->key, 0);
    EXPECT_TRUE(secret);
    return *secret;
  }
};

TEST_F(MlflowRegistryTest, BothPrefixesAndBothSurfacesShowTheSameModel) {
  ASSERT_EQ(Mlflow("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  const Answer made = Mlflow("POST", "model-versions/create",
                             R"({"name": "net", "source": "s3://bucket/x", "run_id": "far"})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.Json()["model_version"]["version"], "1");
  EXPECT_EQ(made.Json()["model_version"]["user_id"], "tester");
  const Answer other = Get("/ajax-api/2.0/mlflow/model-versions/get?name=net&version=1");
  EXPECT_EQ(other.Json(), made.Json());
  EXPECT_EQ(Get("/api/v1/models/net/versions/1").Json()["source"], "s3://bucket/x");
  EXPECT_EQ(Call("DELETE", "/api/v1/models/net/versions/1").status, 204);
  EXPECT_EQ(Mlflow("GET", "registered-models/get?name=net").status, 200);
  EXPECT_EQ(Get("/api/v1/models/net").Json()["latest_version"], nullptr);
}

TEST_F(MlflowRegistryTest, AVersionPinsTheFilesOfItsRun) {
  const std::string run = Track();
  for (const char* path : {"model/MLmodel", "model/data/w.bin", "modelled.txt"}) {
    ASSERT_EQ(Call("PUT", "/api/v1/runs/" + run + "/files/" + path, path).status, 201);
  }
  ASSERT_EQ(Mlflow("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  const auto files_of = [&](const std::string& source) {
    const Answer made = Mlflow("POST", "model-versions/create",
                               R"({"name": "net", "source": ")" + source + R"("})");
    EXPECT_EQ(made.status, 200) << made.body;
    std::vector<std::string> paths;
    const std::string version = made.Json()["model_version"].value("version", "");
    const auto listed = Get("/api/v1/models/net/versions/" + version + "/files").Json();
    for (const auto& file : listed["items"]) {
      paths.push_back(file.value("path", ""));
    }
    return paths;
  };
  const std::vector<std::string> model = {"MLmodel", "data/w.bin"};
  EXPECT_EQ(files_of("mlflow-artifacts:/1/" + run + "/artifacts/model"), model);
  EXPECT_EQ(files_of("runs:/" + run + "/model/"), model);
  EXPECT_EQ(files_of("models:/net/1"), model);
  EXPECT_EQ(files_of("runs:/" + run).size(), 3U);
  EXPECT_EQ(files_of("runs:/" + run + "/model/MLmodel"), std::vector<std::string>{"MLmodel"});
  EXPECT_TRUE(files_of("runs:/" + run + "/mod").empty());
  EXPECT_TRUE(files_of("runs:/of-nobody/model").empty());

  EXPECT_EQ(Call("DELETE", "/api/v1/runs/" + run).status, 200);
  EXPECT_EQ(Get("/api/v1/models/net/versions/1/files/MLmodel").body, "model/MLmodel");
}

TEST_F(MlflowRegistryTest, AVersionOfALoggedModelPinsItsFiles) {
  const std::string run = Track();
  const auto model = store->logged_models().Create(
      {.experiment = ExperimentId(0), .name = "logged", .source_run_id = run});
  ASSERT_TRUE(model) << model.error().message;
  const auto blob = store->blobs().Put("flavors: {}");
  ASSERT_TRUE(blob);
  ASSERT_TRUE(store->logged_models().AddFile(model->id, {"MLmodel", blob->digest, blob->size, 1}));
  ASSERT_EQ(Mlflow("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  const auto create = [&](const std::string& source, const std::string& more = "") {
    return Mlflow("POST", "model-versions/create",
                  R"({"name": "net", "source": ")" + source + "\"" + more + "}");
  };
  const Answer made = create("models:/" + model->id, R"(, "model_id": ")" + model->id + "\"");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.Json()["model_version"]["run_id"], run);
  EXPECT_EQ(made.Json()["model_version"]["source"], "models:/" + model->id);
  const std::string place = "mlflow-artifacts:/0/models/" + model->id + "/artifacts";
  EXPECT_EQ(
      Mlflow("GET", "model-versions/get-download-uri?name=net&version=1").Json()["artifact_uri"],
      place);
  EXPECT_EQ(Get("/api/v1/models/net/versions/1/files/MLmodel").body, "flavors: {}");
  EXPECT_EQ(create(place).status, 200);
  EXPECT_EQ(Get("/api/v1/models/net/versions/2/files/MLmodel").body, "flavors: {}");
  EXPECT_EQ(store->logged_models().Get(model->id)->tags["mlflow.modelVersions"],
            R"([{"name": "net", "version": 1}])");

  ExpectError(create("models:/m-of-nobody"), 404, "RESOURCE_DOES_NOT_EXIST",
              "Unable to fetch model from model URI source artifact location");
  ExpectError(create("s3://b/x", R"(, "model_id": "m-of-nobody")"), 404, "RESOURCE_DOES_NOT_EXIST",
              "Logged model with ID 'm-of-nobody' not found.");
}

TEST_F(MlflowRegistryTest, AFolderOfTheMachineIsTakenFromTheRunThatHasIt) {
  const std::string folder = (folder_.path() / "place").string();
  const Answer experiment =
      Mlflow("POST", "experiments/create",
             R"({"name": "e", "artifact_location": "file://)" + folder + R"("})");
  const std::string id = experiment.Json().value("experiment_id", "");
  const Answer run = Mlflow("POST", "runs/create", R"({"experiment_id": ")" + id + R"("})");
  const auto info = run.Json()["run"]["info"];
  ASSERT_EQ(Mlflow("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  const auto create = [&](const std::string& source) {
    return Mlflow("POST", "model-versions/create",
                  R"({"name": "net", "source": ")" + source + R"(", "run_id": ")" +
                      info.value("run_id", "") + R"("})");
  };
  const std::string artifacts = info.value("artifact_uri", "");
  EXPECT_EQ(create(artifacts + "/model").status, 200);
  EXPECT_EQ(create(artifacts).status, 200);
  for (const std::string& source : {artifacts + "/../../secret", folder, std::string("/etc/passwd"),
                                    artifacts + "/%2e%2e/%2e%2e/x", artifacts + "-other"}) {
    ExpectError(create(source), 400, "INVALID_PARAMETER_VALUE", "Invalid model version source: '");
  }
}

TEST_F(MlflowRegistryTest, ARunsTokenRegistersButDeletesAndRenamesNothing) {
  const std::string secret = RunToken(Track());
  const auto own = [&](const std::string& method, const std::string& path,
                       const std::string& body) { return Mlflow(method, path, body, secret); };
  EXPECT_EQ(own("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  EXPECT_EQ(own("POST", "model-versions/create", R"({"name": "net", "source": "s3://b/x"})").status,
            200);
  EXPECT_EQ(
      own("POST", "registered-models/alias", R"({"name": "net", "alias": "best", "version": "1"})")
          .status,
      200);
  const std::string of_version = R"({"name": "net", "version": "1"})";
  ExpectError(own("DELETE", "model-versions/delete", of_version), 403, "PERMISSION_DENIED", "own");
  ExpectError(own("DELETE", "registered-models/delete", R"({"name": "net"})"), 403,
              "PERMISSION_DENIED", "own");
  ExpectError(own("POST", "registered-models/rename", R"({"name": "net", "new_name": "x"})"), 403,
              "PERMISSION_DENIED", "own");
  EXPECT_EQ(Mlflow("DELETE", "model-versions/delete", of_version).status, 200);
}

TEST_F(MlflowRegistryTest, AVersionIsGivenAsTextOrNumber) {
  ASSERT_EQ(Mlflow("POST", "registered-models/create", R"({"name": "net"})").status, 200);
  ASSERT_EQ(
      Mlflow("POST", "model-versions/create", R"({"name": "net", "source": "s3://b/x"})").status,
      200);
  for (const char* version : {"1", R"("1")"}) {
    const Answer moved =
        Mlflow("POST", "model-versions/transition-stage",
               std::string(R"({"name": "net", "stage": "staging", "version": )") + version + "}");
    EXPECT_EQ(moved.Json()["model_version"]["current_stage"], "Staging") << moved.body;
  }
  ExpectError(Mlflow("GET", "model-versions/get?name=net&version=1.5"), 400,
              "INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer, got '1.5'.");
  ExpectError(Mlflow("GET", "model-versions/get?name=net&version=99999999999999999999"), 400,
              "INVALID_PARAMETER_VALUE", "must be an integer");
}

TEST_F(MlflowRegistryTest, SearchesComeInPages) {
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_EQ(
        Mlflow("POST", "registered-models/create", R"({"name": ")" + std::string(name) + R"("})")
            .status,
        200);
  }
  const auto first = Mlflow("GET", "registered-models/search?max_results=2").Json();
  ASSERT_EQ(first["registered_models"].size(), 2U);
  const auto last = Mlflow("GET", "registered-models/search?max_results=2&page_token=" +
                                      first.value("next_page_token", ""))
                        .Json();
  ASSERT_EQ(last["registered_models"].size(), 1U);
  EXPECT_EQ(last["registered_models"][0]["name"], "c");
  EXPECT_FALSE(last.contains("next_page_token"));
  ExpectError(Mlflow("GET", "registered-models/search?max_results=1001"), 400,
              "INVALID_PARAMETER_VALUE", "Invalid value \"1001\" for parameter 'max_results'");
  ExpectError(Mlflow("GET", "model-versions/search?max_results=0"), 400, "INVALID_PARAMETER_VALUE",
              "It must be a positive integer, but got 0");
}

}  // namespace
}  // namespace roost::api
