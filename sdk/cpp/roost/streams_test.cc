#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "roost/download.h"
#include "roost/events.h"
#include "roost/folder_snapshot.h"
#include "roost/log_follow.h"
#include "roost/scripted_server.h"
#include "roost/upload.h"

namespace roost::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Request = ScriptedServer::Request;

std::string Contents(const fs::path& path) { return ReadFile(path).value_or("(no file)"); }

TEST(DownloadTest, GoesOnWhereABrokenConnectionStopped) {
  const std::string content = "0123456789";
  ScriptedServer server([&](const Request& request) {
    if (request.number == 0) return ScriptedServer::Answer(200, "0123", "", 10);
    EXPECT_TRUE(request.HasHeader("Range: bytes=4-")) << request.head;
    return ScriptedServer::Answer(206, "456789");
  });
  TempFolder folder;
  Client client({.url = server.url()});
  const DownloadSource source{"/runs/a/files/x", DigestOf(content), content.size()};
  const auto outcome = DownloadFile(client, source, folder.path() / "deep/x");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(Contents(folder.path() / "deep/x"), content);
  EXPECT_FALSE(fs::exists(folder.path() / "deep/x.roost-part"));

  const auto again = DownloadFile(client, source, folder.path() / "deep/x");
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, DownloadOutcome::kAlreadyThere);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(DownloadTest, RefusesContentOfAnotherDigest) {
  ScriptedServer server([](const Request&) { return ScriptedServer::Answer(200, "evil"); });
  TempFolder folder;
  Client client({.url = server.url()});
  const auto outcome =
      DownloadFile(client, {"/runs/a/files/x", DigestOf("good"), 4}, folder.path() / "x");
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr("not what the server named"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(DownloadTest, AStalePartIsStartedOver) {
  const std::string content = "0123456789";
  ScriptedServer server([&](const Request& request) {
    return request.number == 0 ? ScriptedServer::Answer(206, "456789")
                               : ScriptedServer::Answer(200, content);
  });
  TempFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "x.roost-part", "ABCD"));
  Client client({.url = server.url()});
  const auto outcome = DownloadFile(client, {"/f", DigestOf(content), 10}, folder.path() / "x");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(Contents(folder.path() / "x"), content);
}

TEST(ListRunFilesTest, FollowsPages) {
  ScriptedServer server([](const Request& request) {
    return request.target.find("after=a") == std::string::npos
               ? ScriptedServer::Answer(
                     200,
                     R"({"items": [{"path": "a", "size": 3, "digest": null}], "next_after": "a"})")
               : ScriptedServer::Answer(200, R"({"items": [{"path": "b", "size": 4, "digest": ")" +
                                                 DigestOf("x").ToText() +
                                                 R"("}], "next_after": null})");
  });
  Client client({.url = server.url()});
  const auto files = ListRunFiles(client, "r", "");
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 2U);
  EXPECT_FALSE((*files)[0].digest);
  EXPECT_EQ((*files)[1].digest, DigestOf("x"));
  EXPECT_EQ((*files)[1].size, 4U);
}

TEST(FollowLogTest, ResumesByOffsetUntilTheRunIsOver) {
  // The log breaks after 4 bytes, the server is away once, then it stops cleanly in the middle, and
  // at last the run is over.
  ScriptedServer server([](const Request& request) {
    if (request.target.find("/logs/") == std::string::npos) {
      const bool over = request.number > 4;
      return ScriptedServer::Answer(200,
                                    over ? R"({"status": "Failed"})" : R"({"status": "Running"})");
    }
    if (request.target.find("offset=0") != std::string::npos) {
      return ScriptedServer::Answer(200, "one\n", "", 100);
    }
    if (request.number == 1) return std::string();
    if (request.target.find("offset=4") != std::string::npos) {
      return ScriptedServer::Answer(200, "two\n");
    }
    EXPECT_THAT(request.target, HasSubstr("offset=8"));
    return ScriptedServer::Answer(200, "three\n");
  });
  Client client({.url = server.url()});
  std::string log;
  std::vector<bool> connections;
  LogFollowOptions options;
  options.run_id = "r";
  options.on_connection = [&](bool connected) { connections.push_back(connected); };
  const auto offset = FollowLog(client, options, [&](std::string_view piece) -> Status {
    log += piece;
    if (piece == "two\n") {
      EXPECT_THAT(connections, ElementsAre(false, true)) << "told at once";
    }
    return {};
  });
  ASSERT_TRUE(offset) << offset.error().message;
  EXPECT_EQ(log, "one\ntwo\nthree\n");
  EXPECT_EQ(*offset, log.size());
  EXPECT_THAT(connections, ElementsAre(false, true));
}

