#include "spec/requirement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::spec {
namespace {

TEST(Requirement, HasOneFormForEachMeaning) {
  const struct {
    const char* line;
    const char* text;
    const char* name;
  } cases[] = {
      {"torch==1.6.0", "torch==1.6.0", "torch"},
      {"  Scikit_Learn >= 0.20 , < 2 ", "scikit-learn<2,>=0.20", "scikit-learn"},
      {"ruamel.yaml", "ruamel-yaml", "ruamel-yaml"},
      {"horovod[PyTorch,mpi]~=0.19.5", "horovod[mpi,pytorch]~=0.19.5", "horovod"},
      {"pandas (>=1.0)", "pandas>=1.0", "pandas"},
      {"pywin32==300; sys_platform == 'win32'", "pywin32==300; sys_platform == 'win32'", "pywin32"},
      {"https://x.org/a/My_Pkg-1.0-py3-none-any.whl", "https://x.org/a/My_Pkg-1.0-py3-none-any.whl",
       "my-pkg"},
      {"/data/tiny-1.0-py3-none-any.whl", "/data/tiny-1.0-py3-none-any.whl", "tiny"},
      {"git+https://u@x.org/r.git@v1#egg=Tool", "git+https://u@x.org/r.git@v1#egg=Tool", "tool"},
      {"tool @ git+https://x.org/r.git", "tool @ git+https://x.org/r.git", "tool"},
      {"https://x.org/archive.zip", "https://x.org/archive.zip", ""},
      {"a==1 --hash=sha256:bb --hash=sha256:aa", "a==1 --hash=sha256:aa --hash=sha256:bb", "a"},
      {"a @ /x/a.zip ; python_version < '3.9'", "a @ /x/a.zip ; python_version < '3.9'", "a"},
  };
  for (const auto& one : cases) {
    const auto parsed = ParseRequirement(one.line);
    ASSERT_TRUE(parsed) << one.line << ": " << parsed.error().message;
    EXPECT_EQ(parsed->ToText(), one.text);
    EXPECT_EQ(parsed->name, one.name) << one.line;
    const auto again = ParseRequirement(parsed->ToText());
    ASSERT_TRUE(again) << parsed->ToText();
    EXPECT_EQ(*again, *parsed) << one.line;
  }
}

TEST(Requirement, RefusesWhatPipWouldNotTake) {
  for (const char* line : {"torch=1.6", "torch 1.6", "./local.whl", "a[b", "a[-]", "a @ b", "@x",
                           "a==1 --global-option=x", "https://x.org/a b"}) {
    EXPECT_FALSE(ParseRequirement(line)) << line;
  }
}

TEST(PipList, KeepsOptionsInOrderAndTellsEveryProblem) {
  std::vector<PipListProblem> problems;
  const PipList list =
      ParsePipList({"# what we need", "", "-i https://x.org/simple", "torch  # newest",
                    "--extra-index-url=https://y.org", "-r more.txt", "--pre", "torch=1",
                    "--index-url", "--pre=1", "a\nb"},
                   &problems);
  ASSERT_EQ(list.options.size(), 3U);
  EXPECT_EQ(list.options[0].ToText(), "--index-url https://x.org/simple");
  EXPECT_EQ(list.options[1].ToText(), "--extra-index-url https://y.org");
  EXPECT_EQ(list.options[2].ToText(), "--pre");
  ASSERT_EQ(list.requirements.size(), 1U);
  EXPECT_EQ(list.requirements[0].ToText(), "torch");
  std::vector<std::size_t> places;
  for (const auto& problem : problems) places.push_back(problem.index);
  EXPECT_THAT(places, testing::ElementsAre(5, 7, 8, 9, 10));
  EXPECT_THAT(problems[0].message, testing::HasSubstr("'-r' is not taken"));
}

TEST(CondaSpec, HasOneFormForEachMeaning) {
  const struct {
    const char* line;
    const char* text;
  } cases[] = {
      {"Python=3.6.2", "python=3.6.2"},
      {"pytorch::torchvision =0.7", "pytorch::torchvision=0.7"},
      {"numpy 1.19.2", "numpy==1.19.2"},
      {"numpy 1.19.*", "numpy=1.19.*"},
      {"numpy 1.19.2 py36_0", "numpy==1.19.2=py36_0"},
      {"pytorch=1.6.0=py3.6_cuda10.1_0", "pytorch=1.6.0=py3.6_cuda10.1_0"},
      {"pytorch=*=*cuda*", "pytorch=*=*cuda*"},
      {"scipy >= 1.2, < 2", "scipy>=1.2,<2"},
      {"scipy==1.2", "scipy==1.2"},
      {"pip", "pip"},
      {"torch[version='>=1',build=*cuda*]", "torch[version='>=1',build=*cuda*]"},
      {"_libgcc_mutex=0.1", "_libgcc_mutex=0.1"},
  };
  for (const auto& one : cases) {
    const auto parsed = ParseCondaSpec(one.line);
    ASSERT_TRUE(parsed) << one.line << ": " << parsed.error().message;
    EXPECT_EQ(parsed->ToText(), one.text);
    EXPECT_EQ(ParseCondaSpec(parsed->ToText())->ToText(), one.text);
  }
  EXPECT_EQ(ParseCondaSpec("pytorch=1.6.0=py3.6_0")->build, "py3.6_0");
  EXPECT_EQ(ParseCondaSpec("pytorch=1.6.0=py3.6_0")->versions, "=1.6.0");
}

TEST(CondaSpec, RefusesWhatCondaWouldNotTake) {
  for (const char* line :
       {"", "=1", "--file", "::a", "-c::a", "a 1 b c", "a=", "a[x", "a=$(x)", "a\nb"}) {
    EXPECT_FALSE(ParseCondaSpec(line)) << line;
  }
}

}  // namespace
}  // namespace roost::spec
