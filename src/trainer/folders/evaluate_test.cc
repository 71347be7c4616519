#include "trainer/folders/evaluate.h"

#include <nlohmann/json.hpp>

#include "trainer/folders/dataframe.h"
#include "trainer/folders/folders_test_fixture.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

using Pairs = std::vector<std::pair<std::string, std::string>>;  // true, predicted

class EvaluateTest : public ::testing::Test {
 protected:
  fs::path Scored(const std::string& name, const Pairs& pairs, bool labelled = true) {
    auto writer =
        ROOST_VALUE(DataFrameWriter::Create(folder.path() / name, ScoreSchema({"a"}, labelled)));
    for (const auto& [truth, predicted] : pairs) {
      std::vector<std::string> row = {truth, "0", "1", predicted};
      if (!labelled) row.erase(row.begin());
      EXPECT_OK(writer.Add(row));
    }
    EXPECT_OK(writer.Finish());
    return folder.path() / name;
  }
  Result<EvaluateResult> Evaluate(const fs::path& left, const std::optional<fs::path>& right = {}) {
    (void)RemoveTree(out);
    return EvaluateModel(left, right, out);
  }
  void Rename(const fs::path& scored, const std::string& from, const std::string& to) {
    std::string text = Slurp(scored / "schema/_schema.json");
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    Spill(scored / "schema/_schema.json", text.replace(at, from.size(), to));
  }

  TempFolder folder;
  const fs::path out = folder.path() / "out";
};

// scikit-learn 1.x for y_true = a a a b b c, y_pred = a a b b c d (macro, zero_division=0):
// precision (1 + 1/2 + 0 + 0) / 4, recall (2/3 + 1/2 + 0 + 0) / 4.
const Pairs kPairs = {{"a", "a"}, {"a", "a"}, {"a", "b"}, {"b", "b"}, {"b", "c"}, {"c", "d"}};

TEST_F(EvaluateTest, MetricsAreThoseOfScikitLearn) {
  const EvaluateResult result = ROOST_VALUE(Evaluate(Scored("s", kPairs)));
  EXPECT_EQ(result.left.rows, 6U);
  EXPECT_DOUBLE_EQ(result.left.overall_accuracy, 0.5);
  EXPECT_DOUBLE_EQ(result.left.micro_precision, 0.5);
  EXPECT_DOUBLE_EQ(result.left.micro_recall, 0.5);
  EXPECT_DOUBLE_EQ(result.left.macro_precision, 0.375);
  EXPECT_DOUBLE_EQ(result.left.macro_recall, 7.0 / 24);
  EXPECT_THAT(result.left.confusion.labels, ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(result.left.confusion.At(0, 1), 1U);
  EXPECT_EQ(result.left.confusion.At(1, 0), 0U);
  EXPECT_EQ(result.NamedValues().front().first, "Overall_Accuracy");

  const json written = json::parse(Slurp(out / "evaluation.json"));
  EXPECT_EQ(written["metrics"]["Macro_Precision"], 0.375);
  EXPECT_EQ(written["left_port"]["confusion_matrix"],
            (json{{2, 1, 0, 0}, {0, 1, 1, 0}, {0, 0, 0, 1}, {0, 0, 0, 0}}));
  EXPECT_FALSE(written.contains("right_port"));
  EXPECT_TRUE(Slurp(out / "left_port_confusion_matrix.png").starts_with("\x89PNG"));
  EXPECT_EQ(ROOST_VALUE(DataFrame::Open(out, "x")).schema().columns.size(), 5U);
}

TEST_F(EvaluateTest, TwoInputsGetPortNames) {
  const fs::path right = Scored("right", {{"a", "a"}, {"", "b"}});
  const EvaluateResult result = ROOST_VALUE(Evaluate(Scored("left", kPairs), right));
  EXPECT_EQ(result.right->unlabelled_rows, 1U);
  EXPECT_EQ(result.right->overall_accuracy, 1);
  const auto values = result.NamedValues();
  ASSERT_EQ(values.size(), 10U);
  EXPECT_EQ(values[0].first, "Overall_Accuracy (left port)");
  EXPECT_EQ(values[9].first, "Macro_Recall (right port)");
  EXPECT_TRUE(fs::exists(out / "right_port_confusion_matrix.png"));
  int rows = 0;
  EXPECT_OK(ROOST_VALUE(DataFrame::Open(out, "x")).ForEachRow([&](const auto&) -> Status {
    ++rows;
    return {};
  }));
  EXPECT_EQ(rows, 2);
}

TEST_F(EvaluateTest, WhatCannotBeEvaluatedIsNamed) {
  EXPECT_NUMBER(Evaluate(Scored("s", kPairs, false)), 24, "no label column in \"Scored dataset\"");
  EXPECT_NUMBER(Evaluate(Scored("s", {{"", "a"}})), 24, "None of its rows");
  EXPECT_NUMBER(Evaluate(Scored("s", {})), 24, "None of its rows");

  const fs::path s = Scored("s", kPairs);
  Rename(s, "Multi Class Assigned Labels", "Something");
  EXPECT_NUMBER(Evaluate(s), 25, "no score column");
  EXPECT_NUMBER(Evaluate(Scored("good", kPairs), s), 25, "Scored dataset to compare");
  Rename(s, "Something", "Regression Assigned Labels");
  EXPECT_NUMBER(Evaluate(s), 62, "\"Regression\"");
  EXPECT_NUMBER(Evaluate(Scored("good", kPairs), s), 62, "same learner type");

  const fs::path t = Scored("t", kPairs);
  Rename(t, "\"Multi Class Assigned Labels\": \"Scored Labels\"",
         "\"Multi Class Assigned Labels\": \"none\"");
  EXPECT_NUMBER(Evaluate(t), 25, "no \"none\" column");
  EXPECT_NUMBER(Evaluate(folder.path() / "nowhere"), 18, "Scored dataset");
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(EvaluateTest, ManyClassesHaveNoPicture) {
  Pairs pairs;
  for (int i = 0; i < 1200; ++i) pairs.emplace_back(std::to_string(i), std::to_string(i));
  EXPECT_EQ(ROOST_VALUE(Evaluate(Scored("s", pairs))).left.macro_recall, 1.0);
  EXPECT_FALSE(fs::exists(out / "left_port_confusion_matrix.png"));
  const json port = json::parse(Slurp(out / "evaluation.json"))["left_port"];
  EXPECT_EQ(port["confusion_cells"].size(), 1200U);
  EXPECT_FALSE(port.contains("confusion_matrix"));
}

TEST(ConfusionPicture, ShadesCellsByTheirShareOfTheRow) {
  ConfusionMatrix confusion;
  confusion.labels = {"a class with a very long name", "K\u00e4fer"};
  confusion.cells[{0, 0}] = 3;
  confusion.cells[{0, 1}] = 1;
  const Image image = DrawConfusionMatrix(confusion);
  // The first cell has the darkest blue of all, next to its upper left corner.
  int dark = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = image.Row(y) + x * 3;
      // 255 + 0.75 * (8 - 255) and so on.
      dark += pixel[0] == 70 && pixel[1] == 100 && pixel[2] == 144 ? 1 : 0;
    }
  }
  EXPECT_GT(dark, 70 * 70 - 400);
  EXPECT_LT(dark, 70 * 70);
  // No label at all and the largest number do not crash.
  EXPECT_GT(DrawConfusionMatrix({}).width, 0);
  confusion.labels.assign(64, std::string(500, 'w'));
  EXPECT_GT(DrawConfusionMatrix(confusion).width, 64 * 24);
}

}  // namespace
}  // namespace roost::trainer
