// HTTP itself: connections, limits, malformed requests, slow clients.
#include <zlib.h>

#include <future>

#include "api/api_test_support.h"

namespace roost::api {
namespace {

class HttpServerTest : public ApiTest {};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  TestClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Text("GET", "/healthz")));
    const Answer answer = client.Read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.Json()["status"], "ok");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  TestClient client(server->port());
  ASSERT_TRUE(client.Send(Text("GET", "/api/v1/nothing") + Text("GET", "/healthz") +
                          Text("GET", "/api/v1/server")));
  EXPECT_EQ(client.Read().status, 404);
  EXPECT_EQ(client.Read().Json()["status"], "ok");
  EXPECT_EQ(client.Read().Json()["user"], "tester");
}

TEST_F(HttpServerTest, MalformedRequestsAreRefusedAsJson) {
  const std::vector<std::string> cases = {
      "NONSENSE\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n",
      "GET /healthz?x=%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
      "GET /api/v1/runs/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
      "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
      "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n"
      "Transfer-Encoding: chunked\r\n\r\n",
      "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n",
  };
  for (const std::string& text : cases) {
    TestClient client(server->port());
    ASSERT_TRUE(client.Send(text));
    const Answer answer = client.Read();
    EXPECT_EQ(answer.status, 400) << text;
    EXPECT_EQ(answer.ErrorCode(), "invalid_argument") << text << answer.body;
  }
}

TEST_F(HttpServerTest, AHeadThatIsTooLongIsRefused) {
  TestClient client(server->port());
  client.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + std::string(70'000, 'x') +
              "\r\n\r\n");
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.ErrorCode(), "too_large");
}

TEST_F(HttpServerTest, ABodyThatIsTooLongIsRefusedBeforeItIsRead) {
  TestClient client(server->port());
  client.Send("POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token +
              "\r\nContent-Length: 100000000\r\n\r\n{");
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.ErrorCode(), "too_large");
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST_F(HttpServerTest, AChunkedBodyIsCountedWhileItComes) {
  options.http.max_body = 1000;
  Reopen();
  TestClient client(server->port());
  std::string text = "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " +
                     token + "\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) text += "64\r\n" + std::string(100, ' ') + "\r\n";
  client.Send(text);
  EXPECT_EQ(client.Read().status, 413);
}

TEST_F(HttpServerTest, ChunkedBodiesAreRead) {
  TestClient client(server->port());
  client.Send(
      "POST /api/v1/experiments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token +
      "\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"name\"\r\n8\r\n: \"abc\"}\r\n0\r\n\r\n");
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.Json()["name"], "abc");
}

TEST_F(HttpServerTest, ExpectsAreAnswered) {
  TestClient client(server->port());
  client.Send("POST /api/v1/experiments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " +
              token + "\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  client.Send(R"({"name": "abc"})");
  EXPECT_EQ(client.Read().status, 201);
}

TEST_F(HttpServerTest, ARefusedExpectNeedsNoBody) {
  TestClient client(server->port());
  client.Send(
      "POST /api/v1/experiments HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Expect: 100-continue\r\nContent-Length: 15\r\n\r\n");
  EXPECT_EQ(client.Read().status, 401);
}

TEST_F(HttpServerTest, TheConnectionLivesOnAfterARefusedSmallBody) {
  TestClient client(server->port());
  client.Send(Text("POST", "/api/v1/nothing", R"({"a": 1})"));
  EXPECT_EQ(client.Read().status, 404);
  client.Send(Text("GET", "/healthz"));
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(HttpServerTest, OldClientsAreServed) {
  TestClient client(server->port());
  client.Send("GET /healthz HTTP/1.0\r\n\r\n");
  const Answer answer = client.Read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(client.IsClosedByPeer());
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  TestClient client(server->port());
  client.Send(Text("HEAD", "/healthz"));
  const Answer head = client.Read(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.headers.at("content-length"), "0");
  client.Send(Text("GET", "/healthz"));
  EXPECT_EQ(client.Read().body.size(), std::stoull(head.headers.at("content-length")));
}

TEST_F(HttpServerTest, LongAnswersAreCompressed) {
  const Answer plain = Get("/api/openapi.yaml");
  EXPECT_EQ(plain.headers.count("content-encoding"), 0U);
  const Answer packed = Get("/api/openapi.yaml", {{"Accept-Encoding", "br, gzip;q=0.5"}});
  ASSERT_EQ(packed.headers.at("content-encoding"), "gzip");
  std::string text(plain.body.size() + 1, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.body.data()));
  stream.avail_in = static_cast<uInt>(packed.body.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_EQ(text, plain.body);
  EXPECT_EQ(
      Get("/api/openapi.yaml", {{"Accept-Encoding", "gzip;q=0"}}).headers.count("content-encoding"),
      0U);
}

TEST_F(HttpServerTest, UnknownMethodsAndPathsSaySo) {
  EXPECT_EQ(Get("/nothing").status, 404);
  const Answer answer = Call("DELETE", "/api/v1/server");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.at("allow"), "GET");
  EXPECT_EQ(answer.ErrorCode(), "invalid_argument");
  EXPECT_EQ(Call("OPTIONS", "/api/v1/runs").headers.at("allow"), "GET, POST");
}

TEST_F(HttpServerTest, UnknownQueryParametersAreRefused) {
  const Answer answer = Get("/api/v1/runs?limits=3");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.Json()["error"]["details"][0]["field"], "limits");
}

