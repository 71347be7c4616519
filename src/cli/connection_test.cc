#include "cli/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/data_folder.h"

namespace roost::cli {
namespace {

using testing::HasSubstr;
using Environment = std::map<std::string, std::string>;

class ConnectionTest : public testing::Test {
 protected:
  // A data folder as a server leaves it.
  void Serve() {
    ASSERT_TRUE(MakeFolders(data()));
    ASSERT_TRUE(WriteServerFile(data(), {"http://127.0.0.1:7171", "127.0.0.1", 7171, 1, "0"}));
    token_ = ReadOrMakeToken(data()).value_or("");
  }
  fs::path data() const { return home_.path() / "share/roost"; }
  Environment Home() const { return {{"XDG_DATA_HOME", (home_.path() / "share").string()}}; }
  std::string Find(const ConnectionOptions& options, Environment environment) {
    environment.merge(Home());
    const auto found = FindServer(options, environment);
    return found ? found->url + " " + found->token : "error: " + found.error().message;
  }

  TempFolder home_;
  std::string token_;
};

TEST_F(ConnectionTest, OptionsThenEnvironmentThenTheLocalServer) {
  Serve();
  const Environment set = {{"ROOST_URL", "http://e:1"}, {"ROOST_TOKEN", "et"}};
  EXPECT_EQ(Find({}, {}), "http://127.0.0.1:7171 " + token_);
  EXPECT_EQ(Find({}, set), "http://e:1 et");
  EXPECT_EQ(Find({.server = "http://o:2", .token = "ot"}, set), "http://o:2 ot");
  EXPECT_EQ(Find({.server = "http://o:2/?token=lt"}, set), "http://o:2 lt");
  EXPECT_EQ(Find({.data = data()}, set), "http://127.0.0.1:7171 " + token_);
}

TEST_F(ConnectionTest, TheLocalTokenGoesToTheLocalServerOnly) {
  Serve();
  EXPECT_EQ(Find({.server = "http://127.0.0.1:7171"}, {}), "http://127.0.0.1:7171 " + token_);
  EXPECT_EQ(Find({.server = "http://elsewhere:7171"}, {}), "http://elsewhere:7171 ");
}

TEST_F(ConnectionTest, WithoutAServerTheWayOutIsTold) {
  EXPECT_THAT(Find({}, {}), HasSubstr("roost serve"));
}

TEST_F(ConnectionTest, TheTokenIsMadeOnceAndForTheOwnerAlone) {
  Serve();
  EXPECT_EQ(token_.size(), 48U);
  EXPECT_EQ(ReadOrMakeToken(data()).value_or(""), token_);
  struct stat info {};
  ASSERT_EQ(::stat((data() / "token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(ConnectionTest, ADamagedServerFileIsNamed) {
  Serve();
  ASSERT_TRUE(WriteFileAtomic(data() / "server.json", "{\"address\":"));
  EXPECT_THAT(Find({}, {}), HasSubstr("server.json is damaged"));
}

TEST(DataFolderTest, FollowsTheXdgSpecification) {
  EXPECT_EQ(DefaultDataFolder({{"HOME", "/home/a"}}), "/home/a/.local/share/roost");
  EXPECT_EQ(DefaultDataFolder({{"HOME", "/home/a"}, {"XDG_DATA_HOME", "/data"}}), "/data/roost");
  EXPECT_EQ(DefaultDataFolder({{"HOME", "/home/a"}, {"XDG_DATA_HOME", "relative"}}),
            "/home/a/.local/share/roost");
}

}  // namespace
}  // namespace roost::cli
