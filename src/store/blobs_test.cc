#include "store/blobs.h"

#include <sys/stat.h>
#include <utime.h>

#include "store/small_blobs.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BlobsTest : public ::testing::Test {
 protected:
  BlobsTest() { Open(); }
  void Open() { blobs = ROOST_VALUE(Blobs::Open(folder.path() / "blobs")); }

  fs::path FileOf(const Digest& digest) const {
    return folder.path() / "blobs" / digest.Hex().substr(0, 2) / digest.Hex().substr(2);
  }
  std::vector<std::string> Temporary() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "blobs" / "tmp")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // Without the database of small contents.
  std::size_t CountFiles() const {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "blobs")) {
      const bool small = entry.path().filename().string().starts_with("small.db");
      count += entry.is_regular_file() && !small ? 1U : 0U;
    }
    return count;
  }
  static std::string Large(const std::string& content) {
    return content + std::string(SmallBlobs::kLargest, 'x');
  }

  TempFolder folder;
  std::unique_ptr<Blobs> blobs;
};

TEST_F(BlobsTest, ContentComesBackByItsDigest) {
  for (const std::string& content :
       {std::string(), std::string("small"), std::string(3'000'000, 'x') + '\0'}) {
    const BlobInfo info = ROOST_VALUE(blobs->Put(content));
    EXPECT_EQ(info.digest, DigestOf(content));
    EXPECT_EQ(info.size, content.size());
    EXPECT_TRUE(blobs->Has(info.digest));
    EXPECT_EQ(ROOST_VALUE(blobs->Size(info.digest)), content.size());
    EXPECT_EQ(ROOST_VALUE(blobs->Read(info.digest)), content);
    EXPECT_TRUE(fs::exists(FileOf(info.digest)));
  }
  EXPECT_THAT(Temporary(), IsEmpty());
}

