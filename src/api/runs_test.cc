// Runs, experiments, snapshots and models over HTTP.
#include "api/api_test_support.h"

namespace roost::api {
namespace {

using testing::HasSubstr;

class RunsTest : public ApiTest {
 protected:
  std::string BlobStream(const std::vector<std::string>& contents, bool spoil = false) {
    std::string stream;
    for (const std::string& content : contents) {
      Digest digest = DigestOf(content);
      if (spoil) digest.bytes[0] ^= 1;
      stream.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
      std::uint64_t length = content.size();
      for (int i = 0; i < 8; ++i, length >>= 8) stream.push_back(static_cast<char>(length & 255));
      stream += content;
    }
    return stream;
  }
  Answer SendBlobs(const std::string& stream) {
    return Post("/api/v1/blobs", stream, {{"Content-Type", "application/vnd.roost.blobs"}});
  }
  std::string Manifest(const std::string& path, const std::string& content) {
    return R"({"files": [{"path": ")" + path + R"(", "digest": ")" + DigestOf(content).ToText() +
           R"(", "size": )" + std::to_string(content.size()) + "}]}";
  }

  FakeClock behind{1'000'000};  // 1970
};

TEST_F(RunsTest, ASubmittedRunIsShownComplete) {
  const Answer answer = Post("/api/v1/runs", R"({"experiment": "cifar", "command": ["echo", "hi"],
      "tags": {"team": "vision", "flag": null}, "display_name": "first"})");
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto run = answer.Json();
  EXPECT_EQ(answer.headers.at("location"), "/api/v1/runs/" + run["run_id"].get<std::string>());
  EXPECT_EQ(run["experiment"], "cifar");
  EXPECT_EQ(run["kind"], "managed");
  EXPECT_EQ(run["submitter"], "tester");
  EXPECT_EQ(run["display_name"], "first");
  EXPECT_EQ(run["tags"]["team"], "vision");
  EXPECT_TRUE(run["tags"]["flag"].is_null());
  EXPECT_EQ(run["definition"]["experiment"], "cifar");
  EXPECT_TRUE(run["metrics"].is_object());
  EXPECT_TRUE(run["parent"].is_null());
}

TEST_F(RunsTest, AllProblemsOfASubmissionAreToldAtOnce) {
  const Answer answer =
      Post("/api/v1/runs", R"({"command": 7, "resources": {"cpus": -1}, "nonsense": true})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.ErrorCode(), "invalid_argument");
  EXPECT_GE(answer.Json()["error"]["details"].size(), 3U) << answer.body;
}

TEST_F(RunsTest, BrokenBodiesAreRefused) {
  for (const char* body : {"{", "[]", "\"text\"", "{\"a\":1}x", "\xff\xfe"}) {
    const Answer answer = Post("/api/v1/runs", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.ErrorCode(), "invalid_argument");
  }
}

TEST_F(RunsTest, AnIdempotencyKeyMakesOneRun) {
  const Headers key = {{"Idempotency-Key", "abc-1"}};
  const Answer first = Post("/api/v1/runs", R"({"command": "true"})", key);
  const Answer again = Post("/api/v1/runs", R"({"command": "true"})", key);
  const Answer other = Post("/api/v1/runs", R"({"command": "false"})", key);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(first.Json()["run_id"], again.Json()["run_id"]);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(Get("/api/v1/runs").Json()["items"].size(), 1U);
  EXPECT_EQ(Post("/api/v1/runs", "{}", {{"Idempotency-Key", std::string(201, 'k')}}).status, 400);
}

TEST_F(RunsTest, AnIdempotencyKeyMakesOneTrackedRun) {
  const Headers key = {{"Idempotency-Key", "abc-2"}};
  const Answer first = Post("/api/v1/runs/tracked", R"({"experiment": "a"})", key);
  const Answer again = Post("/api/v1/runs/tracked", R"({"experiment": "a"})", key);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(first.Json()["run_id"], again.Json()["run_id"]);
  EXPECT_EQ(Post("/api/v1/runs/tracked", R"({"experiment": "b"})", key).status, 409);
}

TEST_F(RunsTest, ATrackedRunIsMovedByItsClient) {
  const std::string run = Track();
  EXPECT_EQ(Status(run), "Running");
  const Answer failed = Post("/api/v1/runs/" + run + "/status",
                             R"({"status": "Failed", "error": {"message": "no data"}})");
  ASSERT_EQ(failed.status, 200) << failed.body;
  EXPECT_EQ(failed.Json()["status"], "Failed");
  EXPECT_EQ(failed.Json()["error"]["message"], "no data");
  EXPECT_EQ(failed.Json()["error"]["code"], "UserError");
  EXPECT_FALSE(failed.Json()["ended_at"].is_null());
  EXPECT_EQ(Post("/api/v1/runs/" + run + "/status", R"({"status": "Odd"})").status, 400);
  EXPECT_EQ(Post("/api/v1/runs/" + run + "/status", R"({})").status, 400);
}

TEST_F(RunsTest, ARunGoesItsWay) {
  const std::string run = Submit();
  const std::string launch = Begin(run);
  EXPECT_TRUE(Eventually([&] { return Status(run) == "Running"; }));
  EXPECT_EQ(Call("DELETE", "/api/v1/runs/" + run).status, 409);
  End(launch, 0);
  EXPECT_TRUE(Eventually([&] { return Status(run) == "Completed"; }));
  EXPECT_EQ(Post("/api/v1/runs/" + run + "/cancel", "").status, 409);
}

TEST_F(RunsTest, ACancelIsAccepted) {
  const std::string run = Submit();
  Begin(run);
  const Answer answer = Post("/api/v1/runs/" + run + "/cancel", "");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.Json()["cancel_requested"], true);
}

