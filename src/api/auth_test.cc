// Who may do what: tokens, cookies, hosts, runs' own tokens.
#include "api/auth.h"

#include <sodium.h>

#include "api/api_test_support.h"

namespace roost::api {
namespace {

class AuthTest : public ApiTest {
 protected:
  std::string RunToken(const std::string& run_id, int attempt) {
    auto run = store->runs().Get(RunId(run_id));
    EXPECT_TRUE(run);
    auto secret = store->tokens().CreateForRun(run->key, attempt);
    EXPECT_TRUE(secret);
    return *secret;
  }
  Headers Bearer(const std::string& secret) { return {{"Authorization", "Bearer " + secret}}; }
  Headers Cookie(const std::string& name = "", const std::string& value = "") {
    Headers headers = {{"Authorization", ""}, {"Cookie", "other=1; roost_token=" + token}};
    if (!name.empty()) headers.emplace_back(name, value);
    return headers;
  }
};

TEST_F(AuthTest, WithoutATokenOnlyPublicPagesAnswer) {
  const Headers none = {{"Authorization", ""}};
  EXPECT_EQ(Get("/healthz", none).status, 200);
  EXPECT_EQ(Get("/", none).status, 200);
  EXPECT_EQ(Get("/api/openapi.yaml", none).status, 200);
  for (const char* path : {"/metrics", "/api/v1/runs", "/api/v1/server", "/api/v1/events"}) {
    const Answer answer = Get(path, none);
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.ErrorCode(), "unauthenticated");
    EXPECT_EQ(answer.headers.count("www-authenticate"), 1U);
  }
  EXPECT_EQ(Get("/api/v1/runs", Bearer("wrong")).status, 401);
  EXPECT_EQ(Post("/api/v1/runs/x/metrics", "{}", Bearer("wrong")).status, 401);
}

TEST_F(AuthTest, TheLinkSetsACookieAndLeavesTheAddress) {
  const Answer answer = Get("/?token=" + token, {{"Authorization", ""}});
  EXPECT_EQ(answer.status, 303);
  EXPECT_EQ(answer.headers.at("location"), "/");
  const std::string& cookie = answer.headers.at("set-cookie");
  EXPECT_THAT(cookie, testing::StartsWith("roost_token=" + token));
  EXPECT_THAT(cookie, testing::HasSubstr("HttpOnly"));
  EXPECT_THAT(cookie, testing::HasSubstr("SameSite=Strict"));
  EXPECT_EQ(Get("/?token=wrong", {{"Authorization", ""}}).status, 401);
}

// What MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD make of a token.
TEST_F(AuthTest, ATokenMayBeThePasswordOfABasicLogin) {
  const auto status = [&](const std::string& login) {
    std::string encoded(sodium_base64_ENCODED_LEN(login.size(), sodium_base64_VARIANT_ORIGINAL),
                        '\0');
    sodium_bin2base64(encoded.data(), encoded.size(),
                      reinterpret_cast<const unsigned char*>(login.data()), login.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    encoded.pop_back();
    return Get("/api/2.0/mlflow/experiments/get?experiment_id=0",
               {{"Authorization", "Basic " + encoded}})
        .status;
  };
  EXPECT_EQ(status("anyone:" + token), 200);
  EXPECT_EQ(status(token + ":"), 200);
  EXPECT_EQ(status("anyone:wrong"), 401);
  EXPECT_EQ(status(token + ":wrong"), 401);
  EXPECT_EQ(Get("/api/v1/server", {{"Authorization", "Basic !!!"}}).status, 401);
}

TEST_F(AuthTest, MlflowsCallersAreRefusedInMlflowsForm) {
  const Answer answer = Get("/api/2.0/mlflow/runs/get?run_id=x", {{"Authorization", ""}});
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.Json().value("error_code", ""), "UNAUTHENTICATED");
}

TEST_F(AuthTest, CookiesMayReadButWriteFromOurOwnPageOnly) {
  EXPECT_EQ(Get("/api/v1/server", Cookie()).status, 200);
  const std::string body = R"({"name": "a"})";
  const auto write = [&](const Headers& headers) {
    return Post("/api/v1/experiments", body, headers).status;
  };
  EXPECT_EQ(write(Cookie()), 403);
  EXPECT_EQ(write(Cookie("Origin", "http://evil.example")), 403);
  EXPECT_EQ(write(Cookie("Origin", "null")), 403);
  EXPECT_EQ(write(Cookie("Sec-Fetch-Site", "cross-site")), 403);
  EXPECT_EQ(write(Cookie("Sec-Fetch-Site", "same-origin")), 201);
  EXPECT_EQ(write(Cookie("Origin", "http://127.0.0.1")), 409);  // allowed; the name is taken
}

TEST_F(AuthTest, OnLoopbackForeignHostsAreRefused) {
  const auto status = [&](const std::string& host) {
    TestClient client(server->port());
    client.Send("GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.Read().status;
  };
  EXPECT_EQ(status("127.0.0.1:80"), 200);
  EXPECT_EQ(status("localhost"), 200);
  EXPECT_EQ(status("[::1]:8080"), 200);
  EXPECT_EQ(status("evil.example"), 403);
  EXPECT_EQ(status("127.0.0.1.evil.example"), 403);
  EXPECT_EQ(status("127.evil.example"), 403);
  // Addresses are no names: nobody can make them mean another machine.
  for (const char* host :
       {"0.0.0.0:80", "10.1.2.3", "172.31.0.1:5", "192.168.0.9", "[fd00::1]:8"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  for (const char* host : {"8.8.8.8", "172.32.0.1", "192.169.0.1", "[2001:db8::1]", "10.1.2"}) {
    EXPECT_EQ(status(host), 403) << host;
  }
}

TEST_F(AuthTest, BeyondLoopbackATokenMustExist) {
  ASSERT_TRUE(store->tokens().Delete("tester"));
  ServerOptions open = options;
  open.http.host = "0.0.0.0";
  const auto refused = Server::Start(open, *store, *engine);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied);
  ASSERT_TRUE(store->tokens().Create("somebody"));
  EXPECT_TRUE(Server::Start(open, *store, *engine));
}

TEST_F(AuthTest, ARunsTokenReachesItsRunAndItsChildren) {
  const std::string run = Track();
  const std::string child = Track(R"(, "parent": ")" + run + "\"");
  const std::string stranger = Track();
  const Headers own = Bearer(RunToken(run, 0));
  const std::string point = R"({"points": [{"name": "loss", "value": 1}]})";
  for (int round = 0; round < 2; ++round) {  // the second time from memory
    EXPECT_EQ(Post("/api/v1/runs/" + run + "/metrics", point, own).status, 200);
    EXPECT_EQ(Post("/api/v1/runs/" + child + "/metrics", point, own).status, 200);
    EXPECT_EQ(Post("/api/v1/runs/" + stranger + "/metrics", point, own).status, 403);
  }
  EXPECT_EQ(Get("/api/v1/runs/" + child, own).status, 200);
  EXPECT_EQ(Get("/api/v1/runs/" + stranger, own).status, 403);
  EXPECT_EQ(Call("PUT", "/api/v1/runs/" + stranger + "/files/a", "x", own).status, 403);
  EXPECT_EQ(Get("/api/v1/runs", own).status, 403);
  EXPECT_EQ(Get("/api/v1/tokens", own).status, 403);
  EXPECT_EQ(Get("/api/v1/events", own).status, 403);
  EXPECT_EQ(Get("/api/v1/events?run_id=" + stranger, own).status, 403);
  EXPECT_EQ(Call("DELETE", "/api/v1/runs/" + run, "", own).status, 403);
}

TEST_F(AuthTest, ARunsTokenMakesChildrenOnly) {
  const std::string run = Track();
  const std::string stranger = Track();
  const Headers own = Bearer(RunToken(run, 0));
  EXPECT_EQ(Post("/api/v1/runs/tracked", "{}", own).status, 403);
  EXPECT_EQ(Post("/api/v1/runs/tracked", R"({"parent": ")" + stranger + "\"}", own).status, 403);
  EXPECT_EQ(Post("/api/v1/runs/tracked", R"({"parent": ")" + run + "\"}", own).status, 201);
  EXPECT_EQ(Post("/api/v1/runs", R"({"command": "true"})", own).status, 403);
}

