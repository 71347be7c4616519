#include "api/api_test_support.h"

namespace roost::api::mlflow {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Searches over the wire; what they find is for spec/mlflow_search_test.cc and
// store/mlflow_search_oracle_test.cc.
class MlflowSearchRoutes : public ApiTest {
 protected:
  json Do(const std::string& call, const json& body) {
    const api::Answer answer =
        Post("/api/2.0/mlflow/" + call, body.dump(), {{"Content-Type", "application/json"}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.Json();
  }
  std::string ErrorOf(const std::string& call, const json& body) {
    const api::Answer answer =
        Post("/api/2.0/mlflow/" + call, body.dump(), {{"Content-Type", "application/json"}});
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(answer.Json().value("error_code", ""), "INVALID_PARAMETER_VALUE");
    return answer.Json().value("message", "");
  }
  std::string MakeRun(const std::string& experiment, const std::string& name, std::int64_t start,
                      double metric) {
    const std::string id = Do("runs/create", {{"experiment_id", experiment},
                                              {"run_name", name},
                                              {"start_time", start}})["run"]["info"]["run_id"];
    Do("runs/log-metric", {{"run_id", id}, {"key", "m"}, {"value", metric}, {"timestamp", 5}});
    Do("runs/log-parameter", {{"run_id", id}, {"key", "p"}, {"value", name}});
    return id;
  }
  static std::vector<std::string> Names(const json& answer) {
    std::vector<std::string> names;
    if (!answer.contains("runs")) return names;
    for (const json& run : answer["runs"]) names.push_back(run["info"]["run_name"]);
    return names;
  }
};

TEST_F(MlflowSearchRoutes, RunsComeWholeInPages) {
  const std::string experiment = Do("experiments/create", {{"name", "e"}})["experiment_id"];
  MakeRun(experiment, "a", 100, 1);
  MakeRun(experiment, "b", 300, 3);
  MakeRun(experiment, "c", 200, 3);
  MakeRun("0", "elsewhere", 400, 9);
  const json ids = {experiment};
  EXPECT_THAT(Names(Do("runs/search", {{"experiment_ids", ids}})), ElementsAre("b", "c", "a"));
  EXPECT_THAT(Names(Do("runs/search", {{"experiment_ids", ids}, {"order_by", {"metrics.m"}}})),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Names(Do("runs/search", {{"experiment_ids", ids}, {"filter", "metrics.m < 2"}})),
              ElementsAre("a"));

  json body = {{"experiment_ids", ids}, {"max_results", 2}};
  const json first = Do("runs/search", body);
  EXPECT_THAT(Names(first), ElementsAre("b", "c"));
  body["page_token"] = first["next_page_token"];
  const json last = Do("runs/search", body);
  EXPECT_THAT(Names(last), ElementsAre("a"));
  EXPECT_FALSE(last.contains("next_page_token"));
  const json& data = last["runs"][0]["data"];
  EXPECT_EQ(data["metrics"], json::parse(R"([{"key":"m","value":1.0,"timestamp":5,"step":0}])"));
  EXPECT_EQ(data["params"], json::parse(R"([{"key":"p","value":"a"}])"));
  body["filter"] = "metrics.m > 0";
  EXPECT_THAT(ErrorOf("runs/search", body), HasSubstr("Invalid page token"));
}

TEST_F(MlflowSearchRoutes, ViewsOfRuns) {
  const std::string kept = MakeRun("0", "kept", 1, 1);
  const std::string gone = MakeRun("0", "gone", 2, 1);
  Do("runs/delete", {{"run_id", gone}});
  const auto names = [&](const json& view) {
    json body = {{"experiment_ids", {"0"}}};
    if (!view.is_null()) body["run_view_type"] = view;
    return Names(Do("runs/search", body));
  };
  EXPECT_THAT(names(nullptr), ElementsAre("kept"));
  EXPECT_THAT(names("ACTIVE_ONLY"), ElementsAre("kept"));
  EXPECT_THAT(names("DELETED_ONLY"), ElementsAre("gone"));
  EXPECT_THAT(names("ALL"), ElementsAre("gone", "kept"));
  EXPECT_THAT(names(2), ElementsAre("gone"));
}

TEST_F(MlflowSearchRoutes, NoExperimentHasNoRuns) {
  MakeRun("0", "a", 1, 1);
  EXPECT_EQ(Do("runs/search", json::object()), json::object());
  EXPECT_EQ(Do("runs/search", {{"experiment_ids", {"77"}}}), json::object());
  EXPECT_THAT(ErrorOf("runs/search", {{"experiment_ids", {"abc"}}}), HasSubstr("experiment_ids"));
}

TEST_F(MlflowSearchRoutes, WrongRequestsAreRefused) {
  const auto error = [&](const json& more) {
    json body = {{"experiment_ids", {"0"}}};
    body.update(more);
    return ErrorOf("runs/search", body);
  };
  EXPECT_THAT(error({{"filter", "metrics.m > 1 OR metrics.m < 0"}}),
              HasSubstr("Invalid clause(s) in filter string: 'OR'"));
  EXPECT_THAT(error({{"order_by", {"nope"}}}), HasSubstr("Invalid attribute key 'nope'"));
  EXPECT_THAT(error({{"order_by", {"run_id", "run_id"}}}), HasSubstr("contains duplicate fields"));
  EXPECT_EQ(error({{"max_results", 0}}),
            "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer");
  EXPECT_THAT(error({{"max_results", 50001}}), HasSubstr("It must be at most 50000"));
  EXPECT_THAT(error({{"page_token", "rubbish"}}),
              HasSubstr("Invalid page token, could not base64-decode"));
}

TEST_F(MlflowSearchRoutes, Experiments) {
  for (const char* name : {"b", "a", "C"}) {
    Do("experiments/create",
       {{"name", name}, {"tags", {{{"key", "team"}, {"value", std::string("t-") + name}}}}});
  }
  const auto names = [&](const json& body) {
    std::vector<std::string> found;
    const json answer = Do("experiments/search", body);
    if (!answer.contains("experiments")) return found;
    for (const json& each : answer["experiments"]) found.push_back(each["name"]);
    return found;
  };
  EXPECT_THAT(names({{"order_by", {"name"}}}), ElementsAre("C", "Default", "a", "b"));
  EXPECT_THAT(names({{"order_by", {"experiment_id DESC"}}}), ElementsAre("C", "a", "b", "Default"));
  EXPECT_THAT(names({{"filter", "tags.team LIKE 't-%' AND name != 'a'"}, {"order_by", {"name"}}}),
              ElementsAre("C", "b"));
  EXPECT_THAT(names({{"filter", "tags.team IS NULL"}}), ElementsAre("Default"));
  EXPECT_THAT(names({{"filter", "creation_time < 5"}}), ElementsAre());
  EXPECT_THAT(names({{"view_type", "DELETED_ONLY"}}), ElementsAre());

  json body = {{"max_results", 3}, {"order_by", {"name"}}};
  const json first = Do("experiments/search", body);
  EXPECT_EQ(first["experiments"].size(), 3U);
  body["page_token"] = first["next_page_token"];
  EXPECT_THAT(names(body), ElementsAre("b"));
  body["order_by"] = {"name DESC"};
  EXPECT_THAT(ErrorOf("experiments/search", body), HasSubstr("Invalid page token"));

  const json by_get =
      Get("/ajax-api/2.0/mlflow/experiments/search?max_results=1&order_by=name%20DESC").Json();
  EXPECT_EQ(by_get["experiments"][0]["name"], "b");
}

}  // namespace
}  // namespace roost::api::mlflow
