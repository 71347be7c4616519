#include "spec/mlflow_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace roost::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum Comparison;
using enum FieldKind;
using enum MlflowNoun;

Condition Make(FieldKind kind, std::string name, Comparison comparison,
               std::vector<std::variant<double, std::string>> values) {
  return {{kind, std::move(name)}, comparison, std::move(values)};
}
std::string Text(const char* text) { return text; }

std::string ErrorOf(MlflowNoun noun, std::string_view filter) {
  const auto parsed = ParseMlflowFilter(noun, filter);
  if (parsed) return "no error";
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  return parsed.error().message;
}
std::string OrderErrorOf(MlflowNoun noun, std::vector<std::string> keys) {
  const auto parsed = ParseMlflowOrder(noun, keys);
  return parsed ? "no error" : parsed.error().message;
}

TEST(MlflowFilter, OneConditionOfEachKind) {
  const struct {
    MlflowNoun noun;
    std::string_view filter;
    Condition condition;
  } cases[] = {
      {kRun, "metrics.acc > 0.5", Make(kMetric, "acc", kGt, {0.5})},
      {kRun, "metric.acc>=-1e-3", Make(kMetric, "acc", kGe, {-1e-3})},
      {kRun, "metrics.acc <= .5", Make(kMetric, "acc", kLe, {0.5})},
      {kRun, "metrics.acc < 1.", Make(kMetric, "acc", kLt, {1.0})},
      {kRun, "metrics.a.b.c != 1", Make(kMetric, "a.b.c", kNe, {1.0})},
      {kRun, "metrics.acc > 1e400",
       Make(kMetric, "acc", kGt, {std::numeric_limits<double>::infinity()})},
      {kRun, "metrics.acc > -1e400",
       Make(kMetric, "acc", kGt, {-std::numeric_limits<double>::infinity()})},
      {kRun, "metrics.acc > 1e-400", Make(kMetric, "acc", kGt, {0.0})},
      {kRun, "metrics.`val/acc @5` = 0", Make(kMetric, "val/acc @5", kEq, {0.0})},
      {kRun, "metrics.\"val acc\" = 0", Make(kMetric, "val acc", kEq, {0.0})},
      {kRun, "`metrics`.acc = 0", Make(kMetric, "acc", kEq, {0.0})},
      {kRun, "params.lr = '0.1'", Make(kParam, "lr", kEq, {Text("0.1")})},
      {kRun, "param.lr = \"0.1\"", Make(kParam, "lr", kEq, {Text("0.1")})},
      {kRun, "parameter.lr LIKE '0.%'", Make(kParam, "lr", kLike, {Text("0.%")})},
      {kRun, "parameters.lr ilike '%A'", Make(kParam, "lr", kILike, {Text("%A")})},
      {kRun, "params.lr IS NULL", Make(kParam, "lr", kIsNull, {})},
      {kRun, "params.lr is  not  null", Make(kParam, "lr", kIsNotNull, {})},
      {kRun, "tags.mlflow.runName = 'x'", Make(kTag, "mlflow.runName", kEq, {Text("x")})},
      {kRun, "tag.`a b` != ''", Make(kTag, "a b", kNe, {Text("")})},
      {kRun, "tags.'a b' = 'x'", Make(kTag, "a b", kEq, {Text("x")})},
      {kRun, "tags.\xd0\xba = 'x'", Make(kTag, "\xd0\xba", kEq, {Text("x")})},
      {kRun, "tags.select = 'x'", Make(kTag, "select", kEq, {Text("x")})},
      // Quotes inside stay as they are written.
      {kRun, "tags.a = \"it's\"", Make(kTag, "a", kEq, {Text("it's")})},
      {kRun, "tags.a = 'it''s'", Make(kTag, "a", kEq, {Text("it''s")})},
      {kRun, "tags.a = 'x AND y'", Make(kTag, "a", kEq, {Text("x AND y")})},
      {kRun, "status = 'RUNNING'", Make(kAttribute, "status", kEq, {Text("RUNNING")})},
      {kRun, "attributes.status != 'A'", Make(kAttribute, "status", kNe, {Text("A")})},
      {kRun, "attribute.user_id = 'A'", Make(kAttribute, "user_id", kEq, {Text("A")})},
      {kRun, "attr.artifact_uri LIKE '%'", Make(kAttribute, "artifact_uri", kLike, {Text("%")})},
      {kRun, "run.run_name = 'a'", Make(kAttribute, "run_name", kEq, {Text("a")})},
      {kRun, "`Run name` = 'a'", Make(kAttribute, "run_name", kEq, {Text("a")})},
      {kRun, "Created > 100", Make(kAttribute, "start_time", kGt, {100.0})},
      {kRun, "end_time >= -5", Make(kAttribute, "end_time", kGe, {-5.0})},
      {kRun, "run_id IN ('a', \"b\")", Make(kAttribute, "run_id", kIn, {Text("a"), Text("b")})},
      {kRun, "attributes.run_id not in('a',)", Make(kAttribute, "run_id", kNotIn, {Text("a")})},
      {kRun, "dataset.name = 'x'", Make(kDataset, "name", kEq, {Text("x")})},
      {kRun, "datasets.digest IN ('x')", Make(kDataset, "digest", kIn, {Text("x")})},
      {kRun, "dataset.context NOT IN ('x')", Make(kDataset, "context", kNotIn, {Text("x")})},
      {kExperiment, "name ILIKE 'x%'", Make(kAttribute, "name", kILike, {Text("x%")})},
      {kExperiment, "attribute.creation_time > 1", Make(kAttribute, "creation_time", kGt, {1.0})},
      {kExperiment, "last_update_time <= 1", Make(kAttribute, "last_update_time", kLe, {1.0})},
      {kExperiment, "tags.a IS NULL", Make(kTag, "a", kIsNull, {})},
      {kRegisteredModel, "name LIKE 'x'", Make(kAttribute, "name", kLike, {Text("x")})},
      {kRegisteredModel, "tag.`a b` != 'x'", Make(kTag, "a b", kNe, {Text("x")})},
      {kModelVersion, "version_number > 1", Make(kAttribute, "version_number", kGt, {1.0})},
      {kModelVersion, "version_number = '2'", Make(kAttribute, "version_number", kEq, {2.0})},
      {kModelVersion, "run_id IN ('a')", Make(kAttribute, "run_id", kIn, {Text("a")})},
      {kModelVersion, "source_path = 'x'", Make(kAttribute, "source_path", kEq, {Text("x")})},
      {kLoggedModel, "attributes.name NOT IN ('a', 5)",
       Make(kAttribute, "name", kNotIn, {Text("a"), Text("5")})},
      {kLoggedModel, "creation_time > 1", Make(kAttribute, "creation_timestamp", kGt, {1.0})},
      {kLoggedModel, "name = x", Make(kAttribute, "name", kEq, {Text("x")})},
      {kLoggedModel, "params.x = 1", Make(kParam, "x", kEq, {Text("1")})},
      {kLoggedModel, "tags.a IN ('x')", Make(kTag, "a", kIn, {Text("x")})},
      {kLoggedModel, "metrics.a < 1", Make(kMetric, "a", kLt, {1.0})},
  };
  for (const auto& [noun, filter, condition] : cases) {
    const auto parsed = ParseMlflowFilter(noun, filter);
    ASSERT_TRUE(parsed) << filter << ": " << parsed.error().message;
    EXPECT_THAT(*parsed, ElementsAre(condition)) << filter;
  }
}

