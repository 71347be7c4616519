#include "spec/imported_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace roost::spec {
namespace {

ImportedRun Example() {
  ImportedRun run;
  run.id = "0c6f";
  run.experiment = 3;
  run.state = RunState::kFailed;
  run.deleted = true;
  run.name = "first";
  run.description = "About it.";
  run.parent_id = "0c6e";
  run.user_id = "ada";
  run.started_at = 1'700'000'000'000'000;
  run.ended_at = 1'700'000'001'000'000;
  run.tags = {{"k", "v"}};
  run.params = {{"lr", "0.1"}};
  const double inf = std::numeric_limits<double>::infinity();
  run.series = {{"loss", 0, {{0, 5, 0.5}, {-1, 6, std::nan("")}, {2, 7, inf}, {3, 8, -inf}}},
                {"acc", 2, {{1, 5, 1e-300}}}};
  run.datasets = {{"digits", "d1", "local", "/data", "{}", {}, {{"context", "training"}}}};
  run.models_in = {{"m-1", 0}};
  run.models_out = {{"m-2", 7}};
  return run;
}

TEST(ImportedRun, ComesBackFromItsJsonAsItWas) {
  const ImportedRun run = Example();
  const auto again = ParseImportedRun(nlohmann::json::parse(ToJson(run).dump()), "runs[0].");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(DigestOfRun(*again), DigestOfRun(run));
  EXPECT_EQ(again->experiment, 3);
  EXPECT_EQ(again->series[1].offset, 2);
  EXPECT_TRUE(std::isnan(again->series[0].points[1].value));
  EXPECT_EQ(again->datasets[0].schema, "{}");
  EXPECT_EQ(again->datasets[0].profile, std::nullopt);
}

TEST(ImportedRun, DigestChangesWithEveryPartOfTheRun) {
  const auto changed = [](const std::function<void(ImportedRun&)>& change) {
    ImportedRun run = Example();
    change(run);
    return DigestOfRun(run) != DigestOfRun(Example());
  };
  EXPECT_TRUE(changed([](auto& run) { run.state = RunState::kCompleted; }));
  EXPECT_TRUE(changed([](auto& run) { run.deleted = false; }));
  EXPECT_TRUE(changed([](auto& run) { run.name += "x"; }));
  EXPECT_TRUE(changed([](auto& run) { run.ended_at += 1000; }));
  EXPECT_TRUE(changed([](auto& run) { run.tags["k"] = "w"; }));
  EXPECT_TRUE(changed([](auto& run) { run.params.clear(); }));
  EXPECT_TRUE(changed([](auto& run) { run.series[0].points[3].value = 4; }));
  EXPECT_TRUE(changed([](auto& run) { run.series[0].points.pop_back(); }));
  EXPECT_TRUE(changed([](auto& run) { run.datasets[0].tags["context"] = "test"; }));
  EXPECT_TRUE(changed([](auto& run) { run.models_out[0].step = 8; }));
  // Not with the order of names, nor with which zero or NaN it is.
  EXPECT_FALSE(changed([](auto& run) { std::swap(run.series[0], run.series[1]); }));
  EXPECT_FALSE(changed([](auto& run) { run.series[0].points[1].value = -std::nan("1"); }));
}

TEST(ImportedRun, ProblemsNameTheirField) {
  const auto problem = [](const char* field, const nlohmann::json& value) {
    auto json = ToJson(Example());
    json[field] = value;
    const auto parsed = ParseImportedRun(json, "runs[4].");
    return parsed ? std::string("none") : parsed.error().details.front().field;
  };
  EXPECT_EQ(problem("id", ""), "runs[4].id");
  EXPECT_EQ(problem("experiment_id", "x"), "runs[4].experiment_id");
  EXPECT_EQ(problem("status", "Preparing"), "runs[4].status");
  EXPECT_EQ(problem("other", 1), "runs[4].other");
  EXPECT_EQ(
      problem("series", {{{"name", "a"}, {"value", {1, 2}}, {"step", {1}}, {"time", {1, 2}}}}),
      "runs[4].series[0].value");
  EXPECT_EQ(problem("series", {{{"name", "a"}, {"value", {"1"}}, {"step", {1}}, {"time", {1}}}}),
            "runs[4].series[0].value");
}

}  // namespace
}  // namespace roost::spec
