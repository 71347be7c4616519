// Datastores and datasets over the wire.
#include "api/api_test_support.h"
#include "store/run_data.h"

namespace roost::api {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class DataApiTest : public ApiTest {
 protected:
  static constexpr const char* kStore = "/api/v1/datastores/workspaceblobstore";

  // The stream of POST /blobs.
  static std::string Blob(const std::string& content) {
    const Digest digest = DigestOf(content);
    std::string text(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
    for (int i = 0; i < 8; ++i) {
      text.push_back(static_cast<char>((content.size() >> (8 * i)) & 0xff));
    }
    return text + content;
  }
  static json Entry(const std::string& path, const std::string& content) {
    return {{"path", path}, {"digest", DigestOf(content).ToText()}, {"size", content.size()}};
  }
  Answer Put(const std::string& path, const std::string& content, const std::string& query = "") {
    return Call("PUT", path + query, content);
  }
  std::string MakeFolder() {
    const fs::path folder = folder_.path() / "disk";
    fs::create_directories(folder);
    const Answer made =
        Post("/api/v1/datastores", json{{"name", "disk"}, {"path", folder.string()}}.dump());
    EXPECT_EQ(made.status, 201) << made.body;
    return folder.string();
  }
  std::vector<std::string> Paths(const std::string& path) {
    std::vector<std::string> paths;
    const auto answer = Get(path).Json();
    for (const auto& item : answer["items"]) paths.push_back(item["path"]);
    return paths;
  }
};

TEST_F(DataApiTest, OnlyMissingContentsTravel) {
  const json upload = {{"files", {Entry("a/1", "one"), Entry("a/2", "two")}}};
  Answer answer = Post(std::string(kStore) + "/upload", upload.dump());
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(answer.Json()["missing"].size(), 2U);
  answer = Post("/api/v1/blobs", Blob("one") + Blob("two"),
                {{"Content-Type", "application/vnd.roost.blobs"}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  answer = Post(std::string(kStore) + "/upload", upload.dump());
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.Json(), (json{{"added", 2}, {"unchanged", 0}, {"missing", json::array()}}));
  answer = Post(std::string(kStore) + "/upload", upload.dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Json()["unchanged"], 2);
  EXPECT_THAT(Paths(std::string(kStore) + "/files?prefix=a/"), testing::ElementsAre("a/1", "a/2"));
  EXPECT_EQ(Get(std::string(kStore) + "/files?limit=1").Json()["next_after"], "a/1");
  const json other = {{"files", {Entry("a/1", "another")}}};
  answer = Post(std::string(kStore) + "/upload", other.dump());
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.Json()["error"]["details"][0]["field"], "a/1");
}

TEST_F(DataApiTest, OfAStreamThatBreaksOffWhatCameWholeIsKept) {
  const std::string stream = Blob("one") + Blob(std::string(100'000, '2')) + Blob("three");
  {
    TestClient broken(server->port());
    broken.Send("POST /api/v1/blobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token +
                "\r\nContent-Type: application/vnd.roost.blobs\r\nContent-Length: " +
                std::to_string(stream.size()) + "\r\n\r\n" + stream.substr(0, stream.size() - 1));
  }
  const auto is_here = [&](const std::string& content) {
    return Get("/api/v1/blobs/" + DigestOf(content).ToText()).Json()["complete"] == true;
  };
  while (!is_here(std::string(100'000, '2'))) std::this_thread::yield();
  EXPECT_TRUE(is_here("one"));
  EXPECT_FALSE(is_here("three"));
}

TEST_F(DataApiTest, ALargeContentIsGoneOnWithWhereItBroke) {
  const std::string content(3'000'000, 'c');
  const std::string path = "/api/v1/blobs/" + DigestOf(content).ToText();
  EXPECT_EQ(Get(path).Json(),
            (json{{"digest", DigestOf(content).ToText()}, {"received", 0}, {"complete", false}}));
  {
    TestClient broken(server->port());
    broken.Send("PUT " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token +
                "\r\nContent-Length: 3000000\r\n\r\n" + content.substr(0, 1'000'000));
    while (Get(path).Json()["received"] == 0) std::this_thread::yield();
    EXPECT_EQ(Call("PUT", path, content).status, 503);  // it is arriving
  }
  // Until the server has noticed that the connection is gone.
  while (Call("PUT", path + "?offset=2999999", "x").status == 503) std::this_thread::yield();
  EXPECT_EQ(Call("PUT", path + "?offset=2999999", "x").status, 409);
  const std::size_t received = Get(path).Json()["received"];
  EXPECT_THAT(received, testing::AllOf(testing::Gt(0U), testing::Le(1'000'000U)));
  const Answer answer =
      Call("PUT", path + "?offset=" + std::to_string(received), content.substr(received));
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.Json()["size"], 3'000'000);
  EXPECT_EQ(Get(path).Json()["complete"], true);
  EXPECT_EQ(Call("PUT", path, "another").status, 400);
  EXPECT_EQ(Get(path).Json()["complete"], true);
  EXPECT_EQ(Get("/api/v1/blobs/nothing").status, 400);
  EXPECT_EQ(Call("PUT", path + "?offset=-1", "").status, 400);
}

TEST_F(DataApiTest, FilesComeAndGoInBothKindsOfDatastore) {
  const std::string folder = MakeFolder();
  for (const std::string& base : {std::string(kStore), std::string("/api/v1/datastores/disk")}) {
    EXPECT_EQ(Put(base + "/files/x/y.txt", "content").status, 201) << base;
    EXPECT_EQ(Put(base + "/files/x/y.txt", "content").status, 201) << base;
    EXPECT_EQ(Put(base + "/files/x/y.txt", "other").status, 409) << base;
    EXPECT_EQ(Put(base + "/files/x/y.txt", "other", "?overwrite=true").status, 201) << base;
    const Answer got = Get(base + "/files/x/y.txt", {{"Range", "bytes=1-3"}});
    EXPECT_EQ(got.status, 206) << base;
    EXPECT_EQ(got.body, "the");
    const Answer head = Call("HEAD", base + "/files/x/y.txt");
    EXPECT_EQ(head.headers.at("content-length"), "5");
    EXPECT_EQ(Get(base + "/files/x/y.txt", {{"If-None-Match", head.headers.at("etag")}}).status,
              304);
    EXPECT_EQ(Call("DELETE", base + "/files/x/y.txt").status, 204) << base;
    EXPECT_EQ(Get(base + "/files/x/y.txt").status, 404) << base;
    EXPECT_EQ(Call("DELETE", base + "/files/x/y.txt").status, 404) << base;
  }
  EXPECT_TRUE(fs::is_empty(fs::path(folder) / "x"));  // no part of a refused upload stays
}

TEST_F(DataApiTest, AnUploadIntoAFolderWritesFiles) {
  const std::string folder = MakeFolder();
  Post("/api/v1/blobs", Blob("one"), {{"Content-Type", "application/vnd.roost.blobs"}});
  const json upload = {{"files", {Entry("a/1", "one")}}};
  EXPECT_EQ(Post("/api/v1/datastores/disk/upload", upload.dump()).status, 201);
  EXPECT_EQ(*ReadFile(fs::path(folder) / "a/1"), "one");
  EXPECT_EQ(Post("/api/v1/datastores/disk/upload", upload.dump()).status, 200);
  const json other = {{"files", {Entry("a/1", "another")}}};
  EXPECT_EQ(Post("/api/v1/datastores/disk/upload", other.dump()).status, 409);
}

TEST_F(DataApiTest, AFolderIsRefusedWhereItDoesNotBelong) {
  const auto make = [&](const std::string& name, const std::string& path) {
    return Post("/api/v1/datastores", json{{"name", name}, {"path", path}}.dump());
  };
  EXPECT_EQ(make("a", "relative").status, 400);
  EXPECT_EQ(make("a", "/nowhere/at/all").status, 400);
  EXPECT_EQ(make("a", (store->data_folder() / "blobs").string()).status, 400);
  EXPECT_EQ(make("a", "/").status, 400);
  EXPECT_EQ(make("a b", folder_.path().string()).status, 400);
  EXPECT_EQ(make("workspaceblobstore", MakeFolder()).status, 409);
  fs::create_symlink("/etc", folder_.path() / "disk/etc");
  EXPECT_EQ(Get("/api/v1/datastores/disk/files/etc/passwd").status, 404);
  EXPECT_EQ(Put("/api/v1/datastores/disk/files/etc/roost-test", "x").status, 404);
}

TEST_F(DataApiTest, ADefaultAndAReadOnlyDatastore) {
  const std::string folder = MakeFolder();
  fs::create_directories(folder_.path() / "fixed");
  EXPECT_EQ(Post("/api/v1/datastores", json{{"name", "fixed"},
                                            {"path", (folder_.path() / "fixed").string()},
                                            {"read_only", true}}
                                           .dump())
                .status,
            201);
  EXPECT_EQ(Put("/api/v1/datastores/fixed/files/a", "x").status, 403);
  EXPECT_EQ(Call("PATCH", "/api/v1/datastores/disk", R"({"is_default": true})").status, 200);
  EXPECT_EQ(Get(kStore).Json()["is_default"], false);
  EXPECT_EQ(Call("PATCH", "/api/v1/datastores/disk", R"({"is_default": false})").status, 400);
  EXPECT_EQ(Call("DELETE", "/api/v1/datastores/disk").status, 409);
  EXPECT_EQ(Call("PATCH", kStore, R"({"is_default": true})").status, 200);
  EXPECT_EQ(Call("DELETE", "/api/v1/datastores/disk").status, 204);
  EXPECT_TRUE(fs::exists(folder));
  EXPECT_EQ(Get("/api/v1/datastores").Json()["items"].size(), 4U);
  const json page = Get("/api/v1/datastores?limit=2").Json();
  EXPECT_EQ(page["items"].size(), 2U);
  const std::string next = page["next_page_token"];
  EXPECT_EQ(Get("/api/v1/datastores?page_token=" + next).Json()["items"].size(), 2U);
}

TEST_F(DataApiTest, ADatasetIsMadeListedReadAndUnregistered) {
  Put(std::string(kStore) + "/files/birds/1.png", "one");
  Put(std::string(kStore) + "/files/birds/2.png", "two");
  const std::string paths =
      R"("paths": [{"datastore": "workspaceblobstore", "path": "birds/*.png"}])";
  Answer made = Post("/api/v1/datasets", R"({"name": "birds", "tags": {"a": "b"}, )" + paths + "}");
  ASSERT_EQ(made.status, 201) << made.body;
  const json dataset = made.Json();
  EXPECT_EQ(dataset["version"], 1);
  EXPECT_EQ(dataset["file_count"], 2);
  EXPECT_EQ(dataset["bytes"], 6);
  EXPECT_EQ(dataset["single_file"], false);
  EXPECT_EQ(dataset["tags"]["a"], "b");
  const std::string id = dataset["dataset_id"];
  EXPECT_EQ(Get("/api/v1/datasets/birds/versions/latest").Json(), dataset);
  EXPECT_EQ(Get("/api/v1/dataset-ids/" + id).Json(), dataset);
  EXPECT_EQ(Get("/api/v1/datasets?name=birds").Json()["items"][0], dataset);
  EXPECT_EQ(Get("/api/v1/datasets").Json()["items"].size(), 1U);
  EXPECT_THAT(Paths("/api/v1/dataset-ids/" + id + "/files"),
              testing::ElementsAre("1.png", "2.png"));
  EXPECT_EQ(Get("/api/v1/dataset-ids/" + id + "/files?limit=1").Json()["next_after"], "1.png");
  EXPECT_EQ(Get("/api/v1/dataset-ids/" + id + "/files/2.png").body, "two");
  EXPECT_EQ(Get("/api/v1/dataset-ids/" + id + "/files/3.png").status, 404);
  EXPECT_EQ(Post("/api/v1/datasets", R"({"name": "birds", )" + paths + "}").status, 200);
  EXPECT_EQ(Post("/api/v1/datasets", "{" + paths + "}").Json()["name"], nullptr);
  Put(std::string(kStore) + "/files/birds/3.png", "three");
  EXPECT_EQ(Post("/api/v1/datasets", R"({"name": "birds", )" + paths + "}").status, 409);
  made =
      Post("/api/v1/datasets", R"({"name": "birds", "create_new_version": true, )" + paths + "}");
  EXPECT_EQ(made.Json()["version"], 2);
  EXPECT_EQ(Get("/api/v1/datasets/birds").Json()["versions"].size(), 2U);
  EXPECT_EQ(Call("DELETE", "/api/v1/datasets/birds").status, 204);
  EXPECT_EQ(Get("/api/v1/datasets/birds").status, 404);
  EXPECT_EQ(Get("/api/v1/dataset-ids/" + id).status, 200);
}

TEST_F(DataApiTest, ADatasetTellsWhichRunsReadAndWroteIt) {
  Put(std::string(kStore) + "/files/birds/1.png", "one");
  const std::string id =
      Post("/api/v1/datasets",
           R"({"name": "birds", "paths": [{"datastore": "workspaceblobstore", "path": "birds"}]})")
          .Json()["dataset_id"];
  const std::string path = "/api/v1/dataset-ids/" + id + "/runs";
  EXPECT_EQ(Get(path).Json(), (json{{"items", json::array()}, {"next_page_token", nullptr}}));
  const auto note = [&](const std::string& run_id, bool is_output, const std::string& name,
                        const std::string& dataset) {
    store::RunDataItem item;
    item.is_output = is_output;
    item.name = name;
    item.dataset_id = dataset;
    item.dataset_name = "birds";
    item.version = 1;
    ASSERT_TRUE(store->run_data().Put(store->runs().Get(RunId(run_id))->key, {item}));
  };
  const std::string writer = Submit();
  const std::string reader = Submit();
  Submit();  // has nothing to do with it
  note(writer, true, "made", id);
  note(reader, false, "seen", id);
  note(reader, false, "else", "another");
  const json items = Get(path).Json()["items"];
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0]["run_id"], reader);
  EXPECT_EQ(items[0]["inputs"].size(), 1U);
  EXPECT_EQ(items[0]["inputs"][0]["name"], "seen");
  EXPECT_EQ(items[0]["outputs"], json::array());
  EXPECT_EQ(items[1]["run_id"], writer);
  EXPECT_EQ(items[1]["outputs"][0]["name"], "made");
  EXPECT_EQ(items[1]["outputs"][0]["version"], 1);

  const json first = Get(path + "?limit=1").Json();
  EXPECT_EQ(first["items"][0]["run_id"], reader);
  const std::string next = first["next_page_token"];
  const json second = Get(path + "?limit=1&page_token=" + next).Json();
  EXPECT_EQ(second["items"][0]["run_id"], writer);
  EXPECT_EQ(second["next_page_token"], nullptr);
  EXPECT_EQ(Get(path + "?page_token=n00").status, 400);
  EXPECT_EQ(Get("/api/v1/dataset-ids/nowhere/runs").status, 404);
}

TEST_F(DataApiTest, ADatasetThatNamesNothingIsRefused) {
  const auto make = [&](const std::string& paths) {
    return Post("/api/v1/datasets", R"({"paths": )" + paths + "}");
  };
  EXPECT_EQ(make("[]").status, 400);
  EXPECT_EQ(make(R"([{"datastore": "workspaceblobstore", "path": "no"}])").status, 400);
  EXPECT_EQ(make(R"([{"datastore": "nowhere", "path": "no"}])").status, 404);
  EXPECT_EQ(make(R"([{"datastore": "workspaceblobstore", "path": "../x"}])").status, 400);
  EXPECT_EQ(make(R"([{"url": "file:///etc/passwd"}])").status, 400);
  EXPECT_EQ(make(R"([{"url": "http://x/", "datastore": "workspaceblobstore"}])").status, 400);
}

TEST_F(DataApiTest, AnAddressIsFetchedOnce) {
  Put(std::string(kStore) + "/files/page.txt", "from the server itself");
  // Public, so it needs no token, and it is there.
  const std::string url = "http://127.0.0.1:" + std::to_string(server->port()) + "/healthz";
  const Answer made = Post("/api/v1/datasets", json{{"paths", {{{"url", url}}}}}.dump());
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.Json()["single_file"], true);
  const std::string id = made.Json()["dataset_id"];
  EXPECT_THAT(Get("/api/v1/dataset-ids/" + id + "/files/healthz").body, HasSubstr("\"ok\""));
  const Answer refused =
      Post("/api/v1/datasets",
           json{{"paths", {{{"url", url.substr(0, url.rfind('/')) + "/no"}}}}}.dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("could not be fetched"));
}

TEST_F(DataApiTest, AnAddressKeepsItsSecretsAndStaysAnAddress) {
  const auto make = [&](const std::string& url) {
    return Post("/api/v1/datasets", json{{"paths", {{{"url", url}}}}}.dump());
  };
  const std::string host = "127.0.0.1:" + std::to_string(server->port());
  const Answer made = make("http://u:p@" + host + "/healthz#\"\\");
  EXPECT_EQ(made.status, 201) << made.body;
  const Answer refused = make("http://u:hidden@" + host + "/no?sig=secret");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("http://" + host + "/no could not be fetched"));
  EXPECT_THAT(refused.body, testing::Not(HasSubstr("hidden")));
  EXPECT_THAT(refused.body, testing::Not(HasSubstr("secret")));
  EXPECT_THAT(make("http://x/\nurl = \"file:///etc/passwd\"").body,
              HasSubstr("must not have control characters"));
}

TEST_F(DataApiTest, ARunsTokenReadsAndUploadsButChangesNoDatastore) {
  const std::string run = Submit();
  const std::string launch = Begin(run);
  std::string run_token;
  OnEngine([&] { run_token = fake->started.back().environment.at("ROOST_TOKEN"); }).get();
  const Headers as_run = {{"Authorization", "Bearer " + run_token}};
  EXPECT_EQ(Call("PUT", std::string(kStore) + "/files/a", "x", as_run).status, 201);
  EXPECT_EQ(Get(std::string(kStore) + "/files/a", as_run).status, 200);
  EXPECT_EQ(Call("DELETE", std::string(kStore) + "/files/a", "", as_run).status, 403);
  EXPECT_EQ(Post("/api/v1/datastores", "{}", as_run).status, 403);
  End(launch, 0);
}

}  // namespace
}  // namespace roost::api
