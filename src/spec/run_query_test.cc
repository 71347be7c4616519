#include "spec/run_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum Comparison;
using enum FieldKind;

Condition Make(FieldKind kind, std::string name, Comparison comparison,
               std::vector<std::variant<double, std::string>> values) {
  return {{kind, std::move(name)}, comparison, std::move(values)};
}
std::string Text(const char* text) { return text; }

TEST(RunFilter, OneConditionOfEachKind) {
  const struct {
    std::string_view filter;
    Condition condition;
  } cases[] = {
      {"metrics.acc > 0.5", Make(kMetric, "acc", kGt, {0.5})},
      {"metrics.acc>=-1e-3", Make(kMetric, "acc", kGe, {-1e-3})},
      {"metrics.acc < +2", Make(kMetric, "acc", kLt, {2.0})},
      {"metrics.acc <= .5", Make(kMetric, "acc", kLe, {0.5})},
      {"metrics.acc = 1.", Make(kMetric, "acc", kEq, {1.0})},
      {"metrics.acc != 1", Make(kMetric, "acc", kNe, {1.0})},
      {"metric.acc = 1", Make(kMetric, "acc", kEq, {1.0})},
      {"metrics.`val/acc @5` > 0", Make(kMetric, "val/acc @5", kGt, {0.0})},
      {"metrics.\"val acc\" > 0", Make(kMetric, "val acc", kGt, {0.0})},
      {"metrics.`a``b` > 0", Make(kMetric, "a`b", kGt, {0.0})},
      {"metrics.val/acc-5.mean > 0", Make(kMetric, "val/acc-5.mean", kGt, {0.0})},
      {"metrics.acc IS NULL", Make(kMetric, "acc", kIsNull, {})},
      {"params.lr = '0.1'", Make(kParam, "lr", kEq, {Text("0.1")})},
      {"param.lr = '0.1'", Make(kParam, "lr", kEq, {Text("0.1")})},
      {"parameter.lr = \"0.1\"", Make(kParam, "lr", kEq, {Text("0.1")})},
      {"parameters.lr LIKE '0.%'", Make(kParam, "lr", kLike, {Text("0.%")})},
      {"tags.team = 'vision'", Make(kTag, "team", kEq, {Text("vision")})},
      {"tag.team != 'it''s'", Make(kTag, "team", kNe, {Text("it's")})},
      {"tags.mlflow.parentRunId = 'x'", Make(kTag, "mlflow.parentRunId", kEq, {Text("x")})},
      {"tags.team ilike '%VIS%'", Make(kTag, "team", kILike, {Text("%VIS%")})},
      {"tags.team IN ('a', 'b')", Make(kTag, "team", kIn, {Text("a"), Text("b")})},
      {"tags.team not in ('a')", Make(kTag, "team", kNotIn, {Text("a")})},
      {"tags.team is not null", Make(kTag, "team", kIsNotNull, {})},
      {"tags.team = ''", Make(kTag, "team", kEq, {Text("")})},
      {"tags.team = 'a AND b'", Make(kTag, "team", kEq, {Text("a AND b")})},
      {"properties.azureml.git.branch = 'main'",
       Make(kProperty, "azureml.git.branch", kEq, {Text("main")})},
      {"status = 'Running'", Make(kAttribute, "status", kEq, {Text("Running")})},
      {"status = 'running'", Make(kAttribute, "status", kEq, {Text("Running")})},
      {"attributes.status = 'FINISHED'", Make(kAttribute, "status", kEq, {Text("Completed")})},
      {"attribute.status IN ('FAILED', 'KILLED')",
       Make(kAttribute, "status", kIn, {Text("Failed"), Text("Canceled")})},
      {"status LIKE 'Cancel%'", Make(kAttribute, "status", kLike, {Text("Cancel%")})},
      {"attr.run_id = 'x'", Make(kAttribute, "run_id", kEq, {Text("x")})},
      {"run.run_id != 'x'", Make(kAttribute, "run_id", kNe, {Text("x")})},
      {"run_name LIKE 'brave%'", Make(kAttribute, "display_name", kLike, {Text("brave%")})},
      {"attributes.`run_name` = 'x'", Make(kAttribute, "display_name", kEq, {Text("x")})},
      {"display_name = 'x'", Make(kAttribute, "display_name", kEq, {Text("x")})},
      {"experiment = 'cifar'", Make(kAttribute, "experiment", kEq, {Text("cifar")})},
      {"attributes.start_time > 1732174528000",
       Make(kAttribute, "started_at", kGt, {1732174528000.0})},
      {"started_at >= '2026-11-21T07:35:28Z'",
       Make(kAttribute, "started_at", kGe, {Text("2026-11-21T07:35:28Z")})},
      {"end_time IS NULL", Make(kAttribute, "ended_at", kIsNull, {})},
      {"created_at < 5", Make(kAttribute, "created_at", kLt, {5.0})},
      {"duration_seconds > 60", Make(kAttribute, "duration_seconds", kGt, {60.0})},
      {"submitter = 'owner'", Make(kAttribute, "submitter", kEq, {Text("owner")})},
      {"compute_target = 'local'", Make(kAttribute, "compute_target", kEq, {Text("local")})},
      {"parent = 'x'", Make(kAttribute, "parent", kEq, {Text("x")})},
      {"kind = 'tracked'", Make(kAttribute, "kind", kEq, {Text("tracked")})},
      {"METRICS.acc > 1", Make(kMetric, "acc", kGt, {1.0})},
  };
  for (const auto& c : cases) {
    const auto conditions = ParseFilter(c.filter);
    ASSERT_TRUE(conditions) << c.filter << "\n" << conditions.error().message;
    EXPECT_THAT(*conditions, ElementsAre(c.condition)) << c.filter;
  }
}

