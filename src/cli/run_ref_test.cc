#include "cli/run_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roost/scripted_server.h"

namespace roost::cli {
namespace {

using client::ScriptedServer;
using nlohmann::json;
using testing::HasSubstr;

// Knows some runs and understands the two filters that references need.
class RunRefTest : public testing::Test {
 protected:
  RunRefTest()
      : server_([this](const ScriptedServer::Request& request) { return Answer(request.target); }),
        client_({.url = server_.url()}) {}

  std::string Answer(const std::string& target) {
    const std::string base = "/api/v1/runs";
    const auto holds = [&](const char* part) { return target.find(part) != std::string::npos; };
    if (target.starts_with(base + "/")) {
      for (const json& run : runs_) {
        if (target == base + "/" + run["run_id"].get<std::string>()) {
          return ScriptedServer::Answer(200, run.dump());
        }
      }
      return ScriptedServer::Answer(404,
                                    R"({"error": {"code": "not_found", "message": "no run"}})");
    }
    json items = json::array();
    for (const json& run : runs_) {
      const std::string name = run["display_name"].get<std::string>();
      const bool deleted = run.value("lifecycle", "") == "deleted";
      if (holds("filter=") && deleted != holds("lifecycle=deleted")) continue;
      const bool named = holds("display_name") && holds(("%27" + name + "%27").c_str());
      // "_" stands for any character in LIKE, so the server may give more than was meant.
      const bool liked = holds("LIKE") && holds("a_1");
      if (named || liked || holds("order_by")) items.push_back(run);
    }
    return ScriptedServer::Answer(200, json{{"items", items}, {"next_page_token", nullptr}}.dump());
  }

  std::string Find(const std::string& reference) {
    const auto found = FindRunId(client_, reference);
    return found ? *found : "error: " + found.error().message;
  }

  json runs_ =
      json::array({{{"run_id", "a_1_ff"}, {"display_name", "calm_owl"}},
                   {{"run_id", "a_1_f0"}, {"display_name", "twin"}},
                   {{"run_id", "a_1_00"}, {"display_name", "twin"}},
                   {{"run_id", "ax1_22"}, {"display_name", "calm_fox"}},
                   {{"run_id", "gone"}, {"display_name", "twin"}, {"lifecycle", "deleted"}},
                   {{"run_id", "old"}, {"display_name", "dodo"}, {"lifecycle", "deleted"}}});
  ScriptedServer server_;
  client::Client client_;
};

TEST_F(RunRefTest, FindsByIdNamePrefixAndLatest) {
  EXPECT_EQ(Find("a_1_f0"), "a_1_f0");
  EXPECT_EQ(Find("calm_fox"), "ax1_22");
  EXPECT_EQ(Find("a_1_0"), "a_1_00");
  EXPECT_EQ(Find("latest"), "a_1_ff");
}

TEST_F(RunRefTest, SeveralFitsAreListed) {
  const auto twins = FindRun(client_, "twin");
  ASSERT_FALSE(twins);
  EXPECT_EQ(twins.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(twins.error().details.size(), 2U);
  EXPECT_THAT(Find("a_1_f"), HasSubstr("fits several runs"));
}

TEST_F(RunRefTest, DeletedRunsAreFoundWhenNoOtherFits) {
  EXPECT_EQ(Find("dodo"), "old");
  EXPECT_THAT(Find("twin"), HasSubstr("fits several runs"));
}

TEST_F(RunRefTest, NothingFits) {
  EXPECT_THAT(Find("nobody"), HasSubstr("There is no run 'nobody'"));
  EXPECT_THAT(Find(""), HasSubstr("empty"));
}

TEST(QuoteTest, PicksTheQuoteThatFits) {
  EXPECT_EQ(QuoteForFilter("a").value(), "'a'");
  EXPECT_EQ(QuoteForFilter("it's").value(), "\"it's\"");
  EXPECT_FALSE(QuoteForFilter("'\""));
}

}  // namespace
}  // namespace roost::cli