TEST_F(AuthTest, ARunsTokenSeesComputeTargetsAndChangesNone) {
  const Headers own = Bearer(RunToken(Track(), 0));
  EXPECT_EQ(Get("/api/v1/compute", own).status, 200);
  EXPECT_EQ(Get("/api/v1/compute/local", own).status, 200);
  EXPECT_EQ(Get("/api/v1/compute-sizes", own).status, 200);
  EXPECT_EQ(Get("/api/v1/compute/local/nodes", own).status, 403);
  EXPECT_EQ(Post("/api/v1/compute", R"({"name": "blue", "max_nodes": 1})", own).status, 403);
  EXPECT_EQ(Call("PATCH", "/api/v1/compute/blue", "{}", own).status, 403);
  EXPECT_EQ(Call("DELETE", "/api/v1/compute/blue", "", own).status, 403);
}

TEST_F(AuthTest, AnEarlierAttemptsTokenIsAConflict) {
  const std::string run = Submit();
  Begin(run);
  const std::string point = R"({"points": [{"name": "loss", "value": 1}]})";
  EXPECT_EQ(Post("/api/v1/runs/" + run + "/metrics", point, Bearer(RunToken(run, 1))).status, 200);
  const Answer stale = Post("/api/v1/runs/" + run + "/metrics", point, Bearer(RunToken(run, 7)));
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.ErrorCode(), "conflict");
}

TEST_F(AuthTest, TokensAreMadeListedAndDeleted) {
  const Answer made = Post("/api/v1/tokens", R"({"name": "laptop"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string secret = made.Json()["token"];
  EXPECT_EQ(Get("/api/v1/server", Bearer(secret)).Json()["user"], "laptop");
  EXPECT_EQ(Post("/api/v1/tokens", R"({"name": "laptop"})").status, 409);
  EXPECT_THAT(Get("/api/v1/tokens").body, testing::HasSubstr("laptop"));
  EXPECT_THAT(Get("/api/v1/tokens").body, testing::Not(testing::HasSubstr(secret)));
  EXPECT_EQ(Call("DELETE", "/api/v1/tokens/laptop").status, 204);
  EXPECT_EQ(Get("/api/v1/server", Bearer(secret)).status, 401);
  EXPECT_EQ(Call("DELETE", "/api/v1/tokens/laptop").status, 404);
}

}  // namespace
}  // namespace roost::api
