#include "cli/submit_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace roost::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SubmitWordsTest : public testing::Test {
 protected:
  SubmitWordsTest() : folder_(temp_.path() / "src") {
    EXPECT_TRUE(MakeFolders(folder_));
    EXPECT_TRUE(WriteFileAtomic(folder_ / "train.py", ""));
  }
  TempFolder temp_;
  fs::path folder_;
};

TEST_F(SubmitWordsTest, WithoutSeparatorAllBehindTheScriptIsItsOwn) {
  const auto work = ReadSubmitWords({.words = {folder_, "train.py", "--lr", "0.1", "-v"}});
  ASSERT_TRUE(work) << work.error().message;
  EXPECT_EQ(work->folder, folder_);
  EXPECT_EQ(work->script, "train.py");
  EXPECT_THAT(work->arguments, ElementsAre("--lr", "0.1", "-v"));
}

TEST_F(SubmitWordsTest, OptionsOfOursBehindTheScriptAreNoticed) {
  const auto work = ReadSubmitWords({.words = {folder_, "train.py", "--data", "x", "--watch"}});
  ASSERT_TRUE(work);
  EXPECT_THAT(OptionsAmongArguments(*work), ElementsAre("--watch"));
}

TEST_F(SubmitWordsTest, BehindTheSeparatorStandArguments) {
  const auto work = ReadSubmitWords({.words = {folder_, "./train.py"},
                                     .has_separator = true,
                                     .behind_separator = {"--lr", "--", "1"}});
  ASSERT_TRUE(work) << work.error().message;
  EXPECT_EQ(work->script, "train.py");
  EXPECT_THAT(work->arguments, ElementsAre("--lr", "--", "1"));
}

TEST_F(SubmitWordsTest, TheFolderMayBeAnOption) {
  const auto work = ReadSubmitWords({.words = {"train.py", "a"}, .folder = folder_});
  ASSERT_TRUE(work) << work.error().message;
  EXPECT_EQ(work->folder, folder_);
  EXPECT_THAT(work->arguments, ElementsAre("a"));
}

TEST_F(SubmitWordsTest, ACommandTakesAFolderAlone) {
  const auto work = ReadSubmitWords({.words = {folder_}, .command = "make"});
  ASSERT_TRUE(work);
  EXPECT_EQ(work->folder, folder_);
  EXPECT_EQ(work->script, "");
  EXPECT_EQ(ReadSubmitWords({.words = {}, .command = "make"})->folder, ".");
}

TEST_F(SubmitWordsTest, MistakesAreTold) {
  const struct {
    SubmitWords words;
    const char* message;
  } cases[] = {
      {{.words = {}}, "What shall run?"},
      {{.words = {folder_}}, "What shall run?"},
      {{.words = {"--cpu", "2", folder_, "train.py"}}, "no option '--cpu'"},
      {{.words = {folder_, "train.py", "--lr"}, .has_separator = true}, "no option '--lr'"},
      {{.words = {folder_, "train.py", "x"}, .has_separator = true}, "'x' stands before"},
      {{.words = {folder_, "other.py"}}, "no script 'other.py'"},
      {{.words = {"nowhere", "train.py"}, .has_separator = true}, "no folder 'nowhere'"},
      {{.words = {folder_, "train.py"}, .command = "make"}, "With --command"},
  };
  for (const auto& one : cases) {
    const auto work = ReadSubmitWords(one.words);
    ASSERT_FALSE(work) << one.message;
    EXPECT_THAT(work.error().message, HasSubstr(one.message));
  }
}

}  // namespace
}  // namespace roost::cli
