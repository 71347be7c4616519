#include "cli/sdk_copy.h"

#include <gtest/gtest.h>

namespace roost::cli {
namespace {

class CopySdkTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& content) {
    const fs::path file = folder_.path() / "sdk" / path;
    ASSERT_TRUE(MakeFolders(file.parent_path()));
    ASSERT_TRUE(WriteFileAtomic(file, content));
  }
  fs::path Copy() {
    const auto copy = CopySdk(folder_.path() / "sdk", folder_.path() / "data");
    EXPECT_TRUE(copy) << copy.error().message;
    return copy.value_or(fs::path());
  }
  TempFolder folder_;
};

TEST_F(CopySdkTest, KeepsWhatARunImportsThroughAnUpgrade) {
  Write("azureml/core/run.py", "one");
  Write("roost/client.py", "client");
  Write("README.md", "not a package");
  const fs::path first = Copy();
  EXPECT_EQ(Copy(), first);

  Write("azureml/core/run.py", "two");
  const fs::path second = Copy();
  EXPECT_NE(second, first);
  EXPECT_EQ(ReadFile(first / "azureml/core/run.py").value(), "one");
  EXPECT_EQ(ReadFile(second / "azureml/core/run.py").value(), "two");
  EXPECT_EQ(ReadFile(second / "roost/client.py").value(), "client");
  EXPECT_FALSE(fs::exists(second / "README.md"));
}

TEST_F(CopySdkTest, ADamagedCopyIsMadeAgain) {
  Write("azureml/core/run.py", "one");
  Write("roost/client.py", "client");
  const fs::path copy = Copy();
  ASSERT_TRUE(WriteFileAtomic(copy / "azureml/core/run.py", ""));
  fs::remove(copy / "roost/client.py");
  EXPECT_EQ(Copy(), copy);
  EXPECT_EQ(ReadFile(copy / "azureml/core/run.py").value(), "one");
  EXPECT_EQ(ReadFile(copy / "roost/client.py").value(), "client");
}

TEST_F(CopySdkTest, NamesAFolderWithoutThePackages) {
  const auto copy = CopySdk(folder_.path() / "nothing", folder_.path() / "data");
  ASSERT_FALSE(copy);
  EXPECT_NE(copy.error().message.find("nothing"), std::string::npos);
}

}  // namespace
}  // namespace roost::cli