TEST(FollowLogTest, ARunThatEndedWithoutALogGivesNothing) {
  ScriptedServer server([](const Request& request) {
    return request.target.find("/logs/") == std::string::npos
               ? ScriptedServer::Answer(200, R"({"status": "Canceled"})")
               : ScriptedServer::Answer(404,
                                        R"({"error": {"code": "not_found", "message": "no"}})");
  });
  Client client({.url = server.url()});
  LogFollowOptions options;
  options.run_id = "r";
  const auto take = [](std::string_view) -> Status { return {}; };
  EXPECT_EQ(FollowLog(client, options, take).value_or(99), 0U);
  options.path = "logs/other.txt";
  EXPECT_FALSE(FollowLog(client, options, take));
}

TEST(EventParserTest, ReadsEventsInAnyCutting) {
  const std::string stream =
      ": hello\n\nid: e.1\nevent: run\ndata: {\"a\":\r\ndata: 1}\n\nevent: metrics\ndata: x\n\nid: "
      "e.2\n\n";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    EventParser parser;
    std::vector<std::string> got;
    for (std::size_t i = 0; i < stream.size(); i += step) {
      parser.Feed(std::string_view(stream).substr(i, step), [&](const ServerEvent& event) {
        got.push_back(event.id + "|" + event.kind + "|" + event.data);
      });
    }
    EXPECT_THAT(got, ElementsAre("e.1|run|{\"a\":\n1}", "|metrics|x")) << "step " << step;
  }
}

TEST(FollowEventsTest, ResumesAfterTheLastId) {
  ScriptedServer server([](const Request& request) {
    if (request.number == 0) return ScriptedServer::Answer(200, "id: e.7\ndata: a\n\n");
    EXPECT_TRUE(request.HasHeader("Last-Event-ID: e.7")) << request.head;
    return ScriptedServer::Answer(200, "id: e.8\ndata: b\n\n");
  });
  Client client({.url = server.url()});
  std::string got;
  const auto done = FollowEvents(client, "r", [&](const ServerEvent& event) {
    got += event.data;
    return event.data != "b";
  });
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(got, "ab");
}

class UploadTest : public testing::Test {
 protected:
  FolderSnapshot Folder() {
    EXPECT_TRUE(WriteFileAtomic(folder_.path() / "a.py", "print(1)\n"));
    EXPECT_TRUE(WriteFileAtomic(folder_.path() / "b.py", "print(2)\n"));
    auto snapshot = ReadFolder(folder_.path());
    EXPECT_TRUE(snapshot);
    return std::move(*snapshot);
  }
  TempFolder folder_;
};

TEST_F(UploadTest, SendsOnlyWhatIsMissingAndRepeatsABrokenStream) {
  const FolderSnapshot snapshot = Folder();
  const Digest missing = snapshot.manifest.files[1].digest;
  ScriptedServer server([&](const Request& request) {
    if (request.number == 0) {
      return ScriptedServer::Answer(
          202, nlohmann::json{{"id", nullptr}, {"missing", {missing.ToText()}}}.dump());
    }
    if (request.number == 1) return std::string();
    if (request.target == "/api/v1/blobs") return ScriptedServer::Answer(200, "{}");
    return ScriptedServer::Answer(201, R"({"id": "b2:11", "missing": []})");
  });
  Client client({.url = server.url()});
  const auto sent = SendSnapshot(client, snapshot, {});
  ASSERT_TRUE(sent) << sent.error().message;
  EXPECT_EQ(sent->id, "b2:11");
  EXPECT_EQ(sent->blobs_sent, 1U);
  std::string expected(reinterpret_cast<const char*>(missing.bytes.data()), 32);
  expected += std::string("\x09\0\0\0\0\0\0\0", 8) + "print(2)\n";
  ASSERT_EQ(server.requests().size(), 4U);
  EXPECT_EQ(server.requests()[2].body, expected);
}

