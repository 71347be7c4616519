#include "environments/pip_configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace roost::environments {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(PipConfiguration, ReadsSectionsAndValuesOfSeveralLines) {
  const auto read = ParsePipConfiguration(
      "# mine\n[global]\nindex_url = https://a.org/simple\nextra-index-url =\n  https://b.org\n"
      "  https://c.org\n[install]\nindex-url=https://d.org\n[list]\nformat = columns\n");
  EXPECT_THAT(read, ElementsAre(Pair("extra-index-url", " https://b.org https://c.org"),
                                Pair("index-url", "https://d.org")));
}

TEST(PipConfiguration, UvGetsPipsPlacesUnlessItHasItsOwn) {
  const TempFolder home;
  const fs::path file = home.path() / "pip.conf";
  ASSERT_TRUE(WriteFileAtomic(
      file, "[global]\nextra-index-url = https://b.org https://c.org\nfind-links = /w /x\n"));
  std::map<std::string, std::string> variables = {{"HOME", home.path().string()},
                                                  {"PIP_CONFIG_FILE", file.string()},
                                                  {"PIP_INDEX_URL", "https://a.org/simple"},
                                                  {"SSL_CERT_FILE", "/own.pem"},
                                                  {"PIP_CERT", "/pips.pem"}};
  auto uv = UvVariablesOfPip(variables);
  EXPECT_EQ(uv["UV_DEFAULT_INDEX"], "https://a.org/simple");
  EXPECT_EQ(uv["UV_EXTRA_INDEX_URL"], "https://b.org https://c.org");
  EXPECT_EQ(uv["UV_FIND_LINKS"], "/w,/x");
  EXPECT_EQ(uv.count("SSL_CERT_FILE"), 0U);

  variables["UV_INDEX_URL"] = "https://uv.org";
  variables["UV_FIND_LINKS"] = "/own";
  uv = UvVariablesOfPip(variables);
  EXPECT_EQ(uv.count("UV_DEFAULT_INDEX") + uv.count("UV_FIND_LINKS"), 0U);
}

TEST(PipConfiguration, TheUsersFilesLieBelowTheirHome) {
  EXPECT_THAT(PipConfigurationFiles({{"HOME", "/h"}}),
              ElementsAre("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/h/.pip/pip.conf",
                          "/h/.config/pip/pip.conf"));
  EXPECT_TRUE(PipConfigurationFiles({{"HOME", "/h"}, {"PIP_CONFIG_FILE", "/dev/null"}}).empty());
}

}  // namespace
}  // namespace roost::environments