TEST_F(HttpServerTest, AHeadThatNeverEndsIsCut) {
  options.http.header_timeout = std::chrono::milliseconds(50);
  Reopen();
  TestClient client(server->port());
  client.Send("GET /healthz HTTP/1.1\r\nHost:");
  EXPECT_TRUE(client.IsClosedByPeer());
}

TEST_F(HttpServerTest, ABodyThatStopsIsCut) {
  options.http.body_timeout = std::chrono::milliseconds(50);
  Reopen();
  TestClient client(server->port());
  client.Send("POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token +
              "\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_TRUE(client.IsClosedByPeer());
}

TEST_F(HttpServerTest, AClientThatReadsNothingIsCut) {
  options.http.write_timeout = std::chrono::milliseconds(50);
  Reopen();
  const std::string run = Track();
  ASSERT_EQ(
      Call("PUT", "/api/v1/runs/" + run + "/files/outputs/big", std::string(32 << 20, 'x')).status,
      201);
  TestClient client(server->port());
  client.Send(Text("GET", "/api/v1/runs/" + run + "/files/outputs/big"));
  const Answer head = client.ReadHead();
  ASSERT_EQ(head.status, 200);
  ::usleep(300'000);  // longer than the server waits for room
  std::size_t got = 0;
  while (client.Receive()) got = 1;
  EXPECT_FALSE(client.Read().whole);
  EXPECT_EQ(got, 1U);
}

TEST_F(HttpServerTest, TooManyConnectionsAreClosed) {
  options.http.max_connections = 2;
  Reopen();
  TestClient first(server->port());
  TestClient second(server->port());
  first.Send(Text("GET", "/healthz"));
  second.Send(Text("GET", "/healthz"));
  EXPECT_EQ(first.Read().status, 200);
  EXPECT_EQ(second.Read().status, 200);
  TestClient third(server->port());
  EXPECT_TRUE(third.IsClosedByPeer());
}

TEST_F(HttpServerTest, SeveralIoThreadsServe) {
  options.http.io_threads = 3;
  Reopen();
  std::vector<std::future<int>> answers;
  for (int i = 0; i < 12; ++i) {
    answers.push_back(
        std::async(std::launch::async, [this] { return Get("/api/v1/server").status; }));
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get(), 200);
}

TEST_F(HttpServerTest, StoppingEndsIdleConnectionsAndStreams) {
  TestClient idle(server->port());
  idle.Send(Text("GET", "/healthz"));
  ASSERT_EQ(idle.Read().status, 200);
  TestClient events(server->port());
  events.Send(Text("GET", "/api/v1/events"));
  ASSERT_EQ(events.ReadHead().status, 200);
  std::string text;
  ASSERT_TRUE(events.ReadUntil("id: ", &text));
  server->Stop();
  EXPECT_TRUE(idle.IsClosedByPeer());
  std::string last = "x";
  while (events.ReadChunk(&last) && !last.empty()) {
  }
  EXPECT_EQ(last, "");  // the stream ended in good order
}

TEST_F(HttpServerTest, AnAddressInUseIsNamed) {
  ServerOptions other = options;
  other.http.port = server->port();
  const auto second = Server::Start(other, *store, *engine);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, testing::HasSubstr(std::to_string(server->port())));
}

}  // namespace
}  // namespace roost::api
