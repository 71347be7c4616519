#include "roost/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roost/scripted_server.h"

namespace roost::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Request = ScriptedServer::Request;

Client ClientFor(const ScriptedServer& server) {
  return Client({.url = server.url(), .token = "secret", .retry_for = std::chrono::seconds(100)});
}

TEST(ClientTest, SendsTokenAndReadsJson) {
  ScriptedServer server([](const Request& request) {
    EXPECT_TRUE(request.HasHeader("Authorization: Bearer secret")) << request.head;
    return ScriptedServer::Answer(200, R"({"name": "x"})");
  });
  Client client = ClientFor(server);
  const auto answer = client.Get("/models/a%20b", {{"lifecycle", "all of it"}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ((*answer)["name"], "x");
  EXPECT_EQ(server.requests()[0].target, "/api/v1/models/a%20b?lifecycle=all%20of%20it");
}

TEST(ClientTest, GivesTheServersErrorWithItsDetails) {
  ScriptedServer server([](const Request&) {
    return ScriptedServer::Answer(
        400, R"({"error": {"code": "invalid_argument", "message": "Two things are wrong.",
                 "details": [{"field": "resources.cpus", "message": "must be positive"}]}})");
  });
  Client client = ClientFor(server);
  const auto answer = client.Post("/runs", json::object());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(answer.error().message, "Two things are wrong.");
  EXPECT_THAT(answer.error().details,
              testing::ElementsAre(Problem{"resources.cpus", "must be positive"}));
}

TEST(ClientTest, AnswersThatAreNoJsonKeepTheirStatusAndText) {
  ScriptedServer server(
      [](const Request&) { return ScriptedServer::Answer(502, "<html>bad gateway"); });
  Client client({.url = server.url(), .retry_for = std::chrono::milliseconds(0)});
  const auto answer = client.Get("/runs");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("502"));
  EXPECT_THAT(answer.error().message, HasSubstr("bad gateway"));
}

TEST(ClientTest, RepeatsWhatMayBeRepeatedWhileTheServerIsAway) {
  struct Case {
    const char* name;
    std::function<Result<json>(Client&)> ask;
    std::size_t requests;
  };
  const std::vector<Case> cases = {
      {"get", [](Client& c) { return c.Get("/runs"); }, 3},
      {"put", [](Client& c) { return c.Put("/runs/a/tags", json::object()); }, 3},
      {"post with a key", [](Client& c) { return c.Post("/runs", json::object(), "k"); }, 3},
      {"repeatable post", [](Client& c) { return c.PostRepeatable("/x", json::object()); }, 3},
      {"plain post", [](Client& c) { return c.Post("/tokens", json::object()); }, 1},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    ScriptedServer server([](const Request& request) {
      if (request.number == 0) return std::string();  // the connection breaks
      if (request.number == 1) return ScriptedServer::Answer(503, "{}");
      return ScriptedServer::Answer(200, "{}");
    });
    Client client = ClientFor(server);
    EXPECT_EQ(one.ask(client).has_value(), one.requests == 3);
    EXPECT_EQ(server.requests().size(), one.requests);
  }
}

TEST(ClientTest, AServerThatIsNotThereIsNamed) {
  std::string url;
  {
    url = ScriptedServer([](const Request&) { return std::string(); }).url();
  }
  Client client({.url = url, .retry_for = std::chrono::milliseconds(0)});
  const auto answer = client.Get("/runs");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("Cannot reach the server at " + url));
}

TEST(ClientTest, FollowsPagesUpToTheLimit) {
  ScriptedServer server([](const Request& request) {
    return request.target.find("page_token=next") == std::string::npos
               ? ScriptedServer::Answer(200, R"({"items": [1, 2], "next_page_token": "next"})")
               : ScriptedServer::Answer(200, R"({"items": [3], "next_page_token": null})");
  });
  Client client = ClientFor(server);
  const auto all = client.GetItems("/runs", {}, 0);
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, json::array({1, 2, 3}));
  const auto two = client.GetItems("/runs", {}, 2);
  ASSERT_TRUE(two);
  EXPECT_EQ(*two, json::array({1, 2}));
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(ServerLinkTest, TakesThePrintedLinkApart) {
  const struct {
    const char *text, *url, *token;
  } cases[] = {{"http://127.0.0.1:7070/?token=abc", "http://127.0.0.1:7070", "abc"},
               {"http://127.0.0.1:7070/", "http://127.0.0.1:7070", ""},
               {"https://roost.example", "https://roost.example", ""}};
  for (const auto& one : cases) {
    EXPECT_EQ(ParseServerLink(one.text).url, one.url);
    EXPECT_EQ(ParseServerLink(one.text).token, one.token);
  }
}

TEST(EncodeTest, KeepsOnlySafeCharacters) {
  EXPECT_EQ(EncodePart("a/b c%ä"), "a%2Fb%20c%25%C3%A4");
  EXPECT_EQ(EncodePath("outputs/a b.pt"), "outputs/a%20b.pt");
  EXPECT_EQ(EncodeQuery({}), "");
}

}  // namespace
}  // namespace roost::client