TEST_F(BlobsTest, LargeContentIsHashedBesideTheWriting) {
  std::string content;
  for (int i = 0; content.size() < 20'000'000; ++i) content += std::to_string(i);
  // Pieces of sizes that fit no buffer, across the size from which a thread hashes.
  auto writer = ROOST_VALUE(blobs->NewWriter());
  for (std::size_t at = 0; at < content.size(); at += 777'777) {
    ASSERT_TRUE(writer->Write(std::string_view(content).substr(at, 777'777)));
  }
  const Digest expected = DigestOf(content);
  EXPECT_EQ(ROOST_VALUE(writer->Finish(&expected)).digest, expected);
  EXPECT_EQ(ROOST_VALUE(DigestOfFile(FileOf(expected))), expected);

  auto dropped = ROOST_VALUE(blobs->NewWriter());
  ASSERT_TRUE(dropped->Write(content));
  ASSERT_TRUE(dropped->Write(content));
  dropped.reset();  // with pieces still being hashed
  EXPECT_THAT(Temporary(), IsEmpty());
}

TEST_F(BlobsTest, TheSameContentIsKeptOnce) {
  const BlobInfo first = ROOST_VALUE(blobs->Put("same"));
  struct stat before {};
  ASSERT_EQ(stat(FileOf(first.digest).c_str(), &before), 0);
  EXPECT_EQ(ROOST_VALUE(blobs->Put("same")).digest, first.digest);
  auto batch = blobs->NewBatch();
  EXPECT_OK(batch->Add(first.digest, "same"));
  EXPECT_OK(batch->Commit());
  struct stat after {};
  ASSERT_EQ(stat(FileOf(first.digest).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(after.st_nlink, 1U);
  EXPECT_EQ(after.st_mode & 0777U, 0444U);
  EXPECT_EQ(CountFiles(), 1U);
}

TEST_F(BlobsTest, AnotherContentThanAnnouncedIsRefusedAndLeavesNothing) {
  const Digest announced = DigestOf("one");
  auto writer = ROOST_VALUE(blobs->NewWriter());
  ASSERT_TRUE(writer->Write("two"));
  EXPECT_ERROR(writer->Finish(&announced), ErrorCode::kInvalidArgument, announced.ToText());
  writer.reset();
  auto batch = blobs->NewBatch();
  EXPECT_ERROR(batch->Add(announced, "two"), ErrorCode::kInvalidArgument, announced.ToText());
  EXPECT_OK(batch->Add(announced, "one"));  // the batch goes on
  EXPECT_OK(batch->Commit());
  batch.reset();
  EXPECT_TRUE(blobs->Has(announced));
  EXPECT_FALSE(blobs->Has(DigestOf("two")));
  EXPECT_EQ(CountFiles(), 0U);
}

TEST_F(BlobsTest, ABatchIsThereAfterItsCommitAndNotBefore) {
  std::vector<Digest> digests;
  auto batch = blobs->NewBatch();
  for (int i = 0; i < 500; ++i) {
    // A hundred of them twice; every tenth a file of its own.
    const std::string small = "file " + std::to_string(i % 400);
    const std::string content = i % 10 == 0 ? Large(small) : small;
    digests.push_back(DigestOf(content));
    ASSERT_TRUE(batch->Add(digests.back(), content));
  }
  EXPECT_EQ(blobs->Missing(digests).size(), 500U);
  EXPECT_OK(batch->Commit());
  batch.reset();
  EXPECT_THAT(blobs->Missing(digests), IsEmpty());
  EXPECT_EQ(CountFiles(), 40U);
  blobs.reset();
  Open();
  for (const Digest& digest : digests) {
    const std::string content = ROOST_VALUE(blobs->Read(digest));
    EXPECT_EQ(DigestOf(content), digest);
    EXPECT_EQ(ROOST_VALUE(blobs->Size(digest)), content.size());
    const Fd opened = ROOST_VALUE(blobs->OpenToRead(digest));
    std::string piece(content.size() + 1, '\0');
    EXPECT_EQ(read(opened.get(), piece.data(), piece.size()), static_cast<ssize_t>(content.size()));
  }

  auto dropped = blobs->NewBatch();
  ASSERT_TRUE(dropped->Add(DigestOf("dropped"), "dropped"));
  dropped.reset();
  EXPECT_FALSE(blobs->Has(DigestOf("dropped")));
  EXPECT_THAT(Temporary(), IsEmpty());
}

TEST_F(BlobsTest, HalfWrittenFilesAreGoneAfterARestart) {
  auto writer = ROOST_VALUE(blobs->NewWriter());
  ASSERT_TRUE(writer->Write("half"));
  auto batch = blobs->NewBatch();
  ASSERT_TRUE(batch->Add(DigestOf(Large("half")), Large("half")));
  const BlobInfo kept = ROOST_VALUE(blobs->Put("whole"));
  EXPECT_FALSE(Temporary().empty());
  const auto second = ROOST_VALUE(Blobs::Open(folder.path() / "blobs"));
  EXPECT_THAT(Temporary(), IsEmpty());
  EXPECT_TRUE(second->Has(kept.digest));
}

TEST_F(BlobsTest, ALookMakesABlobYoung) {
  const BlobInfo info = ROOST_VALUE(blobs->Put("old"));
  const utimbuf long_ago{1'000'000'000, 1'000'000'000};
  const auto age = [&] {
    struct stat now {};
    EXPECT_EQ(stat(FileOf(info.digest).c_str(), &now), 0);
    return now.st_mtim.tv_sec;
  };
  for (const auto& look : std::vector<std::function<void()>>{
           [&] { EXPECT_TRUE(blobs->Has(info.digest)); },
           [&] { EXPECT_THAT(blobs->Missing({info.digest}), IsEmpty()); },
           [&] { EXPECT_OK(blobs->Put("old")); },
       }) {
    ASSERT_EQ(utime(FileOf(info.digest).c_str(), &long_ago), 0);
    look();
    EXPECT_GT(age(), 1'700'000'000);
  }
}

TEST_F(BlobsTest, ALookMakesASmallBlobYoung) {
  const Digest digest = DigestOf("old");
  const auto put = [&] {
    auto batch = blobs->NewBatch();
    EXPECT_OK(batch->Add(digest, "old"));
    EXPECT_OK(batch->Commit());
  };
  put();
  const auto seen_at = [&](const std::string& change) {
    const auto db = ROOST_VALUE(Connection::Open(folder.path() / "blobs" / SmallBlobs::kFileName,
                                                 Connection::Mode::kReadWrite));
    if (!change.empty()) {
      EXPECT_OK(db->Execute(change));
    }
    auto query = ROOST_VALUE(db->PrepareOnce("SELECT seen_at FROM small_blobs"));
    EXPECT_TRUE(ROOST_VALUE(query.Step()));
    return query.Int(0);
  };
  for (const auto& look : std::vector<std::function<void()>>{
           [&] { EXPECT_TRUE(blobs->Has(digest)); },
           [&] { EXPECT_THAT(blobs->Missing({digest}), IsEmpty()); },
           put,
       }) {
    ASSERT_EQ(seen_at("UPDATE small_blobs SET seen_at = 1000000000"), 1'000'000'000);
    look();
    EXPECT_GT(seen_at(""), 1'700'000'000);
  }
}

TEST_F(BlobsTest, SmallBlobsOfANewerProgramAreLeftAlone) {
  blobs.reset();
  {
    const auto db = ROOST_VALUE(Connection::Open(folder.path() / "blobs" / SmallBlobs::kFileName,
                                                 Connection::Mode::kReadWrite));
    EXPECT_OK(db->Execute("PRAGMA user_version=2"));
  }
  EXPECT_ERROR(Blobs::Open(folder.path() / "blobs"), ErrorCode::kConflict, "newer version");
}

TEST_F(BlobsTest, CopiesAreFilesOfTheirOwn) {
  const Digest file = ROOST_VALUE(blobs->Put("content")).digest;
  const Digest row = DigestOf("small content");
  auto batch = blobs->NewBatch();
  EXPECT_OK(batch->Add(row, "small content"));
  EXPECT_OK(batch->Commit());
  const fs::path copy = folder.path() / "copy";
  for (const Digest& digest : {file, row}) {
    EXPECT_OK(blobs->CopyTo(digest, copy, true));
    struct stat copied {};
    ASSERT_EQ(stat(copy.c_str(), &copied), 0);
    EXPECT_EQ(copied.st_mode & 0777U, 0755U);
    ASSERT_TRUE(WriteFileAtomic(copy, "changed"));
    EXPECT_EQ(DigestOf(ROOST_VALUE(blobs->Read(digest))), digest);
    EXPECT_OK(blobs->CopyTo(digest, copy, false));
    ASSERT_EQ(stat(copy.c_str(), &copied), 0);
    EXPECT_EQ(copied.st_mode & 0777U, 0644U);
    EXPECT_EQ(ROOST_VALUE(DigestOfFile(copy)), digest);
  }

  ASSERT_TRUE(WriteFileAtomic(folder.path() / "source", std::string(6'000'000, 's')));
  const BlobInfo taken = ROOST_VALUE(blobs->PutFile(folder.path() / "source"));
  EXPECT_EQ(taken.digest, DigestOf(std::string(6'000'000, 's')));
  EXPECT_EQ(taken.size, 6'000'000U);
}

TEST_F(BlobsTest, ErrorsNameTheContentOrTheFile) {
  const Digest unknown = DigestOf("unknown");
  EXPECT_ERROR(blobs->Size(unknown), ErrorCode::kNotFound, unknown.ToText());
  EXPECT_ERROR(blobs->Read(unknown), ErrorCode::kNotFound, unknown.ToText());
  EXPECT_ERROR(blobs->CopyTo(unknown, folder.path() / "x", false), ErrorCode::kNotFound,
               unknown.ToText());
  EXPECT_ERROR(blobs->PutFile(folder.path() / "nothing"), ErrorCode::kNotFound, "nothing");
  EXPECT_ERROR(blobs->PutFile(folder.path()), ErrorCode::kInvalidArgument, "not a regular file");
  EXPECT_ERROR(blobs->Read(ROOST_VALUE(blobs->Put("too long")).digest, 3), ErrorCode::kTooLarge,
               "");
  EXPECT_THAT(blobs->Missing({unknown, DigestOf("too long")}), ElementsAre(unknown));
}

TEST_F(BlobsTest, ALargeContentComesOverSeveralConnectionsAndRestarts) {
  const std::string content = std::string(5'000'000, 'a') + std::string(3'000'000, 'b');
  const Digest digest = DigestOf(content);
  EXPECT_EQ(blobs->Received(digest), 0U);
  auto writer = ROOST_VALUE(blobs->Continue(digest, 0));
  ASSERT_TRUE(writer->Write(content.substr(0, 5'000'001)));
  EXPECT_EQ(blobs->Continue(digest, 0).error().code, ErrorCode::kUnavailable);  // it has a writer
  writer.reset();
  EXPECT_EQ(blobs->Received(digest), 5'000'001U);
  EXPECT_FALSE(blobs->Has(digest));
  blobs.reset();
  Open();
  EXPECT_EQ(blobs->Received(digest), 5'000'001U);
  EXPECT_EQ(blobs->Continue(digest, 7).error().code, ErrorCode::kConflict);
  writer = ROOST_VALUE(blobs->Continue(digest, 5'000'001));
  ASSERT_TRUE(writer->Write(content.substr(5'000'001)));
  const BlobInfo info = ROOST_VALUE(writer->Finish());
  EXPECT_EQ(info.digest, digest);
  EXPECT_EQ(info.size, content.size());
  writer.reset();
  EXPECT_EQ(ROOST_VALUE(blobs->Read(digest)), content);
  EXPECT_EQ(blobs->Received(digest), content.size());
  struct stat kept {};
  ASSERT_EQ(stat(FileOf(digest).c_str(), &kept), 0);
  EXPECT_EQ(kept.st_mode & 0777U, 0444U);
  EXPECT_TRUE(fs::is_empty(folder.path() / "blobs" / "parts"));
}

TEST_F(BlobsTest, APartOfAnotherContentIsFoundOutAndBegunAnew) {
  const std::string content(2'000'000, 'a');
  const Digest digest = DigestOf(content);
  auto writer = ROOST_VALUE(blobs->Continue(digest, 0));
  ASSERT_TRUE(writer->Write("wrong"));
  writer = nullptr;
  writer = ROOST_VALUE(blobs->Continue(digest, 5));
  ASSERT_TRUE(writer->Write(content.substr(5)));
  EXPECT_EQ(writer->Finish().error().code, ErrorCode::kInvalidArgument);
  writer = nullptr;
  EXPECT_EQ(blobs->Received(digest), 0U);
  writer = ROOST_VALUE(blobs->Continue(digest, 0));
  ASSERT_TRUE(writer->Write("too long, and begun anew"));
  writer = nullptr;
  writer = ROOST_VALUE(blobs->Continue(digest, 0));
  ASSERT_TRUE(writer->Write(content));
  EXPECT_TRUE(writer->Finish());
}

}  // namespace
}  // namespace roost::store
