#include "spec/version_spec.h"

#include <gtest/gtest.h>

namespace roost::spec {
namespace {

TEST(VersionSpec, WritesOneFormWhateverTheOrder) {
  EXPECT_EQ(VersionSpec::Parse(" >= 3.8 , <3.11")->ToText(), "<3.11,>=3.8");
  EXPECT_EQ(VersionSpec::Parse("<3.11,>=3.8,>=3.8")->ToText(), "<3.11,>=3.8");
  EXPECT_EQ(VersionSpec::Parse("")->ToText(), "");
  EXPECT_TRUE(VersionSpec::Parse(" ")->empty());
  EXPECT_EQ(VersionSpec::Parse("==2.0.0+cpu")->ToText(), "==2.0.0+cpu");
}

TEST(VersionSpec, ReadsCondasWayOfWriting) {
  const struct {
    const char* conda;
    const char* pip;
  } cases[] = {
      {"=1.6", "==1.6.*"},
      {"=3.6.2", "==3.6.2.*"},
      {"==1.6.0", "==1.6.0"},
      {"1.6.0", "==1.6.0"},
      {">=1.18,<2", "<2,>=1.18"},
      {"1.19.*", "==1.19.*"},
      {"=1.6*", "==1.6.*"},
      {">=1.8.*", ">=1.8"},
      {"*", ""},
      {"!=1.4", "!=1.4"},
      {"=1.6,!=1.6.3", "!=1.6.3,==1.6.*"},
  };
  for (const auto& one : cases) {
    const auto spec = VersionSpec::ParseConda(one.conda);
    ASSERT_TRUE(spec) << one.conda;
    EXPECT_EQ(spec->ToText(), one.pip) << one.conda;
  }
}

TEST(VersionSpec, RefusesWhatHasNoOtherForm) {
  for (const char* text : {"=1.2|=1.3", "1.*.3", "=", "abc", "=1.2 3", "=>1"}) {
    EXPECT_FALSE(VersionSpec::ParseConda(text)) << text;
  }
  for (const char* text : {"1.6", "=1.6", ">=", ">=1.*", "~=1", ">=1,", "==1 2"}) {
    EXPECT_FALSE(VersionSpec::Parse(text)) << text;
  }
}

TEST(VersionSpec, Matches) {
  const struct {
    const char* spec;
    const char* version;
    bool matches;
  } cases[] = {
      {"", "3.11.7", true},           {"==3.11.*", "3.11.7", true},  {"==3.1.*", "3.11.7", false},
      {"==3.8", "3.8.0", true},       {"==3.8", "3.8.1", false},     {">=3.9", "3.11.7", true},
      {">=3.9", "3.8.18", false},     {"<3.11", "3.11.0", false},    {"<=3.11", "3.11.1", false},
      {">3.11", "3.11.1", true},      {"!=3.11.*", "3.11.7", false}, {"!=3.11", "3.11.7", true},
      {"~=3.8", "3.11.7", true},      {"~=3.8.2", "3.9.0", false},   {"~=3.8.2", "3.8.1", false},
      {">=3.8,<3.10", "3.9.1", true}, {">=3.8", "pypy", false},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(VersionSpec::Parse(one.spec)->Matches(one.version), one.matches)
        << one.spec << " " << one.version;
  }
}

TEST(VersionSpec, APythonIsNamedByItsSeriesOrExactly) {
  EXPECT_TRUE(VersionSpec::ParsePython("3.11")->Matches("3.11.7"));
  EXPECT_FALSE(VersionSpec::ParsePython("3.1")->Matches("3.11.7"));
  EXPECT_TRUE(VersionSpec::ParsePython("3.6.2")->Matches("3.6.2"));
  EXPECT_FALSE(VersionSpec::ParsePython("3.6.2")->Matches("3.6.20"));
  EXPECT_TRUE(VersionSpec::ParsePython(">=3.8")->Matches("3.11.7"));
  EXPECT_FALSE(VersionSpec::ParsePython("three"));
}

}  // namespace
}  // namespace roost::spec
