#include "trainer/models/pretrained.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "trainer/models/model_options.h"
#include "trainer/models/sha256.h"

namespace roost::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kContent = "weights\n";
// Of kContent, by coreutils' sha256sum.
constexpr const char* kChecksum = "1b465fa6";

// Answers one request after the other with the given texts, on a port of its own; the last one
// again and again.
class Server {
 public:
  explicit Server(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~Server() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/models"; }
  int requests() const { return requests_; }
  std::string first_line() const { return first_line_; }  // after a request was answered

  static std::string Answer(const std::string& status, const std::string& body,
                            const std::string& more = "") {
    return "HTTP/1.1 " + status +
           "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           more + "\r\n" + body;
  }

 private:
  void Run() {
    for (;;) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      std::string request;
      char piece[1024];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(client, piece, sizeof piece, 0);
        if (got <= 0) break;
        request.append(piece, static_cast<std::size_t>(got));
      }
      first_line_ = request.substr(0, request.find("\r\n"));
      const std::size_t index =
          std::min<std::size_t>(static_cast<std::size_t>(requests_), answers_.size() - 1);
      const std::string& answer = answers_[index];
      ++requests_;
      (void)send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(client);
      if (stopping_) return;
    }
  }

  std::vector<std::string> answers_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> requests_ = 0;
  std::string first_line_;
  std::thread thread_;
};

class PretrainedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // The machine's proxy must not stand between the test and its server.
    setenv("no_proxy", "127.0.0.1", 1);
  }
  WeightSource SourceOf(const Server& server) const {
    WeightSource source{.folder = folder.path() / "weights", .base_url = server.Url()};
    source.download.pause = std::chrono::milliseconds(1);
    return source;
  }
  void Put(const std::string& name, const std::string& content) const {
    ASSERT_TRUE(MakeFolders(folder.path() / "weights"));
    std::ofstream(folder.path() / "weights" / name) << content;
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path() / "weights")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const std::vector<WeightFile> files = {{std::string("net-") + kChecksum + ".pth"},
                                         {"net-00000000.pth"}};
  TempFolder folder;
};

class DownloadTest : public PretrainedTest {
 protected:
  void SetUp() override {
    PretrainedTest::SetUp();
    if (!CanDownload()) GTEST_SKIP() << "built without libcurl";
  }
};

TEST(PretrainedTable, EveryModelHasAFile) {
  for (const ModelFamily family : {ModelFamily::kResNet, ModelFamily::kDenseNet}) {
    for (const std::string& model : ModelNames(family)) {
      const auto known = KnownWeightFiles(model);
      ASSERT_FALSE(known.empty()) << model;
      for (const WeightFile& file : known) {
        EXPECT_THAT(file.name, StartsWith(model + "-"));
        EXPECT_EQ(file.Sha256Prefix().size(), 8U) << file.name;
      }
    }
  }
  EXPECT_EQ(KnownWeightFiles("resnet18").front().name, "resnet18-f37072fd.pth");
  EXPECT_THAT(KnownWeightFiles("vgg16"), IsEmpty());
  EXPECT_FALSE(FindPretrainedWeights("vgg16", {}));
}

TEST(PretrainedTable, TheFolderIsChosenInOrder) {
  const std::map<std::string, std::string> all = {
      {"ROOST_WEIGHTS", "/w"}, {"TORCH_HOME", "/t"}, {"HOME", "/h"}};
  EXPECT_EQ(WeightFolder(fs::path("/mine"), all).value(), "/mine");
  EXPECT_EQ(WeightFolder({}, all).value(), "/w");
  EXPECT_EQ(WeightFolder({}, {{"TORCH_HOME", "/t"}, {"HOME", "/h"}}).value(), "/t/hub/checkpoints");
  EXPECT_EQ(WeightFolder({}, {{"HOME", "/h"}}).value(), "/h/.cache/torch/hub/checkpoints");
  EXPECT_THAT(WeightFolder({}, {}).error().message, HasSubstr("ROOST_WEIGHTS"));
}

