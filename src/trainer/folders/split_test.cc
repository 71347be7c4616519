#include "trainer/folders/split.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "trainer/folders/folders_test_fixture.h"
#include "trainer/folders/image_directory.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;

// `counts[c]` rows of class c, in turns.
std::vector<int> Mixed(std::vector<int> counts) {
  std::vector<int> classes;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c]-- > 0) {
        classes.push_back(static_cast<int>(c));
        more = true;
      }
    }
  }
  return classes;
}

std::vector<int> CountFirst(const std::vector<int>& classes, const std::vector<bool>& chosen) {
  std::vector<int> counts(10);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (chosen[i]) ++counts[static_cast<std::size_t>(classes[i])];
  }
  while (!counts.empty() && counts.back() == 0) counts.pop_back();
  return counts;
}

TEST(ChooseRows, KeepsTheProportions) {
  bool stratified = false;
  const auto classes = Mixed({100, 50, 10});
  EXPECT_THAT(CountFirst(classes, ChooseRows(classes, 0.9, 42, true, stratified)),
              ElementsAre(90, 45, 9));
  EXPECT_TRUE(stratified);
  // 25 * 0.7 = 17 (17.5 down): shares 6.8, 6.8, 3.4 become 7, 7, 3.
  const auto uneven = Mixed({10, 10, 5});
  EXPECT_THAT(CountFirst(uneven, ChooseRows(uneven, 0.7, 42, true, stratified)),
              ElementsAre(7, 7, 3));
  // A tie goes to the lower class.
  const auto even = Mixed({5, 5});
  EXPECT_THAT(CountFirst(even, ChooseRows(even, 0.5, 42, true, stratified)), ElementsAre(3, 2));
}

TEST(ChooseRows, FallsBackToPlainRandom) {
  bool stratified = true;
  const auto single = Mixed({20, 1});
  const auto chosen = ChooseRows(single, 0.9, 42, true, stratified);
  EXPECT_FALSE(stratified);
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), true), 18);
  // The second output would have 2 images for 3 classes.
  stratified = true;
  ChooseRows(Mixed({6, 6, 6}), 0.9, 42, true, stratified);
  EXPECT_FALSE(stratified);
}

TEST(ChooseRows, DependsOnTheSeedAlone) {
  bool stratified = false;
  const auto classes = Mixed({40, 40});
  const auto first = ChooseRows(classes, 0.5, 42, true, stratified);
  EXPECT_EQ(ChooseRows(classes, 0.5, 42, true, stratified), first);
  EXPECT_NE(ChooseRows(classes, 0.5, 43, true, stratified), first);
  // Pinned: the same rows on every machine and in every release.
  const auto few = ChooseRows(Mixed({5, 5}), 0.6, 42, true, stratified);
  std::string text;
  for (const bool one : few) text += one ? '1' : '0';
  EXPECT_EQ(text, "0111110010");
}

TEST(ChooseRows, EveryRowIsDrawnAboutAsOften) {
  std::vector<int> times(20);
  const auto classes = Mixed({10, 10});
  bool stratified = false;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto chosen = ChooseRows(classes, 0.5, seed, true, stratified);
    for (std::size_t i = 0; i < 20; ++i) times[i] += chosen[i] ? 1 : 0;
  }
  // Binomial(4000, 1/2) has a standard deviation of 32; 6 of them.
  for (const int count : times) EXPECT_NEAR(count, 2000, 190);
}

class SplitTest : public ::testing::Test {
 protected:
  void Write(int count, const std::vector<std::string>& classes) {
    (void)RemoveTree(in);
    auto writer = ROOST_VALUE(ImageDirectoryWriter::Create(
        in, classes.empty() ? ImageSchema::Unlabelled() : ImageSchema::Classification(classes)));
    for (int i = 0; i < count; ++i) {
      const std::string name = "image/" + std::to_string(i) + ".ppm";
      Spill(in / name, TinyPpm(1, 1, static_cast<unsigned char>(i)));
      // The last class never occurs.
      const int c = classes.empty() ? -1 : i % (static_cast<int>(classes.size()) - 1);
      EXPECT_OK(writer.Add({name, c, 100 + i}));
    }
    EXPECT_OK(writer.Finish());
  }
  Result<SplitReport> Split(const SplitOptions& options = {}) {
    (void)RemoveTree(one);
    (void)RemoveTree(two);
    return SplitImageDirectory(in, one, two, options);
  }