TEST(RunFilter, ConditionsAreJoinedWithAnd) {
  const auto conditions =
      ParseFilter("  metrics.acc>0.5 and tags.team='vision'\n AND status != 'Failed'  ");
  ASSERT_TRUE(conditions) << conditions.error().message;
  EXPECT_THAT(*conditions, ElementsAre(Make(kMetric, "acc", kGt, {0.5}),
                                       Make(kTag, "team", kEq, {Text("vision")}),
                                       Make(kAttribute, "status", kNe, {Text("Failed")})));
}

TEST(RunFilter, AnEmptyOneMatchesEverything) {
  for (const char* filter : {"", "   ", "\n"}) {
    const auto conditions = ParseFilter(filter);
    ASSERT_TRUE(conditions);
    EXPECT_THAT(*conditions, IsEmpty());
  }
}

TEST(RunFilter, ErrorsSayThePositionAndWhatWasExpected) {
  const struct {
    std::string_view filter;
    std::string_view error;
  } cases[] = {
      {"metrics.acc", "character 12: expected a comparison"},
      {"metrics.acc >", "character 14: expected a number, found the end"},
      {"metrics.acc > 'x'", "character 15: expected a number, found 'x'"},
      {"metrics.acc > x", "character 15: expected a number, found x"},
      {"metrics.acc > 0.5.1", "character 15: this is no number"},
      {"metrics.acc > 5abc", "character 15: this is no number"},
      {"metrics.acc > -inf", "character 15: this is no number"},
      {"metrics.acc > -", "character 15: this is no number"},
      {"metrics.acc > 1e999", "character 15: this number does not fit"},
      {"metrics.acc == 1", "character 13: write `=`"},
      {"metrics.acc <> 1", "character 13: write `!=`"},
      {"metrics.acc LIKE 'x'", "character 13: metrics.acc is compared with"},
      {"metrics.acc IN (1)", "character 13: metrics.acc is compared with"},
      {"started_at LIKE '2026%'", "character 12: started_at is compared with"},
      {"started_at > 'yesterday'", "character 14: expected a time such as"},
      {"started_at > x", "character 14: expected a time"},
      {"tags.team > 'x'", "character 11: tags.team is a text"},
      {"tags.team = vision", "character 13: expected a text in quotes, found vision"},
      {"params.lr = 0.1", "character 13: expected a text in quotes, found 0.1"},
      {"tags.team = `x`", "character 13: expected a text in quotes"},
      {"tags.team = 'x", "character 13: the quote ' is not closed"},
      {"tags.team IN 'x'", "character 14: expected ( and a list"},
      {"tags.team IN ()", "character 15: expected a text in quotes, found )"},
      {"tags.team IN ('a' 'b')", "character 19: expected , or )"},
      {"tags.team IN ('a',)", "character 19: expected a text in quotes"},
      {"tags.team NOT LIKE 'a'", "character 15: expected IN after NOT"},
      {"tags.team IS 'a'", "character 14: expected NULL"},
      {"status = 'Runing'", "character 10: expected one of NotStarted, Starting"},
      {"kind = 'x'", "character 8: expected 'managed' or 'tracked'"},
      {"colour = 'x'", "character 1: `colour` is no attribute of runs; there are run_id"},
      {"attributes.colour = 'x'", "character 1: `colour` is no attribute"},
      {"foo.bar = 'x'", "character 1: `foo` is no kind of field"},
      {"metrics. acc > 1", "character 10: expected a name after the point"},
      {"metrics.'acc' > 1", "character 9: expected a name after the point"},
      {"metrics.`` > 1", "the name after the point is empty"},
      {"status = 'Failed' OR status = 'Running'", "character 19: OR is not supported"},
      {"(status = 'Failed')", "character 1: parentheses"},
      {"status = 'Failed' status = 'Running'", "character 19: expected AND or the end"},
      {"status = 'Failed' AND", "character 22: expected a field"},
      {"AND", "character 1: `AND` is no attribute"},
      {"'x' = status", "character 1: expected a field"},
      {"tags.ä = 'x'", "character 6: this character has no meaning here"},
      {"tags.`ä` = 'ü' AND ;", "character 20: this character"},
      {"tags.team = '\xff'", "no UTF-8"},
  };
  for (const auto& c : cases) {
    const auto conditions = ParseFilter(c.filter);
    ASSERT_FALSE(conditions) << c.filter;
    EXPECT_EQ(conditions.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(conditions.error().message, HasSubstr(c.error)) << c.filter;
    ASSERT_EQ(conditions.error().details.size(), 1U);
    EXPECT_EQ(conditions.error().details[0].field, "filter");
  }
}

TEST(RunFilter, HasLimits) {
  std::string filter = "status = 'Failed'";
  for (int i = 1; i < 50; ++i) filter += " AND status = 'Failed'";
  EXPECT_TRUE(ParseFilter(filter));
  EXPECT_THAT(ParseFilter(filter + " AND status = 'Failed'").error().message,
              HasSubstr("more than 50 conditions"));
  EXPECT_THAT(ParseFilter(std::string(100'000, ' ')).error().message, HasSubstr("64"));
  EXPECT_THAT(ParseFilter(std::string("status = 'a\0'", 13)).error().message, HasSubstr("NUL"));
}

TEST(RunOrder, FieldAndDirection) {
  const struct {
    std::string_view order;
    OrderBy expected;
  } cases[] = {
      {"metrics.acc DESC", {{kMetric, "acc"}, true}},
      {"metrics.`val acc` desc", {{kMetric, "val acc"}, true}},
      {"metrics.acc", {{kMetric, "acc"}, false}},
      {"attributes.start_time ASC", {{kAttribute, "started_at"}, false}},
      {"created_at", {{kAttribute, "created_at"}, false}},
      {"tags.team", {{kTag, "team"}, false}},
      {"params.lr desc", {{kParam, "lr"}, true}},
  };
  for (const auto& c : cases) {
    const auto order = ParseOrderBy(c.order);
    ASSERT_TRUE(order) << c.order << "\n" << order.error().message;
    EXPECT_EQ(*order, c.expected) << c.order;
  }
}

TEST(RunOrder, ErrorsSayThePosition) {
  const struct {
    std::string_view order;
    std::string_view error;
  } cases[] = {
      {"", "character 1: expected a field"},
      {"DESC", "character 1: `DESC` is no attribute"},
      {"created_at down", "character 12: expected ASC, DESC or the end"},
      {"created_at DESC, status", "character 16: expected ASC, DESC or the end"},
      {"size", "character 1: `size` is no attribute"},
  };
  for (const auto& c : cases) {
    const auto order = ParseOrderBy(c.order);
    ASSERT_FALSE(order) << c.order;
    EXPECT_THAT(order.error().message, HasSubstr(c.error)) << c.order;
    EXPECT_EQ(order.error().details.at(0).field, "order_by");
  }
}

}  // namespace
}  // namespace roost::spec