TEST_F(RunsTest, NamesTagsAndPropertiesChange) {
  const std::string run = Track();
  const std::string path = "/api/v1/runs/" + run;
  EXPECT_EQ(Call("PATCH", path, R"({"display_name": "better"})").Json()["display_name"], "better");
  EXPECT_EQ(Call("PATCH", path, R"({"displayname": "x"})").status, 400);
  Call("PUT", path + "/tags", R"({"a/b": "1", "c": null})");
  EXPECT_EQ(Get(path).Json()["tags"], nlohmann::json({{"a/b", "1"}, {"c", nullptr}}));
  EXPECT_EQ(Call("DELETE", path + "/tags/a%2Fb").status, 200);
  EXPECT_EQ(Call("DELETE", path + "/tags/a%2Fb").status, 404);
  EXPECT_EQ(Get(path).Json()["tags"].size(), 1U);
  EXPECT_EQ(Post(path + "/properties", R"({"p": "1"})").status, 200);
  EXPECT_EQ(Post(path + "/properties", R"({"p": "1"})").status, 200);
  EXPECT_EQ(Post(path + "/properties", R"({"p": "2"})").status, 409);
  EXPECT_EQ(Post(path + "/properties", R"({"p": 2})").status, 400);
}

TEST_F(RunsTest, RunsAreArchivedDeletedAndRestored) {
  const std::string run = Track();
  const std::string path = "/api/v1/runs/" + run;
  ASSERT_EQ(Post(path + "/status", R"({"status": "Completed"})").status, 200);
  EXPECT_EQ(Post(path + "/archive", "").Json()["lifecycle"], "archived");
  EXPECT_EQ(Get("/api/v1/runs").Json()["items"].size(), 0U);
  EXPECT_EQ(Get("/api/v1/runs?lifecycle=archived").Json()["items"].size(), 1U);
  EXPECT_EQ(Call("DELETE", path).Json()["lifecycle"], "deleted");
  EXPECT_EQ(Call("PATCH", path, R"({"display_name": "x"})").status, 409);
  EXPECT_EQ(Post(path + "/metrics", R"({"points": [{"name": "a", "value": 1}]})").status, 409);
  EXPECT_EQ(Post(path + "/restore", "").Json()["lifecycle"], "active");
}

TEST_F(RunsTest, ListsArePagedAndFiltered) {
  for (int i = 0; i < 5; ++i) Track(R"(, "tags": {"i": ")" + std::to_string(i) + "\"}");
  std::vector<std::string> seen;
  std::string next;
  do {
    const auto page =
        Get("/api/v1/runs?limit=2" + (next.empty() ? "" : "&page_token=" + next)).Json();
    for (const auto& run : page["items"]) seen.push_back(run["run_id"]);
    next = page["next_page_token"].is_null() ? "" : page["next_page_token"].get<std::string>();
  } while (!next.empty());
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_EQ(Get("/api/v1/runs?filter=tags.i%20%3D%20'3'").Json()["items"].size(), 1U);
  EXPECT_EQ(Get("/api/v1/runs?experiment=none").Json()["items"].size(), 0U);
  for (const char* bad : {"limit=0", "limit=1001", "limit=x", "filter=((", "order_by=%2C",
                          "lifecycle=odd", "include=odd", "page_token=odd"}) {
    EXPECT_EQ(Get(std::string("/api/v1/runs?") + bad).status, 400) << bad;
  }
}

