#include "store/artifacts.h"

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ArtifactsTest : public StoreFixture {
 protected:
  Artifact File(const std::string& path, const std::string& content) {
    return {path, DigestOf(content), content.size(), 0};
  }
  Status AddAll(const std::vector<Artifact>& artifacts,
                Artifacts::Overwrite overwrite = Artifacts::Overwrite::kRefuse) {
    return store->artifacts().Add(run.key, artifacts, overwrite);
  }
  std::vector<std::string> Paths(const std::string& prefix, const std::string& after = "",
                                 std::size_t limit = 100) {
    std::vector<std::string> paths;
    for (const auto& one : ROOST_VALUE(store->artifacts().List(run.key, prefix, after, limit))) {
      paths.push_back(one.path);
    }
    return paths;
  }

  RunRow run = Add("a");
};

TEST_F(ArtifactsTest, FilesAreListedByPathAndPrefix) {
  EXPECT_OK(AddAll({File("outputs/b", "1"), File("outputs/a", "2"), File("logs/x", "3"),
                    File("outputs2/z", "4")}));
  EXPECT_THAT(Paths(""), ElementsAre("logs/x", "outputs/a", "outputs/b", "outputs2/z"));
  EXPECT_THAT(Paths("outputs/"), ElementsAre("outputs/a", "outputs/b"));
  EXPECT_THAT(Paths("outputs/", "outputs/a"), ElementsAre("outputs/b"));
  EXPECT_THAT(Paths("", "logs/x", 2), ElementsAre("outputs/a", "outputs/b"));
  EXPECT_THAT(Paths("out%"), IsEmpty());
  const Artifact file = ROOST_VALUE(store->artifacts().Get(run.key, "outputs/a"));
  EXPECT_EQ(file.digest, DigestOf("2"));
  EXPECT_EQ(file.created_at, clock.Now());
  EXPECT_ERROR(store->artifacts().Get(run.key, "nothing"), ErrorCode::kNotFound, "'nothing'");
}

TEST_F(ArtifactsTest, AnotherContentIsRefusedOrReplacesAsAsked) {
  EXPECT_OK(AddAll({File("m", "old")}));
  const std::int64_t before = store->events().LastId();
  EXPECT_OK(AddAll({File("m", "old")}));  // the same again
  EXPECT_ERROR(AddAll({File("new", "x"), File("m", "other")}), ErrorCode::kConflict, "'m'");
  EXPECT_THAT(Paths(""), ElementsAre("m"));  // all or nothing
  EXPECT_THAT(EventKindsAfter(before), IsEmpty());
  EXPECT_OK(AddAll({File("m", "other")}, Artifacts::Overwrite::kReplace));
  EXPECT_EQ(ROOST_VALUE(store->artifacts().Get(run.key, "m")).digest, DigestOf("other"));
  EXPECT_OK(store->artifacts().Remove(run.key, "m"));
  EXPECT_ERROR(store->artifacts().Remove(run.key, "m"), ErrorCode::kNotFound, "'m'");
  EXPECT_THAT(EventKindsAfter(before), ElementsAre("artifact", "artifact"));
}

TEST_F(ArtifactsTest, AThousandFilesAreNotAThousandEvents) {
  std::vector<Artifact> many;
  for (int i = 0; i < 1000; ++i) many.push_back(File("f" + std::to_string(i), "x"));
  const std::int64_t before = store->events().LastId();
  EXPECT_OK(AddAll(many));
  EXPECT_EQ(Paths("", "", 2000).size(), 1000U);
  EXPECT_LT(EventKindsAfter(before).size(), 100U);
}

TEST_F(ArtifactsTest, ADeletedRunTakesNoFiles) {
  Finish(run);
  EXPECT_OK(AddAll({File("late", "x")}));  // ended runs do
  EXPECT_OK(store->runs().SetLifecycle(run.key, spec::Lifecycle::kDeleted));
  EXPECT_ERROR(AddAll({File("later", "x")}), ErrorCode::kConflict, "is deleted");
}

// --- Snapshots ---

class SnapshotsTest : public StoreFixture {
 protected:
  spec::SnapshotFile File(const std::string& path, const std::string& content,
                          bool executable = false) {
    return {path, DigestOf(content), content.size(), executable};
  }
};

TEST_F(SnapshotsTest, ASnapshotIsKeptOnceAllItsContentIsThere) {
  const spec::SnapshotManifest manifest{
      {File("a.py", "a"), File("b.sh", "b", true), File("c.py", "a")}};
  auto kept = ROOST_VALUE(store->snapshots().Create(manifest));
  EXPECT_THAT(kept.missing, ::testing::UnorderedElementsAre(DigestOf("a"), DigestOf("b")));
  EXPECT_ERROR(store->snapshots().Get(manifest.Id()), ErrorCode::kNotFound, manifest.Id().ToText());
  ROOST_VALUE(store->blobs().Put("a"));
  ROOST_VALUE(store->blobs().Put("b"));
  kept = ROOST_VALUE(store->snapshots().Create(manifest));
  EXPECT_TRUE(kept.created);
  EXPECT_THAT(kept.missing, IsEmpty());
  EXPECT_EQ(kept.id, manifest.Id());
  EXPECT_FALSE(ROOST_VALUE(store->snapshots().Create(manifest)).created);
  Open();
  EXPECT_EQ(ROOST_VALUE(store->snapshots().Get(kept.id)), manifest);
}

TEST_F(SnapshotsTest, AnEmptyFolderIsASnapshotToo) {
  const auto kept = ROOST_VALUE(store->snapshots().Create({}));
  EXPECT_TRUE(kept.created);
  EXPECT_THAT(ROOST_VALUE(store->snapshots().Get(kept.id)).files, IsEmpty());
}

}  // namespace
}  // namespace roost::store
