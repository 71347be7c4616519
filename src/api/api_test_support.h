#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "api/server.h"
#include "base/digest.h"
#include "base/files.h"
#include "engine/engine.h"
#include "launch/fake_launcher.h"
#include "spec/run_layout.h"
#include "store/runs.h"
#include "store/store.h"
#include "store/tokens.h"

namespace roost::api {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  bool whole = false;  // the body came to its end

  nlohmann::json Json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string ErrorCode() const {
    const auto json = Json();
    return json.is_object() && json.contains("error") ? json["error"].value("code", "") : "";
  }
};

// A socket that speaks HTTP by hand, so that a test can also speak it badly.
class TestClient {
 public:
  explicit TestClient(std::uint16_t port) {
    socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // False: the peer closed, or nothing came for so long that the test has failed.
  bool Receive() {
    pollfd entry{socket_.get(), POLLIN, 0};
    if (::poll(&entry, 1, 100'000) <= 0) return false;
    char bytes[65536];
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  bool IsClosedByPeer() {
    while (Receive()) {
    }
    pollfd entry{socket_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

  Answer ReadHead() {
    Answer answer;
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive()) return answer;
    }
    std::istringstream lines(buffer_.substr(0, end));
    buffer_.erase(0, end + 4);
    std::string line;
    std::getline(lines, line);
    answer.status = std::atoi(line.substr(9, 3).c_str());
    while (std::getline(lines, line)) {
      if (line.ends_with('\r')) line.pop_back();
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      answer.headers[name] = line.substr(colon + 2);
    }
    return answer;
  }

  Answer Read(bool with_body = true) {
    Answer answer = ReadHead();
    if (!with_body || answer.status == 0 || answer.status == 304 || answer.status == 204 ||
        answer.status == 100) {
      answer.whole = answer.status != 0;
      return answer;
    }
    if (answer.headers["transfer-encoding"] == "chunked") {
      std::string piece;
      while (ReadChunk(&piece)) {
        if (piece.empty()) {
          answer.whole = true;
          break;
        }
        answer.body += piece;
      }
      return answer;
    }
    const std::size_t length = std::stoull("0" + answer.headers["content-length"]);
    while (buffer_.size() < length) {
      if (!Receive()) break;
    }
    answer.whole = buffer_.size() >= length;
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
  }

  bool ReadChunk(std::string* to) {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!Receive()) return false;
    }
    const std::size_t size = std::stoull("0x" + buffer_.substr(0, end), nullptr, 16);
    while (buffer_.size() < end + 2 + size + 2) {
      if (!Receive()) return false;
    }
    *to = buffer_.substr(end + 2, size);
    buffer_.erase(0, end + 2 + size + 2);
    return true;
  }

  // Of a chunked text stream: goes on until what came (all of it) holds `text`.
  bool ReadUntil(std::string_view text, std::string* all) {
    std::string piece;
    while (all->find(text) == std::string::npos) {
      if (!ReadChunk(&piece) || piece.empty()) return false;
      *all += piece;
    }
    return true;
  }

 private:
  Fd socket_;
  bool connected_ = false;
  std::string buffer_;
};

// A server over a temporary store, with a launcher that tests step. One user token.
class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { Close(); }

  void Open() {
    auto opened = store::Store::Open({.data_folder = folder_.path() / "data"});
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    engine::EngineOptions engine_options;
    engine_options.server_url = "http://127.0.0.1:1";
    engine_options.environments.python = "/bin/sh";
    engine_options.min_free_bytes = 0;
    engine_options.machine.cpus = 4;
    engine_options.machine.memory_mb = 4096;
    engine = std::make_unique<engine::Engine>(
        *store, engine_options, [this](EventLoop& loop, launch::LaunchListener listener) {
          engine_loop = &loop;
          auto made = std::make_unique<launch::FakeLauncher>(std::move(listener));
          fake = made.get();
          return made;
        });
    ASSERT_TRUE(engine->Start());
    if (token.empty()) {
      auto made = store->tokens().Create("tester");
      ASSERT_TRUE(made) << made.error().message;
      token = *made;
    }
    auto started = Server::Start(options, *store, *engine);
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  void Close() {
    if (server) server->Stop();
    server.reset();
    if (engine) engine->Stop();
    engine.reset();
    store.reset();
  }
  void Reopen() {
    Close();
    Open();
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  std::string Text(const std::string& method, const std::string& path, const std::string& body = "",
                   const Headers& headers = {}) const {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    bool has_token = false;
    for (const auto& [name, value] : headers) {
      has_token = has_token || name == "Authorization";
      if (!value.empty()) text += name + ": " + value + "\r\n";
    }
    if (!has_token) text += "Authorization: Bearer " + token + "\r\n";
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + body;
  }
  Answer Call(const std::string& method, const std::string& path, const std::string& body = "",
              const Headers& headers = {}) {
    TestClient client(server->port());
    client.Send(Text(method, path, body, headers));
    return client.Read(method != "HEAD");
  }
  Answer Get(const std::string& path, const Headers& headers = {}) {
    return Call("GET", path, "", headers);
  }
  Answer Post(const std::string& path, const std::string& body, const Headers& headers = {}) {
    return Call("POST", path, body, headers);
  }

  // Submits a command and gives the run's id.
  std::string Submit(const std::string& extra = "") {
    const Answer answer = Post("/api/v1/runs", R"({"command": "true")" + extra + "}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.Json().value("run_id", "");
  }
  std::string Track(const std::string& extra = "") {
    const Answer answer =
        Post("/api/v1/runs/tracked", R"({"experiment": "notebook")" + extra + "}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.Json().value("run_id", "");
  }
  // Looks again until `done` holds; a hundred seconds at most.
  template <class Done>
  bool Eventually(const Done& done) {
    for (int i = 0; i < 10'000; ++i) {
      if (done()) return true;
      ::usleep(10'000);
    }
    return false;
  }
  // Waits until the run was launched, begins it, and gives the launch's id.
  std::string Begin(const std::string& run_id) {
    std::string launch;
    EXPECT_TRUE(Eventually([&] {
      auto done = OnEngine([&] {
        for (const auto& request : fake->started) {
          const auto found = request.environment.find("ROOST_RUN_ID");
          if (found != request.environment.end() && found->second == run_id) {
            launch = request.launch_id;
          }
        }
      });
      done.get();
      return !launch.empty();
    }));
    OnEngine([&] { fake->Begin(launch); }).get();
    return launch;
  }
  void End(const std::string& launch, int code) {
    OnEngine([&] { fake->End(launch, code); }).get();
  }
  template <class Work>
  std::future<void> OnEngine(const Work& work) {
    auto promise = std::make_shared<std::promise<void>>();
    auto future = promise->get_future();
    engine_loop->Post([promise, work] {
      work();
      promise->set_value();
    });
    return future;
  }
  std::string Status(const std::string& run_id) {
    return Get("/api/v1/runs/" + run_id).Json().value("status", "");
  }
  fs::path LogFile(const std::string& run_id) const {
    const spec::RunLayout layout(store->data_folder(), RunId(run_id), 1);
    return layout.attempt_folder() / spec::kDriverLog;
  }
  static void AppendTo(const fs::path& file, std::string_view text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::app | std::ios::binary) << text;
  }

  ServerOptions options;
  std::string token;
  TempFolder folder_;
  std::unique_ptr<store::Store> store;
  EventLoop* engine_loop = nullptr;
  launch::FakeLauncher* fake = nullptr;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<Server> server;
};

}  // namespace roost::api