  TempFolder folder;
  const fs::path in = folder.path() / "in";
  const fs::path one = folder.path() / "one";
  const fs::path two = folder.path() / "two";
};

TEST_F(SplitTest, BothOutputsKeepTheWholeCategoryList) {
  Write(20, {"a", "b \u00e4", "never"});
  const SplitReport report = ROOST_VALUE(Split());
  EXPECT_EQ(report.first, 18U);
  EXPECT_EQ(report.second, 2U);
  EXPECT_TRUE(report.stratified);
  const ImageDirectory first = ROOST_VALUE(ImageDirectory::Open(one, "x"));
  const ImageDirectory second = ROOST_VALUE(ImageDirectory::Open(two, "x"));
  EXPECT_THAT(first.classes(), ElementsAre("a", "b \u00e4", "never"));
  EXPECT_EQ(second.classes(), first.classes());
  std::set<std::int64_t> ids;
  for (const ImageDirectory* side : {&first, &second}) {
    for (std::size_t i = 0; i < side->size(); ++i) {
      ids.insert(side->IdOf(i));
      EXPECT_EQ(Slurp(side->PathOf(i)), Slurp(in / side->FileName(i)));
    }
  }
  EXPECT_EQ(ids.size(), 20U);
}

TEST_F(SplitTest, OtherColumnsPassThrough) {
  Write(4, {});
  Spill(in / "images.lst",
        "{\"image_info\": {\"file_name\": \"image/0.ppm\", \"width\": 1}, \"boxes\": [1.50]}\n"
        "{\"image_info\": {\"file_name\": \"image/1.ppm\"}, \"boxes\": [2]}\n");
  EXPECT_FALSE(ROOST_VALUE(Split({0.5})).stratified);
  EXPECT_THAT(Slurp(one / "images.lst") + Slurp(two / "images.lst"),
              ::testing::HasSubstr("\"width\": 1}, \"boxes\": [1.50]}\n"));
}

TEST_F(SplitTest, TheLimitsOfTheFraction) {
  Write(4, {"a", "b", "never"});
  EXPECT_EQ(ROOST_VALUE(Split({0.25})).first, 1U);
  EXPECT_EQ(ROOST_VALUE(Split({0.75})).first, 3U);
  for (const double fraction : {0.0, 0.24, 0.76, 1.0, -1.0, std::nan("")}) {
    EXPECT_NUMBER(Split({fraction}), 8,
                  "Parameter \"Fraction\" value should be in the range of [0.25, 0.75].");
  }
  EXPECT_NUMBER(Split(), 8, "Fraction");  // the default of 0.9 needs 10 images
}

TEST_F(SplitTest, InputsThatCannotBeSplit) {
  Write(1, {"a", "never"});
  EXPECT_NUMBER(Split(), 18, "fewer than 2 images");
  EXPECT_NUMBER(SplitImageDirectory(folder.path(), one, two), 18, "Input image directory");
  Write(4, {"a", "never"});
  fs::remove(in / "image/3.ppm");
  EXPECT_NUMBER(Split({0.5}), 18, "3.ppm is missing");
  EXPECT_TRUE(fs::is_empty(one));  // so that it can be tried again
  EXPECT_TRUE(fs::is_empty(two));
  EXPECT_NUMBER(SplitImageDirectory(in, in, two, {0.5}), 160, "is not empty");
  EXPECT_NUMBER(SplitImageDirectory(in, one, one, {0.5}), 160, "both outputs");
}

}  // namespace
}  // namespace roost::trainer
