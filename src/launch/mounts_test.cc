#include "launch/mounts.h"

#include "launch/launch_fixture.h"

namespace roost::launch {
namespace {

class MountsTest : public LaunchFixture {
 protected:
  void SetUp() override {
    if (!CanMount("/tmp")) GTEST_SKIP() << "this user may not mount";
  }
};

TEST_F(MountsTest, AProgramSeesAFolderReadOnlyAndNobodyElseDoes) {
  ASSERT_TRUE(MakeFolders(Path("source/sub")));
  ASSERT_TRUE(WriteFileAtomic(Path("source/sub/file"), "content"));
  ASSERT_TRUE(MakeFolders(Path("target")));
  spec::LaunchRequest request = Script("one",
                                       "cat target/sub/file; echo more >> target/sub/file; "
                                       "touch target/new; chmod 777 target/sub/file");
  request.mounts = {{Path("source"), Path("target")}};
  RunToEnd(request);
  const std::string log = ReadFile(Path("one.log")).value_or("");
  EXPECT_NE(log.find("content"), std::string::npos) << log;
  EXPECT_NE(log.find("Read-only file system"), std::string::npos) << log;
  EXPECT_EQ(*ReadFile(Path("source/sub/file")), "content");
  EXPECT_TRUE(fs::is_empty(Path("target")));
}

TEST_F(MountsTest, AMountThatFailsIsNamed) {
  ASSERT_TRUE(MakeFolders(Path("source")));
  spec::LaunchRequest request = Script("two", "true");
  request.mounts = {{Path("source"), Path("nowhere")}};
  const spec::ExitRecord record = RunToEnd(request);
  EXPECT_EQ(record.cause, spec::EndCause::kStartFailed);
  EXPECT_NE(record.message.find(Path("nowhere")), std::string::npos) << record.message;
}

}  // namespace
}  // namespace roost::launch