TEST_F(RunsTest, ChildrenAndDetails) {
  const std::string run = Track();
  const std::string child = Track(R"(, "parent": ")" + run + "\"");
  const std::string grandchild = Track(R"(, "parent": ")" + child + "\"");
  EXPECT_EQ(Get("/api/v1/runs/" + run + "/children").Json()["items"].size(), 1U);
  EXPECT_EQ(Get("/api/v1/runs/" + run + "/children?recursive=true").Json()["items"].size(), 2U);
  const auto details = Get("/api/v1/runs/" + Submit() + "/details").Json();
  EXPECT_EQ(details["target"], "local");
  EXPECT_TRUE(details["runDefinition"].is_object());
  EXPECT_TRUE(details["logFiles"].is_object());
  EXPECT_EQ(Get("/api/v1/runs/none/details").status, 404);
}

TEST_F(RunsTest, AFolderIsSentAndReadBack) {
  const std::string content = "print('hi')\n";
  const std::string manifest = Manifest("train.py", content);
  const Answer wanted = Post("/api/v1/snapshots", manifest);
  EXPECT_EQ(wanted.status, 202);
  EXPECT_EQ(wanted.Json()["missing"][0], DigestOf(content).ToText());
  EXPECT_EQ(SendBlobs(BlobStream({content, "", std::string(3 << 20, 'x')})).Json(),
            nlohmann::json({{"received", 3}, {"bytes", content.size() + (3 << 20)}}));
  const Answer kept = Post("/api/v1/snapshots", manifest);
  EXPECT_EQ(kept.status, 201) << kept.body;
  const std::string id = kept.Json()["id"];
  EXPECT_EQ(Post("/api/v1/snapshots", manifest).status, 200);
  EXPECT_EQ(Get("/api/v1/snapshots/" + id).Json()["file_count"], 1);
  EXPECT_EQ(Get("/api/v1/snapshots/" + id + "/files/train.py").body, content);
  EXPECT_EQ(Get("/api/v1/snapshots/" + id + "/files/other.py").status, 404);
  EXPECT_EQ(Get("/api/v1/snapshots/" + id + "/files/..%2Ftrain.py").status, 400);
  const Answer zip = Get("/api/v1/snapshots/" + id + "/archive");
  EXPECT_EQ(zip.body.substr(0, 2), "PK");
  EXPECT_TRUE(zip.whole);
  EXPECT_EQ(Get("/api/v1/snapshots/odd").status, 400);
}

TEST_F(RunsTest, BadBlobStreamsAreRefused) {
  EXPECT_EQ(SendBlobs(BlobStream({"a"}, true)).ErrorCode(), "invalid_argument");
  EXPECT_EQ(SendBlobs(BlobStream({std::string(2 << 20, 'x')}, true)).ErrorCode(),
            "invalid_argument");
  const std::string whole = BlobStream({"abc"});
  EXPECT_EQ(SendBlobs(whole.substr(0, 20)).status, 400);
  EXPECT_EQ(SendBlobs(whole.substr(0, whole.size() - 1)).status, 400);
  EXPECT_EQ(SendBlobs(std::string(100, '\xff')).status, 400);
  EXPECT_EQ(Post("/api/v1/blobs", whole).status, 400);  // the wrong type
}