TEST_F(UploadTest, AFileThatShrankIsNamed) {
  const FolderSnapshot snapshot = Folder();
  ASSERT_TRUE(WriteFileAtomic(folder_.path() / "b.py", ""));
  ScriptedServer server([](const Request&) { return std::string(); });
  Client client({.url = server.url()});
  const auto sent =
      SendBlobs(client, {{snapshot.manifest.files[1].digest, 9, snapshot.folder / "b.py"}}, {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("b.py became shorter"));
}

TEST_F(UploadTest, ALargeContentIsGoneOnWithAndBegunAnewWhenItsBeginningIsWrong) {
  const fs::path file = folder_.path() / "large.bin";
  constexpr std::uint64_t kSize = (64ULL << 20) + 1;
  ASSERT_TRUE(WriteFileAtomic(file, "head"));
  fs::resize_file(file, kSize);
  const auto state = [](std::uint64_t received) {
    return ScriptedServer::Answer(
        200, nlohmann::json{{"received", received}, {"complete", received == kSize}}.dump());
  };
  ScriptedServer server([&](const Request& request) {
    switch (request.number) {
      case 0:
        return state(kSize - 100);
      case 1:
        return std::string();  // the connection breaks
      case 2:
        return state(kSize - 3);
      case 3:
        return ScriptedServer::Answer(400, R"({"error": {"code": "invalid_argument"}})");
      case 4:
        return state(0);
      case 5:
        return ScriptedServer::Answer(503, R"({"error": {"code": "unavailable"}})");
      default:
        return state(kSize);
    }
  });
  Client client({.url = server.url()});
  const Digest digest = *DigestOfFile(file);
  std::uint64_t told = 0;
  const Status sent =
      SendBlobs(client, {{digest, kSize, file}}, [&](auto done, auto) { told = done; });
  ASSERT_TRUE(sent) << sent.error().message;
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 7U);
  const std::string path = "/api/v1/blobs/" + digest.ToText();
  EXPECT_EQ(requests[0].target, path);
  EXPECT_EQ(requests[1].target, path + "?offset=" + std::to_string(kSize - 100));
  EXPECT_EQ(requests[1].body, std::string(100, '\0'));
  EXPECT_EQ(requests[3].body.size(), 3U);
  EXPECT_EQ(requests[5].target, path + "?offset=0");
  EXPECT_EQ(requests[5].body.size(), kSize);
  EXPECT_EQ(requests[5].body.substr(0, 5), std::string("head\0", 5));
  EXPECT_EQ(told, kSize);
}

TEST_F(UploadTest, ALargeFileThatChangedIsNamed) {
  const fs::path file = folder_.path() / "large.bin";
  constexpr std::uint64_t kSize = (64ULL << 20) + 1;
  ASSERT_TRUE(WriteFileAtomic(file, ""));
  fs::resize_file(file, kSize);
  ScriptedServer server([&](const Request& request) {
    return request.method == "GET"
               ? ScriptedServer::Answer(200, R"({"received": 0, "complete": false})")
               : ScriptedServer::Answer(400, R"({"error": {"code": "invalid_argument"}})");
  });
  Client client({.url = server.url()});
  const Status sent = SendBlobs(client, {{DigestOf("other"), kSize, file}}, {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("large.bin changed while it was sent"));
  fs::resize_file(file, 100);
  const Status shrunk = SendBlobs(client, {{DigestOf("other"), kSize, file}}, {});
  ASSERT_FALSE(shrunk);
  EXPECT_THAT(shrunk.error().message, HasSubstr("large.bin became shorter"));
}

}  // namespace
}  // namespace roost::client
