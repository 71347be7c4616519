#include "spec/mlflow_run_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

using ::testing::ElementsAre;
using enum Comparison;
using enum FieldKind;

std::vector<std::string> StatesOf(const std::string& filter) {
  const auto parsed = ParseMlflowRunFilter(filter);
  EXPECT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->at(0).field, (Field{kAttribute, "status"}));
  EXPECT_EQ(parsed->at(0).comparison, kIn);
  std::vector<std::string> states;
  for (const auto& value : parsed->at(0).values) states.push_back(std::get<std::string>(value));
  return states;
}

TEST(MlflowRunSearch, StatusesStandForStates) {
  EXPECT_THAT(StatesOf("status = 'FINISHED'"), ElementsAre("Completed"));
  EXPECT_THAT(StatesOf("status = 'RUNNING'"),
              ElementsAre("Preparing", "Running", "Finalizing", "CancelRequested"));
  EXPECT_THAT(StatesOf("status = 'running'"), ElementsAre());
  EXPECT_THAT(StatesOf("status LIKE 'F%E_'"), ElementsAre("Completed", "Failed"));
  EXPECT_THAT(StatesOf("status LIKE '%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%x'"), ElementsAre());
  EXPECT_THAT(StatesOf("status ILIKE 'kil%'"), ElementsAre("Canceled"));
  EXPECT_EQ(StatesOf("status != 'KILLED'").size(), AllRunStates().size() - 1);
}

TEST(MlflowRunSearch, NamesAreThoseOfTheStore) {
  const auto parsed = ParseMlflowRunFilter(
      "run_name = 'a' AND tags.mlflow.runName = 'b' AND tags.`mlflow.parentRunId` = 'c' AND "
      "tags.mlflow.note.content = 'd' AND tags.other = 'e' AND start_time > 5");
  ASSERT_TRUE(parsed) << parsed.error().message;
  std::vector<Field> fields;
  for (const Condition& condition : *parsed) fields.push_back(condition.field);
  EXPECT_THAT(fields,
              ElementsAre(Field{kAttribute, "display_name"}, Field{kAttribute, "display_name"},
                          Field{kAttribute, "parent_tag"}, Field{kAttribute, "note"},
                          Field{kTag, "other"}, Field{kAttribute, "start_time"}));
}

TEST(MlflowRunSearch, OrdersEndWithTheStartAndTheId) {
  const OrderBy start = {{kAttribute, "start_time"}, true};
  const OrderBy id = {{kAttribute, "run_id"}, false};
  EXPECT_THAT(*ParseMlflowRunOrder({}), ElementsAre(start, id));
  EXPECT_THAT(*ParseMlflowRunOrder({"status DESC"}),
              ElementsAre(OrderBy{{kAttribute, "mlflow_status"}, true}, start, id));
  EXPECT_THAT(*ParseMlflowRunOrder({"created"}),
              ElementsAre(OrderBy{{kAttribute, "start_time"}, false}, id));
  EXPECT_THAT(*ParseMlflowRunOrder({"run_id DESC"}),
              ElementsAre(OrderBy{{kAttribute, "run_id"}, true}, start));
}

}  // namespace
}  // namespace roost::spec