TEST(MlflowFilter, ConditionsAreJoinedByAnd) {
  const auto parsed = ParseMlflowFilter(
      kRun, " params.x='a'and metrics.y>2 \n AND tags.z IS NULL And run_id IN ('b') ");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_THAT(*parsed, ElementsAre(Make(kParam, "x", kEq, {Text("a")}),
                                   Make(kMetric, "y", kGt, {2.0}), Make(kTag, "z", kIsNull, {}),
                                   Make(kAttribute, "run_id", kIn, {Text("b")})));
  for (const MlflowNoun noun : {kRun, kExperiment, kRegisteredModel, kModelVersion, kLoggedModel}) {
    EXPECT_THAT(*ParseMlflowFilter(noun, " "), IsEmpty());
  }
}

TEST(MlflowFilter, WhatIsNoComparisonIsNamed) {
  const struct {
    std::string_view filter;
    std::string_view left_over;
  } cases[] = {
      {"metrics.a > 1 OR metrics.b > 2", "'OR'"},
      {"metrics.a > 1 NAND metrics.b > 2", "'NAND'"},
      {"NOT metrics.a > 1", "'NOT'"},
      {"(metrics.a > 1)", "'(metrics.a > 1)'"},
      {"tags.key = 'x';", "';'"},
      {"tags.key", "'tags.key'"},
      {"tags.key =", "'tags.key', '='"},
      {"= 'x'", "'=', ''x''"},
      {"params.x = 'a' 'b'", "''b''"},
      {"params.x = 'abc", "'params.x', '=', ''', 'abc'"},
      {"params.x = \"LR'", "'params.x', '=', '\"', 'LR', '''"},
      {"params.acc LR !=", "'params.acc', 'LR', '!='"},
      {"metrics.`a > 1", "'metrics.', '`'"},
      {"run_id IN ('a'", "'run_id', 'IN', '(', ''a''"},
      {"run_id IN 'a'", "'run_id', 'IN', ''a''"},
      {"metrics.a > +1", "'metrics.a', '>', '+', '1'"},
      {"params.x IS 'x'", "'params.x', 'IS', ''x''"},
      {"start_time BETWEEN 1 AND 2", "'start_time', 'BETWEEN', '1', '2'"},
      {"((", "'(', '('"},
  };
  for (const auto& [filter, left_over] : cases) {
    EXPECT_EQ(ErrorOf(kRun, filter),
              "Invalid clause(s) in filter string: " + std::string(left_over));
  }
  EXPECT_EQ(ErrorOf(kExperiment, "name = 'a' OR name = 'b'"),
            "Invalid clause(s) in filter string: OR");
  EXPECT_EQ(ErrorOf(kRun, "tags.a = 'x'; tags.b = 'c'"),
            "Search filter contained multiple expression \"tags.a = 'x'; tags.b = 'c'\". Provide "
            "AND-ed expression list.");
  EXPECT_THAT(ErrorOf(kRun, "metrics.a > 1; metrics.b > 1"),
              HasSubstr("multiple expression 'metrics.a > 1; metrics.b > 1'."));
  EXPECT_THAT(ErrorOf(kLoggedModel, "name = 'a' OR name = 'b'"),
              HasSubstr("Expected a list of comparisons separated by 'AND'"));
}