TEST_F(PretrainedTest, AFileInTheFolderIsTakenWithoutANetwork) {
  Server server({Server::Answer("500 No", "")});
  Put(files[0].name, kContent);
  EXPECT_EQ(FindWeights("net", files, SourceOf(server)).value(),
            folder.path() / "weights" / files[0].name);
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(PretrainedTest, ADamagedFileInTheFolderIsNamed) {
  Server server({Server::Answer("200 OK", kContent)});
  Put(files[0].name, "other");
  const auto found = FindWeights("net", files, SourceOf(server));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(found.error().message,
              AllOf(HasSubstr(files[0].name), HasSubstr("does not begin with")));
}

TEST_F(PretrainedTest, OfflineNamesFileFolderAndAddress) {
  WeightSource source{.folder = folder.path() / "weights", .offline = true};
  const auto found = FindPretrainedWeights("densenet169", source);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message,
              AllOf(HasSubstr("densenet169-b2777c0a.pth"), HasSubstr(source.folder.string()),
                    HasSubstr("https://download.pytorch.org/models/densenet169-b2777c0a.pth")));
}

TEST_F(PretrainedTest, BuiltWithoutLibcurlItSaysSo) {
  if (CanDownload()) GTEST_SKIP() << "built with libcurl";
  Server server({Server::Answer("200 OK", kContent)});
  const auto found = FindWeights("net", files, SourceOf(server));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message,
              AllOf(HasSubstr("built without libcurl"), HasSubstr(files[0].name)));
}

TEST_F(DownloadTest, ItIsDownloadedCheckedAndNamed) {
  Server server({Server::Answer("200 OK", kContent)});
  WeightSource source = SourceOf(server);
  std::uint64_t seen = 0;
  source.download.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, std::string(kContent).size());
    seen = done;
  };
  const auto found = FindWeights("net", files, source);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(ReadFile(*found).value(), kContent);
  EXPECT_EQ(seen, std::string(kContent).size());
  EXPECT_THAT(server.first_line(), HasSubstr("GET /models/" + files[0].name));
  EXPECT_THAT(Files(), ::testing::ElementsAre(files[0].name));
}

TEST_F(DownloadTest, WhatMayPassIsTriedAgain) {
  std::string cut = Server::Answer("200 OK", kContent);
  cut.resize(cut.size() - 3);
  Server server({Server::Answer("503 Busy", "later"), cut, Server::Answer("200 OK", "damaged"),
                 Server::Answer("200 OK", kContent)});
  const auto found = FindWeights("net", files, SourceOf(server));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(server.requests(), 4);
  EXPECT_EQ(ReadFile(*found).value(), kContent);
}

TEST_F(DownloadTest, AfterThreeMoreTriesItGivesUpAndLeavesNothing) {
  Server server({Server::Answer("503 Busy", "later")});
  const auto found = FindWeights("net", files, SourceOf(server));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(found.error().message, AllOf(StartsWith("Failed to download \"" + server.Url() + "/" +
                                                      files[0].name + "\" due to internet error"),
                                           HasSubstr("answered 503 (4 tries)"),
                                           HasSubstr("weights"), HasSubstr("ROOST_WEIGHTS")));
  EXPECT_EQ(server.requests(), 4);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(DownloadTest, WhatWillNotPassIsNotTriedAgain) {
  Server missing({Server::Answer("404 Not Found", "no")});
  EXPECT_THAT(FindWeights("net", files, SourceOf(missing)).error().message,
              HasSubstr("answered 404 (1 try)"));
  EXPECT_EQ(missing.requests(), 1);

  Server large({Server::Answer("200 OK", std::string(5000, 'x'))});
  WeightSource source = SourceOf(large);
  source.download.limit_bytes = 4999;
  EXPECT_THAT(FindWeights("net", files, source).error().message, HasSubstr("more than 4999 bytes"));

  source.base_url = "file:///etc";
  EXPECT_THAT(FindWeights("net", files, source).error().message, HasSubstr("(1 try)"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(DownloadTest, AFolderThatCannotBeMadeIsNamed) {
  Server server({Server::Answer("200 OK", kContent)});
  WeightSource source = SourceOf(server);
  std::ofstream(folder.path() / "file") << "x";
  source.folder = folder.path() / "file" / "weights";
  EXPECT_THAT(FindWeights("net", files, source).error().message, HasSubstr("file"));
  EXPECT_EQ(server.requests(), 0);
}

}  // namespace
}  // namespace roost::trainer
