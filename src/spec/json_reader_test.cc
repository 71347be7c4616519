#include "spec/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// Reads one of each.
struct Sample {
  std::string name = "unset";
  std::int64_t count = -1;
  double share = -1;
  bool flag = false;
  std::map<std::string, std::string> map;
  std::map<std::string, std::optional<std::string>> tags;
  std::vector<std::string> list;
  std::string inner = "unset";
  std::vector<std::string> names;

  Status Read(const json& body) {
    JsonReader reader(body);
    reader.String("name", &name, {.required = true, .max_length = 5, .may_be_empty = false});
    reader.Integer("count", &count, 0, 10);
    reader.Number("share", &share, 0, 1);
    reader.Bool("flag", &flag);
    reader.StringMap("map", &map);
    reader.OptionalStringMap("tags", &tags);
    reader.StringList("list", &list, /*numbers_as_text=*/true);
    reader.Object("nested", [&](JsonReader& nested) { nested.String("inner", &inner); });
    reader.Objects("items", [&](JsonReader& item) {
      item.String("name", &names.emplace_back(), {.required = true});
    });
    return reader.Finish("The sample is not valid");
  }
};

// "field: message" of every problem.
std::vector<std::string> ProblemsOf(const json& body) {
  Sample sample;
  const Status status = sample.Read(body);
  std::vector<std::string> problems;
  if (status) return problems;
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  for (const Problem& problem : status.error().details) {
    problems.push_back(problem.field + ": " + problem.message);
  }
  return problems;
}

TEST(JsonReader, ReadsEveryKindOfField) {
  Sample sample;
  const json body = {{"name", "ab"},
                     {"count", 3.0},
                     {"share", 1},
                     {"flag", true},
                     {"map", {{"a", "1"}}},
                     {"tags", {{"a", nullptr}, {"b", 2}, {"c", false}, {"d", "x"}, {"e", 0.5}}},
                     {"list", {"x", 1, 0.001, 10.0, 1e-5, true}},
                     {"nested", {{"inner", "deep"}}},
                     {"items", {{{"name", "i"}}, {{"name", "j"}}}}};
  const Status status = sample.Read(body);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(sample.name, "ab");
  EXPECT_EQ(sample.count, 3);
  EXPECT_EQ(sample.share, 1);
  EXPECT_TRUE(sample.flag);
  EXPECT_THAT(sample.map, ElementsAre(Pair("a", "1")));
  EXPECT_THAT(sample.tags, ElementsAre(Pair("a", std::nullopt), Pair("b", "2"), Pair("c", "false"),
                                       Pair("d", "x"), Pair("e", "0.5")));
  EXPECT_THAT(sample.list, ElementsAre("x", "1", "0.001", "10.0", "1e-05", "true"));
  EXPECT_EQ(sample.inner, "deep");
  EXPECT_THAT(sample.names, ElementsAre("i", "j"));
}

TEST(JsonReader, NullCountsAsMissing) {
  Sample sample;
  ASSERT_TRUE(sample.Read({{"name", "a"}, {"count", nullptr}, {"nested", nullptr}}));
  EXPECT_EQ(sample.count, -1);
  EXPECT_EQ(sample.inner, "unset");
}

