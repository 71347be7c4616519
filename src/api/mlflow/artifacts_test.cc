#include "store/artifacts.h"

#include "api/api_test_support.h"
#include "store/launches.h"
#include "store/logged_models.h"

namespace roost::api {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFiles = "/api/2.0/mlflow-artifacts/artifacts/";
constexpr const char* kModels = "/api/2.0/mlflow/logged-models";

// What the token of a run may do with files and logged models.
class RunTokenTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    run = Submit();
    Begin(run);
    other = Track();
    OnEngine([&] {
      for (const auto& request : fake->started) {
        const auto found = request.environment.find("ROOST_TOKEN");
        if (found != request.environment.end()) run_token = found->second;
      }
    }).get();
    ASSERT_FALSE(run_token.empty());
  }

  Headers AsRun() const {
    return {{"Authorization", "Bearer " + run_token}, {"Content-Type", "application/json"}};
  }
  static Headers Json() { return {{"Content-Type", "application/json"}}; }
  static std::string CodeOf(const Answer& answer) { return answer.Json().value("error_code", ""); }
  std::string MakeModel(const std::string& body, const Headers& headers) {
    const Answer answer = Post(kModels, body, headers);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.Json()["model"]["info"].value("model_id", "");
  }

  std::string run;
  std::string other;
  std::string run_token;
};

TEST_F(RunTokenTest, WritesItsOwnFilesAndReadsAll) {
  const std::string own = kFiles + ("0/" + run + "/artifacts/a.txt");
  const std::string foreign = kFiles + ("0/" + other + "/artifacts/a.txt");
  EXPECT_EQ(Call("PUT", own, "1", AsRun()).status, 200);
  EXPECT_EQ(CodeOf(Call("PUT", foreign, "1", AsRun())), "PERMISSION_DENIED");
  EXPECT_EQ(Call("PUT", foreign, "2").status, 200);
  EXPECT_EQ(Get(foreign, AsRun()).body, "2");
  EXPECT_EQ(CodeOf(Call("DELETE", foreign, "", AsRun())), "PERMISSION_DENIED");
  EXPECT_EQ(Call("DELETE", own, "", AsRun()).status, 200);

  const std::string begin = "/api/2.0/mlflow-artifacts/mpu/create/0/" + other + "/artifacts";
  EXPECT_EQ(CodeOf(Post(begin, R"({"path": "x", "num_parts": 1})", AsRun())), "PERMISSION_DENIED");
  EXPECT_EQ(Call("PUT", std::string(kFiles) + "shared/x.txt", "1", AsRun()).status, 200);
  EXPECT_EQ(CodeOf(Call("DELETE", std::string(kFiles) + "shared/x.txt", "", AsRun())),
            "PERMISSION_DENIED");
  EXPECT_EQ(Call("DELETE", std::string(kFiles) + "shared/x.txt").status, 200);
}

TEST_F(RunTokenTest, ChangesTheModelsOfItsRunOnly) {
  const std::string own = MakeModel(R"({"experiment_id": "0", "name": "own"})", AsRun());
  const std::string foreign =
      MakeModel(R"({"experiment_id": "0", "source_run_id": ")" + other + "\"}", Json());
  const auto made = store->logged_models().Get(own);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->source_run_id, run);
  const std::string file = "/artifacts/MLmodel";
  EXPECT_EQ(Call("PUT", kFiles + ("0/models/" + own + file), "x", AsRun()).status, 200);
  EXPECT_EQ(CodeOf(Call("PUT", kFiles + ("0/models/" + foreign + file), "x", AsRun())),
            "PERMISSION_DENIED");
  const auto tag = [&](const std::string& id) {
    return Call("PATCH", std::string(kModels) + "/" + id + "/tags",
                R"({"tags": [{"key": "a", "value": "b"}]})", AsRun());
  };
  EXPECT_EQ(tag(own).status, 200);
  EXPECT_EQ(CodeOf(tag(foreign)), "PERMISSION_DENIED");
  EXPECT_EQ(CodeOf(Post(kModels, R"({"experiment_id": "0", "source_run_id": ")" + other + "\"}",
                        AsRun())),
            "PERMISSION_DENIED");
  EXPECT_EQ(CodeOf(Call("DELETE", std::string(kModels) + "/" + foreign, "", AsRun())),
            "PERMISSION_DENIED");
  EXPECT_EQ(Get(std::string(kModels) + "/" + foreign, AsRun()).status, 200);
}

TEST_F(RunTokenTest, ErrorsOfUploadsAreInMlflowsForm) {
  const Answer refused = Call("PUT", kFiles + ("0/" + other + "/artifacts/%252e%252e/x"), "1");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(CodeOf(refused), "INVALID_PARAMETER_VALUE");
  const Answer nobody =
      Call("PUT", kFiles + std::string("x"), "1", {{"Authorization", "Bearer nobody"}});
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(CodeOf(nobody), "UNAUTHENTICATED");
  EXPECT_THAT(Call("PUT", "/api/v1/runs/" + other + "/files/../x", "1").body,
              HasSubstr("\"error\""));
}

TEST_F(RunTokenTest, ALiveLogIsAmongTheFilesOfItsRun) {
  AppendTo(LogFile(run), "hello\n");
  const Answer list = Get("/api/2.0/mlflow/artifacts/list?run_id=" + run);
  EXPECT_EQ(list.Json()["files"],
            nlohmann::json::parse(R"([{"path": "azureml-logs", "is_dir": true}])"))
      << list.body;
  const Answer log = Get("/get-artifact?run_id=" + run + "&path=" + spec::kDriverLog);
  EXPECT_EQ(log.status, 200);
  EXPECT_EQ(log.body, "hello\n");
}

}  // namespace
}  // namespace roost::api
