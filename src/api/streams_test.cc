// What flows: metrics, logs, files, events, health.
#include "api/api_test_support.h"

namespace roost::api {
namespace {

using testing::HasSubstr;

class StreamsTest : public ApiTest {
 protected:
  static std::string Event(const std::string& text, const std::string& kind) {
    const std::size_t at = text.find("event: " + kind + "\n");
    return at == std::string::npos ? "" : text.substr(at, text.find("\n\n", at) - at);
  }
  static std::string LastId(const std::string& text) {
    const std::size_t at = text.rfind("id: ");
    return text.substr(at + 4, text.find('\n', at) - at - 4);
  }
};

TEST_F(StreamsTest, MetricsArriveWithNaN) {
  const std::string path = "/api/v1/runs/" + Track() + "/metrics";
  const Answer answer = Post(path, R"({"writer": "w", "batch": 1,
      "points": [{"name": "loss", "value": 0.5, "step": 4, "time": "2026-11-21T07:35:28.123456Z"},
                 {"name": "loss", "value": "NaN"}, {"name": "loss", "value": "-Infinity"}],
      "series": [{"name": "lr", "value": [0.1, 0.09], "step": [0, 1]}],
      "entries": [{"name": "rows", "type": "row", "value": {"x": 1}}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, R"({"accepted":6})");
  EXPECT_EQ(
      Post(path, R"({"writer": "w", "batch": 1, "points": [{"name": "loss", "value": 9}]})").status,
      200);
  const auto points = Get(path + "/history?name=loss").Json()["points"];
  ASSERT_EQ(points.size(), 3U);  // the repeated batch added nothing
  EXPECT_EQ(points[0]["time"], "2026-11-21T07:35:28.123456Z");
  EXPECT_EQ(points[1]["value"], "NaN");
  EXPECT_EQ(points[2]["value"], "-Infinity");
  const auto first = Get(path + "/history?name=loss&limit=2").Json();
  EXPECT_EQ(first["points"].size(), 2U);
  const auto rest =
      Get(path + "/history?name=loss&after_seq=" + std::to_string(first["next_seq"].get<int>()))
          .Json();
  EXPECT_EQ(rest["points"].size(), 1U);
  EXPECT_TRUE(rest["next_seq"].is_null());
  EXPECT_EQ(Get(path + "/entries").Json()["items"][0]["value"]["x"], 1);
  EXPECT_EQ(Get(path + "/chart?name=lr").Json()["value"], nlohmann::json({0.1, 0.09}));
  EXPECT_EQ(Get(path).Json()["items"].size(), 3U);
}

TEST_F(StreamsTest, MetricProblemsAreNamed) {
  const std::string path = "/api/v1/runs/" + Track() + "/metrics";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"points": [{"name": "a"}]})", "points[0].value"},
      {R"({"points": [{"value": 1}]})", "points[0].name"},
      {R"({"points": [{"name": "a", "value": "x"}]})", "points[0].value"},
      {R"({"points": [{"name": "a", "value": 1, "step": -1}]})", "points[0].step"},
      {R"({"points": [{"name": "a", "value": 1, "time": "noon"}]})", "points[0].time"},
      {R"({"points": [{"name": "a", "value": 1, "odd": 1}]})", "points[0].odd"},
      {R"({"points": [3]})", "points[0]"},
      {R"({"points": {}})", "points"},
      {R"({"series": [{"name": "a", "value": [1, 2], "step": [1]}]})", "series[0].step"},
      {R"({"entries": [{"name": "a", "type": "odd", "value": 1}]})", "entries[0].type"},
      {R"({"entries": [{"name": "a", "type": "list", "value": 1}]})", "entries[0].value"},
      {R"({"writer": "w"})", "batch"},
      {R"({"odd": 1})", "odd"},
  };
  for (const auto& [body, field] : cases) {
    const Answer answer = Post(path, body);
    EXPECT_EQ(answer.status, 400) << body;
    ASSERT_FALSE(answer.Json()["error"]["details"].empty()) << answer.body;
    EXPECT_EQ(answer.Json()["error"]["details"][0]["field"], field) << answer.body;
  }
  EXPECT_EQ(Post(path, "{\"points\": [").status, 400);
  EXPECT_EQ(Post(path, "[]").status, 400);
  EXPECT_EQ(Post("/api/v1/runs/none/metrics", "{}").status, 404);
}

