#include "api/mlflow/artifact_path.h"

#include <gtest/gtest.h>

#include "api/mlflow/errors.h"

namespace roost::api::mlflow {
namespace {

TEST(ArtifactPathTest, PathsBelowTheRootAreNormalised) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"a/b.txt", "a/b.txt"},
      {"a/b/", "a/b"},
      {"./a/./b", "a/b"},
      {"a%20b", "a b"},
      {"a%2520b", "a b"},
      {"50%", "50%"},
      {"100%zz", "100%zz"},
      {"a?b", "a?b"},
      {"..a/b..", "..a/b.."},
      {"...", "..."},
      {"a:b", "a:b"},
      {"\xc3\xa9t\xc3\xa9.txt", "\xc3\xa9t\xc3\xa9.txt"},
      {"%C3%A9", "\xc3\xa9"},
  };
  for (const auto& [sent, path] : cases) {
    const auto got = SafePath(sent);
    ASSERT_TRUE(got) << sent;
    EXPECT_EQ(*got, path) << sent;
  }
}

TEST(ArtifactPathTest, WhateverLeadsElsewhereIsRefused) {
  std::string layers = "..";
  for (int i = 0; i < 12; ++i) {
    std::string escaped;
    for (const char c : layers)
      escaped += c == '%' ? std::string("%25") : c == '.' ? "%2e" : std::string(1, c);
    layers = escaped;
  }
  const std::string cases[] = {
      "..",
      "../x",
      "a/../../x",
      "a/..",
      "%2e%2e/x",
      "..%2fx",
      "%252e%252e%252fx",
      "%25252e%25252e/x",
      "/etc/passwd",
      "%2fetc/passwd",
      "%252fetc",
      "0/run/artifacts//etc/passwd",
      "0/run/artifacts/%2fetc/passwd",
      "a//",
      "..\\x",
      "a\\b",
      "a%5cb",
      "a%255cb",
      "\\\\server\\share",
      "C:/x",
      "c:",
      "0/run/artifacts/C:/x",
      "C%3a%2fx",
      "file:///etc/passwd",
      "file:x",
      "a#b",
      "a%23b",
      std::string("a\0b", 3),
      "a%00b",
      "a%2500b",
      "a\nb",
      "a%0ab",
      "a\x7f",
      "\xff\xfe",
      "%ff",
      layers,
      std::string(6000, 'x'),
  };
  for (const std::string& sent : cases) {
    const auto got = SafePath(sent);
    ASSERT_FALSE(got) << sent;
    EXPECT_EQ(CodeOf(got.error()), Code::kInvalidParameterValue) << sent;
    EXPECT_EQ(got.error().message, "Invalid path");
  }
}

}  // namespace
}  // namespace roost::api::mlflow