TEST(JsonReader, TellsEachProblemWithItsPath) {
  const struct {
    json body;
    std::string problem;
  } cases[] = {
      {json::object(), "name: is required"},
      {{{"name", nullptr}}, "name: is required"},
      {{{"name", ""}}, "name: must not be empty"},
      {{{"name", 5}}, "name: must be a text, not a JSON number"},
      {{{"name", "äöüäöü"}}, "name: has 6 characters; at most 5 are allowed"},
      {{{"name", std::string("a\0b", 3)}}, "name: must not contain a NUL character"},
      {{{"name", "a"}, {"count", 11}}, "count: must be from 0 to 10"},
      {{{"name", "a"}, {"count", -1}}, "count: must be from 0 to 10"},
      {{{"name", "a"}, {"count", 18446744073709551615ULL}}, "count: must be from 0 to 10"},
      {{{"name", "a"}, {"count", 1e300}}, "count: must be from 0 to 10"},
      {{{"name", "a"}, {"count", 1.5}}, "count: must be a whole number"},
      {{{"name", "a"}, {"count", "1"}}, "count: must be a whole number, not a JSON string"},
      {{{"name", "a"}, {"share", 1.01}}, "share: must be from 0 to 1"},
      {{{"name", "a"}, {"share", true}}, "share: must be a number, not a JSON boolean"},
      {{{"name", "a"}, {"flag", 1}}, "flag: must be true or false, not a JSON number"},
      {{{"name", "a"}, {"map", json::array()}},
       "map: must be an object of texts, not a JSON array"},
      {{{"name", "a"}, {"map", {{"k", 1}}}}, "map.k: must be a text, not a JSON number"},
      {{{"name", "a"}, {"tags", {{"k", json::array()}}}},
       "tags.k: must be a text, a number, true, false or null, not a JSON array"},
      {{{"name", "a"}, {"list", "x"}}, "list: must be a list, not a JSON string"},
      {{{"name", "a"}, {"list", {1, nullptr}}},
       "list[1]: must be a text, a number, true or false, not null"},
      {{{"name", "a"}, {"nested", 3}}, "nested: must be a JSON object, not a JSON number"},
      {{{"name", "a"}, {"nested", {{"inner", 3}}}},
       "nested.inner: must be a text, not a JSON number"},
      {{{"name", "a"}, {"nested", {{"outer", 3}}}},
       "nested.outer: is not a known field; known are inner"},
      {{{"name", "a"}, {"items", {{{"name", "x"}}, json::object()}}}, "items[1].name: is required"},
      {{{"name", "a"}, {"items", {7}}}, "items[0]: must be a JSON object, not a JSON number"},
      {{{"name", "a"}, {"items", 7}}, "items: must be a list of objects, not a JSON number"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ProblemsOf(c.body), ElementsAre(c.problem)) << c.body;
  }
}

TEST(JsonReader, CollectsAllProblemsAndLeavesTargetsAlone) {
  Sample sample;
  const Status status = sample.Read({{"name", 1}, {"count", 99}, {"nmae", "typo"}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().details.size(), 3U);
  EXPECT_EQ(status.error().details[2].field, "nmae");
  EXPECT_THAT(status.error().message,
              HasSubstr("The sample is not valid: `name` must be a text, not a JSON number (and 2 "
                        "more problems)"));
  EXPECT_EQ(sample.name, "unset");
  EXPECT_EQ(sample.count, -1);
}

TEST(JsonReader, ABodyThatIsNoObjectIsOneProblem) {
  EXPECT_THAT(ProblemsOf(json::array()), ElementsAre(": must be a JSON object, not a JSON array"));
  EXPECT_THAT(ProblemsOf(nullptr), ElementsAre(": must be a JSON object, not null"));
}

TEST(JsonReader, TellsAtMostAHundredProblemsAndCountsTheRest) {
  json body = {{"name", "a"}};
  for (int i = 0; i < 250; ++i) body["unknown" + std::to_string(i)] = i;
  Sample sample;
  const Status status = sample.Read(body);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().details.size(), 100U);
  EXPECT_THAT(status.error().message, HasSubstr("(and 249 more problems)"));
}

TEST(JsonReader, ProblemsOfAnotherCheckGetTheFieldsPath) {
  const json body = {{"name", "x"}};
  JsonReader reader(body, "outer.");
  std::string name;
  reader.String("name", &name);
  reader.AddProblems("name", Error{ErrorCode::kInvalidArgument, "no", {{"other", "is bad"}}});
  reader.AddProblems("name", Error{ErrorCode::kNotFound, "is plain", {}});
  const Status status = reader.Finish("Bad");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().details,
              ElementsAre(Problem{"outer.name", "is bad"}, Problem{"outer.name", "is plain"}));
}

}  // namespace
}  // namespace roost::spec