TEST(MlflowFilter, WrongNamesSignsAndValuesHaveMlflowsWords) {
  const struct {
    MlflowNoun noun;
    std::string_view filter;
    std::string_view error;
  } cases[] = {
      {kRun, "m.acc >= 0.94", "Invalid entity type 'm'"},
      {kRun, "Metrics.acc > 1", "Invalid entity type 'Metrics'"},
      {kRun, "`metrics.A` > 1", "Invalid entity type '`metrics'"},
      {kRun, "acc >= 0.94", "Invalid attribute key 'acc' specified. Valid keys are '{'run_id'"},
      {kRun, "attribute.start != 1", "Invalid attribute key 'start'"},
      {kRun, "lifecycle_stage = 'x'", "Invalid attribute key"},
      {kRun, "dataset.foo = 'x'", "Invalid dataset key 'foo'"},
      {kRun, "1.0 > metrics.acc", "Invalid comparison clause. Expected 'Identifier' found '1.0'"},
      {kRun, "tags.a-b = 'x'", "Expected 'Identifier' found 'tags.a-b'"},
      {kRun, "'tags.a' = 'x'", "Expected 'Identifier' found ''tags.a''"},
      {kRun, "metrics.a = '5'", "Expected numeric value type for metric. Found '5'"},
      {kRun, "metrics.a != metrics.b", "Expected numeric value type for metric. Found metrics.b"},
      {kRun, "metrics.a IN (1)", "Expected numeric value type for metric. Found (1)"},
      {kRun, "metrics.a > 1and", "Expected numeric value type for metric. Found 1and"},
      {kRun, "start_time > '1'",
       "Expected numeric value type for numeric attribute: start_time. Found '1'"},
      {kRun, "params.a = 5",
       "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"},
      {kRun, "tags.a = NULL",
       "Expected a quoted string value for tag (e.g. 'my-value'). Got value NULL"},
      {kRun, "tags.a NOT IN ('x')", "Expected a quoted string value for tag"},
      {kRun, "status = 1", "Expected a quoted string value for attributes. Got value 1"},
      {kRun, "dataset.name = 1", "Expected a quoted string value for dataset attributes."},
      {kRun, "params.a = LR", "value is either not quoted or unidentified quote types"},
      {kRun, "params.a = `LR`", "value is either not quoted or unidentified quote types"},
      {kRun, "status IN ('x')", "Only the 'run_id' attribute supports comparison with a list"},
      {kRun, "run_id IN ()", "expected a non-empty list of string values, but got empty list"},
      {kRun, "run_id IN (1,2)", "but got different type in list: (1, 2)"},
      {kRun, "run_id IN ('a' 'b')", "but got ill-formed list"},
      {kRun, "run_id IN (,'a')", "but got ill-formed list"},
      {kRun, "metrics.a == 1", "Invalid comparator '==' not one of '{'=', '!='"},
      {kRun, "metrics.a LIKE 1", "Invalid comparator 'LIKE' not one of"},
      {kRun, "params.a > '1'", "Invalid comparator '>' not one of '{'=', '!=', 'LIKE'"},
      {kRun, "params.a NOT LIKE '1'", "Invalid comparator 'NOT LIKE' not one of"},
      {kRun, "status <> 'x'", "Invalid comparator '<>' not one of"},
      {kRun, "dataset.name > 'x'", "Invalid comparator '>' not one of"},
      {kRun, "metrics.a IS NULL",
       "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'"},
      {kRun, "dataset.name IS NULL", "IS NULL / IS NOT NULL is only supported"},
      {kExperiment, "attributes.name = 'x'",
       "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')"},
      {kExperiment, "name IS NULL", "is only supported for tags, not for attribute 'name'"},
      {kExperiment, "tags.a > 'x'", "Invalid comparator for tag: >"},
      {kExperiment, "name > 'x'", "Invalid comparator '>' not one of"},
      {kExperiment, "name IN ('a')", "Only the 'run_id' attribute supports"},
      {kRegisteredModel, "name > 'x'", "Invalid comparator for attribute: >"},
      {kRegisteredModel, "run_id = 'x'", "Invalid attribute key 'run_id'"},
      {kRegisteredModel, "tags.a IS NULL", "IS NULL / IS NOT NULL is not supported"},
      {kModelVersion, "version_number LIKE '1'",
       "Invalid comparator for attribute version_number: LIKE"},
      {kModelVersion, "version_number = 'x'", "Expected numeric value type"},
      {kModelVersion, "run_id NOT IN ('a')", "Invalid comparator for attribute: NOT IN"},
      {kLoggedModel, "attribute.name = 'x'",
       "Invalid entity type: 'attribute'. Expected one of ['attributes', 'metrics', 'params', "
       "'tags']."},
      {kLoggedModel, "params.a > '1'",
       "Invalid comparison operator for params.a: '>'. Expected one of ('=', '!='"},
      {kLoggedModel, "metrics.a LIKE 'x'", "Invalid comparison operator for metrics.a: 'LIKE'"},
      {kLoggedModel, "tags.a IS NULL", "Expected a comparison with 3 tokens."},
      {kLoggedModel, "metrics.a = '1'", "Expected numeric value type for metric"},
      {kLoggedModel, "foo = 'x'", "Invalid attribute key 'foo'"},
  };
  for (const auto& [noun, filter, error] : cases) {
    EXPECT_THAT(ErrorOf(noun, filter), HasSubstr(error)) << filter;
  }
}