TEST_F(StreamsTest, LargeBatchesArrive) {
  const std::string path = "/api/v1/runs/" + Track() + "/metrics";
  std::string body = R"({"points": [)";
  for (int i = 0; i < 5000; ++i) {
    body += (i ? "," : "") + std::string(R"({"name": "m)") + std::to_string(i % 20) +
            R"(", "value": )" + std::to_string(i) + ", \"step\": " + std::to_string(i / 20) + "}";
  }
  EXPECT_EQ(Post(path, body + "]}").body, R"({"accepted":5000})");
  EXPECT_EQ(Get(path + "/history?name=m7").Json()["points"].size(), 250U);
}

TEST_F(StreamsTest, PipelinedMetricsKeepTheirOrder) {
  const std::string run = Track();
  TestClient client(server->port());
  for (int i = 0; i < 50; ++i) {
    client.Send(Text("POST", "/api/v1/runs/" + run + "/metrics",
                     R"({"points": [{"name": "a", "value": )" + std::to_string(i) + "}]}"));
  }
  for (int i = 0; i < 50; ++i) ASSERT_EQ(client.Read().status, 200);
  const auto points = Get("/api/v1/runs/" + run + "/metrics/history?name=a").Json()["points"];
  for (int i = 0; i < 50; ++i) EXPECT_EQ(points[static_cast<std::size_t>(i)]["value"], i);
}

TEST_F(StreamsTest, AGrowingLogIsFollowedToItsEnd) {
  const std::string run = Submit();
  const std::string launch = Begin(run);
  const std::string path = "/api/v1/runs/" + run + "/logs/azureml-logs/70_driver_log.txt";
  TestClient client(server->port());
  client.Send(Text("GET", path + "?follow=true"));
  ASSERT_EQ(client.ReadHead().status, 200);  // before the log is there
  AppendTo(LogFile(run), "one\n");
  std::string all;
  ASSERT_TRUE(client.ReadUntil("one\n", &all));
  AppendTo(LogFile(run), "two\rthree\n");
  ASSERT_TRUE(client.ReadUntil("three\n", &all));
  AppendTo(LogFile(run), std::string(1 << 20, 'x') + "end");
  End(launch, 0);
  std::string piece;
  while (client.ReadChunk(&piece) && !piece.empty()) all += piece;
  EXPECT_TRUE(piece.empty());
  EXPECT_EQ(all, "one\ntwo\rthree\n" + std::string(1 << 20, 'x') + "end");
  EXPECT_TRUE(Eventually([&] { return Status(run) == "Completed"; }));
}

TEST_F(StreamsTest, LogsAreReadInParts) {
  const std::string run = Submit();
  Begin(run);
  AppendTo(LogFile(run), "a\nb 10%\rb 100%\nc\n");
  const std::string path = "/api/v1/runs/" + run + "/logs/azureml-logs/70_driver_log.txt";
  const Answer whole = Get(path);
  EXPECT_EQ(whole.body, "a\nb 10%\rb 100%\nc\n");
  EXPECT_EQ(whole.headers.at("roost-log-size"), "17");
  EXPECT_EQ(whole.headers.at("roost-log-complete"), "false");
  EXPECT_EQ(Get(path + "?offset=2&limit=5").body, "b 10%");
  const Answer tail = Get(path + "?tail=1");
  EXPECT_EQ(tail.body, "c\n");
  EXPECT_EQ(tail.headers.at("roost-log-offset"), "15");
  EXPECT_EQ(Get(path + "?fold=true").body, "a\nb 100%\nc\n");
  EXPECT_EQ(Get(path + "?offset=100").body, "");
  EXPECT_EQ(Get(path + "?tail=1&offset=0").status, 400);
  EXPECT_EQ(Get(path + "?attempt=3").status, 404);
  EXPECT_EQ(Get("/api/v1/runs/" + run + "/logs/azureml-logs/..%2F..%2Fx").status, 400);
  EXPECT_EQ(Get("/api/v1/runs/" + run + "/logs/other.txt").status, 404);
  const auto logs = Get("/api/v1/runs/" + run + "/logs").Json()["items"];
  EXPECT_EQ(logs[0]["path"], "azureml-logs/70_driver_log.txt");
  EXPECT_EQ(logs[0]["size"], 17);
}

TEST_F(StreamsTest, AFollowerThatLeavesIsNoticed) {
  const std::string run = Submit();
  Begin(run);
  AppendTo(LogFile(run), "one\n");
  {
    TestClient client(server->port());
    client.Send(
        Text("GET", "/api/v1/runs/" + run + "/logs/azureml-logs/70_driver_log.txt?follow=true"));
    std::string all;
    ASSERT_EQ(client.ReadHead().status, 200);
    ASSERT_TRUE(client.ReadUntil("one\n", &all));
  }
  server->Stop();  // returns at once when nothing is left to wait for
}