TEST_F(RunsTest, ModelsAreRegisteredFromARunAndFromBlobs) {
  const std::string run = Track();
  ASSERT_EQ(Call("PUT", "/api/v1/runs/" + run + "/files/outputs/m/w.pt", "weights").status, 201);
  const Headers key = {{"Idempotency-Key", "m1"}};
  const std::string body =
      R"({"name": "net", "run_id": ")" + run + R"(", "path": "outputs/m/", "tags": {"a": "1"}})";
  const Answer first = Post("/api/v1/models", body, key);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(first.Json()["version"], 1);
  EXPECT_EQ(first.Json()["run_id"], run);
  EXPECT_EQ(first.Json()["stage"], "None");
  EXPECT_EQ(first.Json()["aliases"], nlohmann::json::array());
  EXPECT_EQ(Post("/api/v1/models", body, key).status, 200);
  EXPECT_EQ(Post("/api/v1/models",
                 R"({"name": "other", "run_id": ")" + run + R"(", "path": "outputs/m"})", key)
                .status,
            409);
  ASSERT_EQ(SendBlobs(BlobStream({"second"})).status, 200);
  const std::string files = R"({"name": "net", "files": [{"path": "w.pt", "digest": ")" +
                            DigestOf("second").ToText() + R"(", "size": 6}]})";
  EXPECT_EQ(Post("/api/v1/models", files).Json()["version"], 2);
  EXPECT_EQ(Get("/api/v1/models/net/versions/latest/files/w.pt").body, "second");
  EXPECT_EQ(Get("/api/v1/models/net").Json()["versions"].size(), 2U);
  EXPECT_EQ(Get("/api/v1/models").Json()["items"][0]["latest_version"], 2);
  EXPECT_EQ(Get("/api/v1/models/net/versions/1/archive").body.substr(0, 2), "PK");
  const Answer changed = Call("PATCH", "/api/v1/models/net/versions/1",
                              R"({"description": "d", "tags": {"a": null, "b": "2"}})");
  EXPECT_EQ(changed.Json()["tags"], nlohmann::json({{"b", "2"}}));
  const Answer kept = Call("PATCH", "/api/v1/models/net/versions/1", R"({"tags": {"c": "3"}})");
  EXPECT_EQ(kept.Json()["description"], "d");
  EXPECT_EQ(kept.Json()["tags"], nlohmann::json({{"b", "2"}, {"c", "3"}}));
  EXPECT_EQ(Call("DELETE", "/api/v1/models/net/versions/1").status, 204);
  EXPECT_EQ(Get("/api/v1/models/net/versions/1").status, 404);
  EXPECT_EQ(
      Post("/api/v1/models", R"({"name": "x", "run_id": ")" + run + R"(", "path": "no"})").status,
      404);
  EXPECT_EQ(Post("/api/v1/models", R"({"name": "x"})").status, 400);
  EXPECT_EQ(Get("/api/v1/models/none").status, 404);
  EXPECT_EQ(Get("/api/v1/models/net/versions/odd").status, 400);
}

TEST_F(RunsTest, WhatIsRepeatedIsKnownWithoutAClock) {
  options.clock = &behind;  // the store's is right
  Reopen();
  const Headers key = {{"Idempotency-Key", "k"}};
  const std::string tracked = "/api/v1/runs/tracked";
  EXPECT_EQ(Post(tracked, R"({"experiment": "a"})", key).status, 201);
  EXPECT_EQ(Post(tracked, R"({"experiment": "a"})", key).status, 200);
  EXPECT_EQ(Post(tracked, R"({"experiment": "a"})").status, 201);
  ASSERT_EQ(SendBlobs(BlobStream({"weights"})).status, 200);
  const auto model = [&](const std::string& name) {
    return R"({"name": ")" + name + R"(", "files": [{"path": "w.pt", "digest": ")" +
           DigestOf("weights").ToText() + R"("}]})";
  };
  EXPECT_EQ(Post("/api/v1/models", model("net"), key).status, 201);
  EXPECT_EQ(Post("/api/v1/models", model("net"), key).status, 200);
  EXPECT_EQ(Post("/api/v1/models", model("other"), key).status, 409);
  EXPECT_EQ(Post("/api/v1/models", model("net")).status, 201);
}

TEST_F(RunsTest, ExperimentsLive) {
  const Answer made = Post("/api/v1/experiments", R"({"name": "exp", "tags": {"a": "1"}})");
  ASSERT_EQ(made.status, 201);
  const std::string path = "/api/v1/experiments/" + made.Json()["experiment_id"].get<std::string>();
  EXPECT_EQ(Post("/api/v1/experiments", R"({"name": "exp"})").status, 409);
  EXPECT_EQ(Call("PATCH", path, R"({"description": "d", "tags": {"a": null}})").Json()["tags"],
            nlohmann::json::object());
  EXPECT_EQ(Post(path + "/archive", "").Json()["lifecycle"], "archived");
  EXPECT_EQ(Post(path + "/restore", "").Json()["lifecycle"], "active");
  EXPECT_EQ(Call("DELETE", path).Json()["lifecycle"], "deleted");
  EXPECT_EQ(Get("/api/v1/experiments/odd").status, 404);
  EXPECT_EQ(Get("/api/v1/experiments/0").Json()["name"], "Default");
}

}  // namespace
}  // namespace roost::api