TEST(MlflowFilter, SizesAreLimited) {
  std::string many = "metrics.a > 1";
  for (int i = 1; i < 100; ++i) many += " AND metrics.a > 1";
  EXPECT_EQ(ErrorOf(kRun, many), "no error");
  EXPECT_THAT(ErrorOf(kRun, many + " AND metrics.a > 1"), HasSubstr("101 comparisons"));
  const auto list = [](int count) {
    std::string text = "run_id IN ('x'";
    for (int i = 1; i < count; ++i) text += ",'x'";
    return text + ")";
  };
  EXPECT_EQ(ErrorOf(kRun, list(10'000)), "no error");
  EXPECT_THAT(ErrorOf(kRun, list(10'001)), HasSubstr("10001 values"));
  EXPECT_THAT(ErrorOf(kRun, "tags.a LIKE '" + std::string(10'001, '%') + "'"),
              HasSubstr("longer than 10000 bytes"));
  EXPECT_THAT(ErrorOf(kRun, std::string((1 << 20) + 1, ' ')), HasSubstr("longer than"));
  EXPECT_THAT(ErrorOf(kRun, "tags.a = '\xff'"), HasSubstr("no text"));
  EXPECT_THAT(ErrorOf(kRun, std::string_view("tags.a = '\0'", 12)), HasSubstr("no text"));
}

TEST(MlflowOrder, KeysWithTheirDirections) {
  const auto parsed =
      ParseMlflowOrder(kRun, {"metrics.acc", "params.`a b`   desc", "tags.mlflow.runName Asc",
                              "Created DESC", "attribute.run_name", "metrics.desc"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_THAT(*parsed, ElementsAre(OrderBy{{kMetric, "acc"}, false}, OrderBy{{kParam, "a b"}, true},
                                   OrderBy{{kTag, "mlflow.runName"}, false},
                                   OrderBy{{kAttribute, "start_time"}, true},
                                   OrderBy{{kAttribute, "run_name"}, false},
                                   OrderBy{{kMetric, "desc"}, false}));
  EXPECT_THAT(*ParseMlflowOrder(kRegisteredModel, {"timestamp DESC"}),
              ElementsAre(OrderBy{{kAttribute, "last_updated_timestamp"}, true}));
  // The second time has no effect with experiments, as with MLflow.
  EXPECT_THAT(*ParseMlflowOrder(kExperiment, {"name", "name DESC", "experiment_id"}),
              ElementsAre(OrderBy{{kAttribute, "name"}, false},
                          OrderBy{{kAttribute, "experiment_id"}, false}));
  EXPECT_EQ(*ParseLoggedModelOrder("creation_time"), (Field{kAttribute, "creation_timestamp"}));
  EXPECT_EQ(*ParseLoggedModelOrder("metrics.`a b`"), (Field{kMetric, "a b"}));
}

TEST(MlflowOrder, WrongOnesHaveMlflowsWords) {
  const struct {
    MlflowNoun noun;
    std::vector<std::string> keys;
    std::string_view error;
  } cases[] = {
      {kRun, {""}, "Invalid order_by clause ''. Could not be parsed."},
      {kRun, {"DESC"}, "Invalid order_by clause 'DESC'. Could not be parsed."},
      {kRun, {"params.a "}, "Invalid order_by clause 'params.a '. Could not be parsed."},
      {kRun, {"metrics.a DESC ASC"}, "Could not be parsed."},
      {kRun, {"metrics.a, metrics.b"}, "Could not be parsed."},
      {kRun, {"metrics.a != 1"}, "Could not be parsed."},
      {kRun, {"`metrics.A"}, "Could not be parsed."},
      {kRun, {"metrics.a-b"}, "Could not be parsed."},
      {kRun, {"`metrics.A`"}, "Invalid entity type"},
      {kRun, {"run_id decs"}, "Invalid ordering key in order_by clause 'run_id decs'."},
      {kRun, {"attribute.experiment_id"}, "Invalid attribute key 'experiment_id'"},
      {kRun, {"`run name`"}, "Invalid attribute key 'run name'"},
      {kRun, {"dataset.name"}, "Invalid identifier type 'dataset'"},
      {kRun,
       {"Created", "start_time DESC"},
       "`order_by` contains duplicate fields: ['Created', 'start_time DESC']"},
      {kRun, std::vector<std::string>(21, "run_id"), "at most 20"},
      {kExperiment, {"tags.a"}, "Invalid order_by entity: tag"},
      {kExperiment, {"foo"}, "Invalid attribute key 'foo'"},
      {kRegisteredModel,
       {"creation_timestamp DESC"},
       "Invalid order by key 'creation_timestamp' specified. Valid keys are '{'name', "
       "'timestamp'}'"},
      {kRegisteredModel, {"tags.k"}, "Invalid order by key 'tags.k'"},
      {kRegisteredModel, {"timestamp", "last_updated_timestamp"}, "contains duplicate fields"},
      {kModelVersion, {"tags.q"}, "Invalid order by key 'q' specified."},
      {kModelVersion, {"run_id"}, "Invalid attribute key 'run_id'"},
  };
  for (const auto& [noun, keys, error] : cases) {
    EXPECT_THAT(OrderErrorOf(noun, keys), HasSubstr(error)) << keys[0];
  }
  EXPECT_EQ(ParseLoggedModelOrder("foo").error().message, "Invalid order by field name: foo");
  EXPECT_EQ(ParseLoggedModelOrder("params.p").error().message,
            "Invalid order by field name: params.p. Only metrics are supported.");
}

}  // namespace
}  // namespace roost::spec