TEST_F(StreamsTest, FilesComeBackWithEtagsAndRanges) {
  const std::string path = "/api/v1/runs/" + Track() + "/files/outputs/a%20b.txt";
  const Answer put = Call("PUT", path, "0123456789");
  ASSERT_EQ(put.status, 201) << put.body;
  EXPECT_EQ(put.Json()["path"], "outputs/a b.txt");
  EXPECT_EQ(put.Json()["digest"], DigestOf("0123456789").ToText());
  const Answer whole = Get(path);
  EXPECT_EQ(whole.body, "0123456789");
  EXPECT_EQ(whole.headers.at("x-content-type-options"), "nosniff");
  const std::string etag = whole.headers.at("etag");
  EXPECT_EQ(Get(path, {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(Get(path, {{"If-None-Match", "\"other\""}}).status, 200);
  const std::vector<std::tuple<std::string, int, std::string>> ranges = {
      {"bytes=2-4", 206, "234"},        {"bytes=7-", 206, "789"},
      {"bytes=-3", 206, "789"},         {"bytes=8-100", 206, "89"},
      {"bytes=10-", 416, ""},           {"bytes=-0", 416, ""},
      {"bytes=4-2", 200, "0123456789"}, {"bytes=0-1,3-4", 200, "0123456789"},
      {"lines=1-2", 200, "0123456789"},
  };
  for (const auto& [range, status, body] : ranges) {
    const Answer answer = Get(path, {{"Range", range}});
    EXPECT_EQ(answer.status, status) << range;
    if (status == 416) continue;
    EXPECT_EQ(answer.body, body) << range;
  }
  EXPECT_EQ(Get(path, {{"Range", "bytes=2-4"}}).headers.at("content-range"), "bytes 2-4/10");
  EXPECT_EQ(Get(path, {{"Range", "bytes=2-4"}, {"If-Range", "\"old\""}}).status, 200);
  const Answer head = Call("HEAD", path);
  EXPECT_EQ(head.headers.at("content-length"), "10");
  EXPECT_EQ(Call("PUT", path, "0123456789").status, 201);  // the same again
  EXPECT_EQ(Call("PUT", path, "other").status, 409);
  EXPECT_EQ(Call("PUT", path + "?overwrite=true", "other").status, 201);
  EXPECT_EQ(Get(path).body, "other");
  EXPECT_EQ(Call("PUT", path + "x").status, 201);  // an empty file
  EXPECT_EQ(Get(path + "x").body, "");
}

TEST_F(StreamsTest, PathsThatLeaveAreRefused) {
  const std::string files = "/api/v1/runs/" + Track() + "/files/";
  for (const char* path : {"..%2Fx", "a/../x", "%2Fetc/passwd", "a%00b", "./a"}) {
    EXPECT_EQ(Get(files + path).status, 400) << path;
    EXPECT_EQ(Call("PUT", files + path, "x").status, 400) << path;
  }
  EXPECT_EQ(Get(files + "%252e%252e/x").status, 404);  // decoded once only
}

TEST_F(StreamsTest, FilesAreListedBesideLogs) {
  const std::string run = Submit();
  Begin(run);
  AppendTo(LogFile(run), "log");
  const std::string path = "/api/v1/runs/" + run;
  Call("PUT", path + "/files/outputs/a", "1");
  Call("PUT", path + "/files/outputs/b", "2");
  const auto all = Get(path + "/files").Json();
  ASSERT_EQ(all["items"].size(), 3U);
  EXPECT_TRUE(all["items"][0]["digest"].is_null());
  const auto page = Get(path + "/files?prefix=outputs/&limit=1").Json();
  EXPECT_EQ(page["next_after"], "outputs/a");
  EXPECT_EQ(Get(path + "/files?prefix=outputs/&after=outputs/a").Json()["items"].size(), 1U);
  EXPECT_EQ(Get(path + "/files/azureml-logs/70_driver_log.txt").body, "log");
  const Answer zip = Get(path + "/archive");
  EXPECT_EQ(zip.body.substr(0, 2), "PK");
  EXPECT_THAT(zip.body, HasSubstr("outputs/b"));
  const Answer exported = Get(path + "/export");
  EXPECT_EQ(exported.body.substr(0, 2), "\x1f\x8b");
  EXPECT_TRUE(exported.whole);
}

TEST_F(StreamsTest, ALargeUploadStreamsThrough) {
  const std::string path = "/api/v1/runs/" + Track() + "/files/outputs/big";
  std::string content(20 << 20, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 8);
  ASSERT_EQ(Call("PUT", path, content).status, 201);
  EXPECT_EQ(Get(path).body, content);
  TestClient client(server->port());
  client.Send(Text("PUT", path + "2", content).substr(0, 5 << 20));  // and then it leaves
}

TEST_F(StreamsTest, EventsAreToldAndResumed) {
  TestClient client(server->port());
  client.Send(Text("GET", "/api/v1/events"));
  ASSERT_EQ(client.ReadHead().headers["content-type"], "text/event-stream");
  std::string text;
  ASSERT_TRUE(client.ReadUntil("\n\n", &text));
  const std::string before = LastId(text);
  const std::string run = Track();
  ASSERT_TRUE(client.ReadUntil("event: run\n", &text));
  EXPECT_THAT(Event(text, "run"), HasSubstr(run));
  ASSERT_EQ(Call("PUT", "/api/v1/runs/" + run + "/files/outputs/a", "1").status, 201);
  ASSERT_TRUE(client.ReadUntil("event: artifact\n", &text));
  EXPECT_THAT(Event(text, "artifact"), HasSubstr("outputs/a"));
  Post("/api/v1/runs/" + run + "/metrics", R"({"points": [{"name": "a", "value": 1}]})");
  ASSERT_TRUE(client.ReadUntil("event: metrics\n", &text));
  EXPECT_THAT(Event(text, "metrics"), HasSubstr(run));

  TestClient resumed(server->port());
  resumed.Send(Text("GET", "/api/v1/events", "", {{"Last-Event-ID", before}}));
  ASSERT_EQ(resumed.ReadHead().status, 200);
  std::string again;
  ASSERT_TRUE(resumed.ReadUntil("event: artifact\n", &again));
  EXPECT_THAT(Event(again, "run"), HasSubstr(run));
  EXPECT_EQ(Event(again, "reset"), "");
}

TEST_F(StreamsTest, UnknownTokensGetAReset) {
  for (const std::string token_text : {"other.1", "nonsense", "999999"}) {
    TestClient client(server->port());
    client.Send(Text("GET", "/api/v1/events?after=" + token_text));
    ASSERT_EQ(client.ReadHead().status, 200);
    std::string text;
    EXPECT_TRUE(client.ReadUntil("event: reset\n", &text)) << token_text;
  }
  TestClient client(server->port());
  client.Send(Text("GET", "/api/v1/events?after=" + store->epoch() + ".999999"));
  client.ReadHead();
  std::string text;
  EXPECT_TRUE(client.ReadUntil("event: reset\n", &text));
}

TEST_F(StreamsTest, EventsOfOneRunOnlyAndComments) {
  options.event_keep_alive = std::chrono::milliseconds(30);
  Reopen();
  const std::string run = Track();
  TestClient client(server->port());
  client.Send(Text("GET", "/api/v1/events?run_id=" + run));
  ASSERT_EQ(client.ReadHead().status, 200);
  std::string text;
  ASSERT_TRUE(client.ReadUntil("\n: ", &text));
  const std::string other = Track();
  Post("/api/v1/runs/" + run + "/status", R"({"status": "Completed"})");
  ASSERT_TRUE(client.ReadUntil("event: run\n", &text));
  EXPECT_THAT(Event(text, "run"), HasSubstr("Completed"));
  EXPECT_THAT(text, testing::Not(HasSubstr(other)));
  EXPECT_EQ(Get("/api/v1/events?run_id=none").status, 404);
}

TEST_F(StreamsTest, HealthAndPrometheus) {
  Submit();
  const std::string text = Get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("roost_runs{state=\"Queued\"}"));
  EXPECT_THAT(text, HasSubstr("roost_http_requests_total{method=\"POST\",route=\"/api/v1/runs\","
                              "status=\"201\"} 1"));
  EXPECT_THAT(text, HasSubstr("roost_http_request_seconds_count"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
  EXPECT_EQ(Get("/healthz").Json()["version"], options.version);
  EXPECT_THAT(Get("/").body, HasSubstr("<html"));
}

TEST_F(StreamsTest, GcAndBackupAnswer) {
  EXPECT_EQ(Post("/api/v1/admin/gc", R"({"dry_run": true})").status, 200);
  EXPECT_EQ(Post("/api/v1/admin/gc", R"({"grace_seconds": -1})").status, 400);
  const std::string folder = (folder_.path() / "copy").string();
  const Answer backup = Post("/api/v1/admin/backup", R"({"folder": ")" + folder + "\"}");
  EXPECT_EQ(backup.status, 200) << backup.body;
  EXPECT_TRUE(fs::exists(folder));
  EXPECT_EQ(Post("/api/v1/admin/backup", R"({"folder": "relative"})").status, 400);
}

}  // namespace
}  // namespace roost::api
