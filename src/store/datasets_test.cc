#include "store/datasets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/blobs.h"
#include "store/data_files.h"
#include "store/data_folder.h"
#include "store/datastores.h"
#include "store/maintenance.h"
#include "store/mount_trees.h"
#include "store/run_data.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kStore = spec::kBlobDatastore;
using Overwrite = Datastores::Overwrite;

class DataTest : public StoreFixture {
 protected:
  DatastoreFile FileOf(const std::string& path, const std::string& content) {
    const auto blob = ROOST_VALUE(store->blobs().Put(content));
    return {path, blob.digest, blob.size, 0};
  }
  void Put(const std::string& path, const std::string& content) {
    EXPECT_OK(store->datastores().AddFiles(kStore, {FileOf(path, content)}, Overwrite::kReplace));
  }
  static RunDataItem Item(const std::string& name, const std::string& dataset_id) {
    RunDataItem item;
    item.name = name;
    item.dataset_id = dataset_id;
    return item;
  }
  fs::path MakeFolder(const std::string& name, const std::map<std::string, std::string>& files) {
    const fs::path root = folder.path() / name;
    for (const auto& [path, content] : files) {
      EXPECT_OK(MakeFolders((root / path).parent_path()));
      EXPECT_OK(WriteFileAtomic(root / path, content));
    }
    EXPECT_OK(store->datastores().Create({name, root, false, false, 0}));
    return root;
  }
  static std::vector<DatasetPath> Paths(const std::vector<spec::DataPath>& places) {
    std::vector<DatasetPath> paths;
    for (const spec::DataPath& place : places) paths.push_back({place, "", {}, 0});
    return paths;
  }
  Result<FoundData> Find(const std::vector<spec::DataPath>& places) {
    return FindData(store->datastores(), Paths(places));
  }
  std::vector<std::string> Names(const std::vector<spec::DataPath>& places) {
    std::vector<std::string> names;
    for (const DataFile& file : ROOST_VALUE(Find(places)).files) names.push_back(file.path);
    return names;
  }
  Result<Datasets::Created> Make(const std::string& name, const std::vector<spec::DataPath>& places,
                                 bool create_new_version = false) {
    NewDataset dataset;
    dataset.name = name;
    dataset.create_new_version = create_new_version;
    return MakeDataset(*store, Paths(places), dataset);
  }
};

TEST_F(DataTest, AServerBeginsWithItsOwnDatastores) {
  const auto all = ROOST_VALUE(store->datastores().List());
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].name, "workspaceartifactstore");
  EXPECT_EQ(all[1].name, "workspaceblobstore");
  EXPECT_EQ(all[2].name, "workspacefilestore");
  EXPECT_EQ(ROOST_VALUE(store->datastores().Default()).name, "workspaceblobstore");
  EXPECT_ERROR(store->datastores().Remove("workspacefilestore"), ErrorCode::kConflict, "server");
}

TEST_F(DataTest, AFolderBecomesADatastoreOnceAndTheDefaultOnWish) {
  const Datastore asked{"disk", "/srv/data", false, true, 0};
  EXPECT_TRUE(ROOST_VALUE(store->datastores().Create(asked)).created);
  EXPECT_FALSE(ROOST_VALUE(store->datastores().Create(asked)).created);
  EXPECT_ERROR(store->datastores().Create({"disk", "/srv/other", false, true, 0}),
               ErrorCode::kConflict, "other settings");
  EXPECT_OK(store->datastores().SetDefault("disk"));
  EXPECT_ERROR(store->datastores().Remove("disk"), ErrorCode::kConflict, "default");
  EXPECT_OK(store->datastores().SetDefault(kStore));
  EXPECT_OK(store->datastores().Remove("disk"));
  EXPECT_ERROR(store->datastores().Get("disk"), ErrorCode::kNotFound, "disk");
  EXPECT_ERROR(store->datastores().SetDefault("disk"), ErrorCode::kNotFound, "disk");
}

TEST_F(DataTest, FilesAreTakenWhenTheirContentsAreThereAndAllOrNone) {
  const DatastoreFile one = FileOf("a/one", "1");
  DatastoreFile lacking = one;
  lacking.path = "a/two";
  lacking.digest = DigestOf("not sent");
  auto added =
      ROOST_VALUE(store->datastores().AddFiles(kStore, {one, lacking}, Overwrite::kRefuse));
  EXPECT_THAT(added.missing, ElementsAre(lacking.digest));
  EXPECT_ERROR(store->datastores().GetFile(kStore, "a/one"), ErrorCode::kNotFound, "a/one");
  const DatastoreFile two = FileOf("a/two", "2");
  added = ROOST_VALUE(store->datastores().AddFiles(kStore, {one, two}, Overwrite::kRefuse));
  EXPECT_EQ(added.added, 2U);
  added = ROOST_VALUE(store->datastores().AddFiles(kStore, {one, two}, Overwrite::kRefuse));
  EXPECT_EQ(added.added, 0U);
  EXPECT_EQ(added.unchanged, 2U);
}

TEST_F(DataTest, AnotherContentNeedsOverwriteAndIsRefusedBeforeItIsSent) {
  Put("a", "old");
  DatastoreFile changed{"a", DigestOf("not sent"), 8, 0};
  const auto refused = store->datastores().AddFiles(kStore, {changed}, Overwrite::kRefuse);
  EXPECT_ERROR(refused, ErrorCode::kConflict, "another content");
  EXPECT_EQ(refused.error().details.front().field, "a");
  Put("a", "new");
  EXPECT_EQ(ROOST_VALUE(store->datastores().GetFile(kStore, "a")).digest, DigestOf("new"));
}

TEST_F(DataTest, NoPathIsFileAndFolderAtOnce) {
  Put("a/b", "1");
  EXPECT_ERROR(store->datastores().AddFiles(kStore, {FileOf("a", "2")}, Overwrite::kReplace),
               ErrorCode::kConflict, "is a folder there");
  EXPECT_ERROR(store->datastores().AddFiles(kStore, {FileOf("a/b/c", "2")}, Overwrite::kReplace),
               ErrorCode::kConflict, "which is a file");
  EXPECT_ERROR(store->datastores().AddFiles(kStore, {FileOf("x", "2"), FileOf("x/y", "2")},
                                            Overwrite::kReplace),
               ErrorCode::kInvalidArgument, "both a file and a folder");
}

TEST_F(DataTest, FilesAreListedByPrefixAndPage) {
  for (const char* path : {"a/1", "a/2", "ab", "b"}) Put(path, path);
  const auto list = [&](const std::string& prefix, const std::string& after, std::size_t limit) {
    std::vector<std::string> names;
    for (const auto& file :
         ROOST_VALUE(store->datastores().ListFiles(kStore, prefix, after, limit))) {
      names.push_back(file.path);
    }
    return names;
  };
  EXPECT_THAT(list("a/", "", 10), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(list("", "a/1", 2), ElementsAre("a/2", "ab"));
  EXPECT_OK(store->datastores().RemoveFile(kStore, "b"));
  EXPECT_ERROR(store->datastores().RemoveFile(kStore, "b"), ErrorCode::kNotFound, "'b'");
}

TEST_F(DataTest, PathsAreFilesFoldersAndWildcards) {
  for (const char* path : {"w/2018/a.csv", "w/2018/b.txt", "w/2019/a.csv", "other"}) {
    Put(path, path);
  }
  EXPECT_THAT(Names({{kStore, "w/2018", ""}}), ElementsAre("a.csv", "b.txt"));
  EXPECT_THAT(Names({{kStore, "w/2018/a.csv", ""}}), ElementsAre("a.csv"));
  EXPECT_THAT(Names({{kStore, "w/*/a.csv", ""}}), ElementsAre("2018/a.csv", "2019/a.csv"));
  EXPECT_THAT(Names({{kStore, "w/**", ""}}), ElementsAre("2018/a.csv", "2018/b.txt", "2019/a.csv"));
  EXPECT_THAT(Names({{kStore, "w/2018", ""}, {kStore, "w/2019/a.csv", ""}}),
              ElementsAre("2018/a.csv", "2018/b.txt", "2019/a.csv"));
  EXPECT_THAT(Names({{kStore, "w/2018", ""}, {kStore, "w/2018/a.csv", ""}}),
              ElementsAre("a.csv", "b.txt"));
  EXPECT_TRUE(ROOST_VALUE(Find({{kStore, "w/2018/a.csv", ""}})).single_file);
  EXPECT_FALSE(ROOST_VALUE(Find({{kStore, "w/2019", ""}})).single_file);
  EXPECT_ERROR(Find({{kStore, "w/201", ""}}), ErrorCode::kInvalidArgument, "no file at 'w/201'");
  EXPECT_ERROR(Find({{kStore, "w/*.png", ""}}), ErrorCode::kInvalidArgument, "w/*.png");
  EXPECT_ERROR(Find({{"nowhere", "w", ""}}), ErrorCode::kNotFound, "nowhere");
}

TEST_F(DataTest, AFolderIsReadAnewAndLinksDoNotLeaveIt) {
  const fs::path root = MakeFolder("disk", {{"d/a", "1"}, {"d/sub/b", "22"}});
  EXPECT_THAT(Names({{"disk", "d", ""}}), ElementsAre("a", "sub/b"));
  EXPECT_THAT(Names({{"disk", "d/*/b", ""}}), ElementsAre("sub/b"));
  const Dataset dataset = ROOST_VALUE(Make("live", {{"disk", "d", ""}})).dataset;
  EXPECT_FALSE(dataset.tree);
  EXPECT_OK(WriteFileAtomic(root / "d/c", "333"));
  const auto now = ROOST_VALUE(FindData(store->datastores(), store->datasets(), dataset));
  EXPECT_EQ(now.files.size(), 3U);
  fs::create_symlink("/etc/passwd", root / "d/out");
  EXPECT_EQ(ROOST_VALUE(Find({{"disk", "d", ""}})).files.size(), 3U);
  const Datastore disk = ROOST_VALUE(store->datastores().Get("disk"));
  EXPECT_ERROR(FileInFolder(disk, "d/out"), ErrorCode::kNotFound, "d/out");
  fs::create_symlink("/etc", root / "away");
  for (const char* path : {"away", "away/passwd", "away/*", "away/pass*"}) {
    EXPECT_ERROR(Find({{"disk", path, ""}}), ErrorCode::kInvalidArgument, path);
  }
  EXPECT_ERROR(FileInFolder(disk, "../x"), ErrorCode::kNotFound, "x");
}

TEST_F(DataTest, PagesAndSingleFilesAreThoseOfTheWholeList) {
  const fs::path root = MakeFolder(
      "disk", {{"d/a.b", "1"}, {"d/a/x", "2"}, {"d/a/y.csv", "3"}, {"d/z/y.csv", "4"}, {"e", "5"}});
  fs::create_symlink(root / "e", root / "d/out");
  fs::create_symlink(root / "d/a/x", root / "d/in");
  EXPECT_OK(WriteFileAtomic(root / "d/b.roost-part", "half"));
  for (const char* path : {"d/a.b", "d/a/x", "d/z"}) Put(path, path);
  const std::vector<std::vector<spec::DataPath>> datasets = {
      {{"disk", "d", ""}},
      {{"disk", "", ""}},
      {{"disk", "d/*/y.csv", ""}},
      {{"disk", "d/**", ""}},
      {{"disk", "d/a", ""}, {"disk", "d/a.b", ""}, {"disk", "d/a/x", ""}},
      {{"disk", "d", ""}, {kStore, "d", ""}},
      {{kStore, "d/a", ""}, {"disk", "e", ""}, {kStore, "d/*", ""}},
  };
  for (const auto& places : datasets) {
    const std::vector<std::string> all = Names(places);
    SCOPED_TRACE(testing::PrintToString(all));
    for (const std::size_t limit : {1U, 2U, 5U}) {
      std::vector<std::string> paged;
      while (true) {
        const auto page = ROOST_VALUE(FindDataPage(store->datastores(), Paths(places),
                                                   paged.empty() ? "" : paged.back(), limit));
        for (const DataFile& file : page) paged.push_back(file.path);
        if (page.size() < limit) break;
      }
      EXPECT_EQ(paged, all) << limit;
    }
    for (const DataFile& file : ROOST_VALUE(Find(places)).files) {
      const auto found = ROOST_VALUE(FindDataFile(store->datastores(), Paths(places), file.path));
      EXPECT_EQ(found.size, file.size);
      EXPECT_EQ(found.digest, file.digest);
      EXPECT_EQ(found.file, file.file);
    }
  }
  for (const char* path : {"out", "b.roost-part", "a", "nothing", "../e", "a/../a.b"}) {
    EXPECT_ERROR(FindDataFile(store->datastores(), Paths({{"disk", "d", ""}}), path),
                 ErrorCode::kNotFound, path);
  }
  EXPECT_ERROR(FindDataFile(store->datastores(), Paths({{"disk", "d/*/y.csv", ""}}), "a/x"),
               ErrorCode::kNotFound, "a/x");
  // Through a folder that is asked for, nothing that lies before is looked at.
  const Datastore disk = ROOST_VALUE(store->datastores().Get("disk"));
  EXPECT_EQ(ROOST_VALUE(ListFolder(disk, "d/", "d/a/y.csv", 2)).front().path, "d/in");
  EXPECT_EQ(ROOST_VALUE(ListFolder(disk, "d/a/", "d/a.b", 9)).size(), 2U);
  EXPECT_EQ(ROOST_VALUE(ListFolder(disk, "d/a/", "e", 9)).size(), 0U);
}

TEST_F(DataTest, AnUploadIntoAFolderIsWrittenAsAWholeOrNotAtAll) {
  const fs::path root = MakeFolder("disk", {{"a", "1"}});
  const Datastore disk = ROOST_VALUE(store->datastores().Get("disk"));
  const auto files_there = [&] {
    std::vector<std::string> names;
    for (const TreeEntry& entry : ROOST_VALUE(ListTree(root))) names.push_back(entry.path);
    return names;
  };
  // The last one cannot be written: "a" is a file.
  EXPECT_FALSE(AddToDatastore(*store, disk,
                              {FileOf("b", "2"), FileOf("sub/c", "3"), FileOf("a/x", "4")},
                              Overwrite::kReplace));
  EXPECT_THAT(files_there(), ElementsAre("a"));
  const auto added = ROOST_VALUE(
      AddToDatastore(*store, disk, {FileOf("b", "2"), FileOf("sub/c", "3"), FileOf("a", "1")},
                     Overwrite::kRefuse));
  EXPECT_EQ(added.added, 2U);
  EXPECT_EQ(added.unchanged, 1U);
  EXPECT_THAT(files_there(), ElementsAre("a", "b", "sub/c"));
}

TEST_F(DataTest, AFileThatIsBeingWrittenIsNoPartOfAFolder) {
  const fs::path root = MakeFolder("disk", {{"d/a", "1"}});
  const Datastore disk = ROOST_VALUE(store->datastores().Get("disk"));
  EXPECT_OK(WriteFileAtomic(ROOST_VALUE(PartInFolder(disk, "d/b")), "half"));
  EXPECT_THAT(Names({{"disk", "d", ""}}), ElementsAre("a"));
  EXPECT_THAT(Names({{"disk", "d/*", ""}}), ElementsAre("a"));
  EXPECT_THAT(Names({{"disk", "", ""}}), ElementsAre("d/a"));
}

TEST_F(DataTest, TwoPlacesStandBesideEachOther) {
  Put("a", "1");
  MakeFolder("disk", {{"a", "2"}});
  EXPECT_THAT(Names({{kStore, "a", ""}, {"disk", "a", ""}}),
              ElementsAre("disk/a", "workspaceblobstore/a"));
}

TEST_F(DataTest, AddressesWithOneLastNameAreRefusedUnlessTheyAreTheSame) {
  const auto path = [&](const std::string& url, const std::string& content) {
    const auto blob = ROOST_VALUE(store->blobs().Put(content));
    return DatasetPath{{"", "", url}, "", blob.digest, blob.size};
  };
  EXPECT_ERROR(
      MakeDataset(*store, {path("http://a/x.csv", "1"), path("http://u:p@b/x.csv?sig=s", "2")}, {}),
      ErrorCode::kInvalidArgument,
      "http://a/x.csv and http://b/x.csv would both be the file 'x.csv'");
  const auto made = ROOST_VALUE(MakeDataset(
      *store, {path("http://a/x.csv", "1"), path("http://b/x.csv", "1"), path("http://b/y", "2")},
      {}));
  EXPECT_EQ(made.dataset.file_count, 2);
}

TEST_F(DataTest, AddressesDoNotStandBesideFoldersWhoseFilesNobodyKeeps) {
  MakeFolder("disk", {{"a", "2"}});
  Put("a", "1");
  const auto blob = ROOST_VALUE(store->blobs().Put("from afar"));
  const DatasetPath address{{"", "", "http://a/x.csv"}, "", blob.digest, blob.size};
  const DatasetPath on_disk{{"disk", "a", ""}, "", {}, 0};
  const DatasetPath kept{{kStore, "a", ""}, "", {}, 0};
  EXPECT_ERROR(MakeDataset(*store, {address, on_disk}, {}), ErrorCode::kInvalidArgument,
               "both addresses and files");
  EXPECT_EQ(ROOST_VALUE(MakeDataset(*store, {address, kept}, {})).dataset.file_count, 2);
}

TEST_F(DataTest, TheSameDataIsTheSameDatasetAndAnotherOneANewVersion) {
  Put("a/1", "1");
  const auto unnamed = ROOST_VALUE(Make("", {{kStore, "a", ""}}));
  EXPECT_TRUE(unnamed.created);
  EXPECT_EQ(ROOST_VALUE(Make("", {{kStore, "a", ""}})).dataset.id, unnamed.dataset.id);
  const auto first = ROOST_VALUE(Make("birds", {{kStore, "a", ""}}));
  EXPECT_EQ(first.dataset.version, 1);
  EXPECT_NE(first.dataset.id, unnamed.dataset.id);
  EXPECT_FALSE(ROOST_VALUE(Make("birds", {{kStore, "a", ""}}, true)).created);
  Put("a/2", "22");
  EXPECT_NE(ROOST_VALUE(Make("", {{kStore, "a", ""}})).dataset.id, unnamed.dataset.id);
  EXPECT_ERROR(Make("birds", {{kStore, "a", ""}}), ErrorCode::kConflict, "create_new_version");
  const auto second = ROOST_VALUE(Make("birds", {{kStore, "a", ""}}, true));
  EXPECT_EQ(second.dataset.version, 2);
  EXPECT_EQ(second.dataset.file_count, 2);
  EXPECT_EQ(second.dataset.bytes, 3U);
  // The first version has what it had.
  const auto kept = ROOST_VALUE(store->datasets().Get("birds", 1));
  EXPECT_EQ(ROOST_VALUE(store->datasets().Files(*kept.tree, "", 10)).size(), 1U);
  EXPECT_EQ(ROOST_VALUE(store->datasets().Get("birds", std::nullopt)).version, 2);
  EXPECT_EQ(ROOST_VALUE(store->datasets().List("", 10)).size(), 1U);
  EXPECT_EQ(ROOST_VALUE(store->datasets().Versions("birds")).size(), 2U);
  EXPECT_ERROR(store->datasets().Get("birds", 3), ErrorCode::kNotFound, "no version 3");
}

TEST_F(DataTest, ANameThatIsGivenUpKeepsItsNumbersAndItsData) {
  Put("a", "1");
  const auto first = ROOST_VALUE(Make("birds", {{kStore, "a", ""}}));
  EXPECT_OK(store->datasets().Unregister("birds"));
  EXPECT_ERROR(store->datasets().Unregister("birds"), ErrorCode::kNotFound, "birds");
  EXPECT_EQ(ROOST_VALUE(store->datasets().GetById(first.dataset.id)).name, "");
  EXPECT_EQ(ROOST_VALUE(Make("birds", {{kStore, "a", ""}})).dataset.version, 2);
}

TEST_F(DataTest, CollectionSparesWhatDatastoresDatasetsAndRunsName) {
  Put("kept", "in the datastore");
  Put("named", "in a dataset");
  Put("read", "read by a run");
  Put("gone", "of nobody");
  EXPECT_OK(Make("birds", {{kStore, "named", ""}}));
  const auto read = ROOST_VALUE(Make("", {{kStore, "read", ""}}));
  EXPECT_OK(Make("", {{kStore, "gone", ""}}));
  const RunRow run = Add("run_1");
  EXPECT_OK(store->run_data().Put(run.key, {Item("in", read.dataset.id)}));
  for (const char* path : {"named", "read", "gone"}) {
    EXPECT_OK(store->datastores().RemoveFile(kStore, path));
  }
  clock.Advance(std::chrono::seconds(10));
  // The blobs' age is the file system's, which no fake clock moves.
  ::sleep(1);
  const auto counted = ROOST_VALUE(CollectGarbage(*store, 0, true));
  const auto report = ROOST_VALUE(CollectGarbage(*store, 0, false));
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(counted.blobs_removed, 1);
  EXPECT_TRUE(store->blobs().Has(DigestOf("in the datastore")));
  EXPECT_TRUE(store->blobs().Has(DigestOf("in a dataset")));
  EXPECT_TRUE(store->blobs().Has(DigestOf("read by a run")));
  EXPECT_FALSE(store->blobs().Has(DigestOf("of nobody")));
  EXPECT_OK(store->datasets().GetById(read.dataset.id));
}

TEST_F(DataTest, CollectionTakesWhatKilledUploadsLeftInFoldersADayAgo) {
  const fs::path root = MakeFolder("disk", {{"a/kept", "1"}});
  const Datastore disk = ROOST_VALUE(store->datastores().Get("disk"));
  const fs::path old = ROOST_VALUE(PartInFolder(disk, "a/b/new"));
  const fs::path young = ROOST_VALUE(PartInFolder(disk, "young"));
  const fs::path of_user = root / "a/mine.roost-part";
  for (const fs::path& file : {old, young, of_user, root / "a/.roost-part"}) {
    EXPECT_OK(WriteFileAtomic(file, "half"));
    const auto age = std::chrono::hours(file == young ? 23 : 25);
    fs::last_write_time(file, fs::file_time_type::clock::now() - age);
  }
  const auto counted = ROOST_VALUE(CollectGarbage(*store, 0, true));
  EXPECT_EQ(counted.bytes_freed, 4U);
  EXPECT_TRUE(fs::exists(old));
  EXPECT_EQ(ROOST_VALUE(CollectGarbage(*store, 48 * 3600, false)).blobs_removed, 0);
  const auto report = ROOST_VALUE(CollectGarbage(*store, 0, false));
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_freed, 4U);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(fs::exists(of_user));
  EXPECT_TRUE(fs::exists(root / "a/.roost-part"));
  EXPECT_TRUE(fs::exists(root / "a/kept"));
}

TEST_F(DataTest, CollectionSparesTheTreesThatLiveRunsSee) {
  const fs::path mounts = store->data_folder() / "mounts";
  const std::string being_made = UnfinishedTree("seen");
  for (const std::string& name : {std::string("seen"), being_made, std::string("left"),
                                  UnfinishedTree("left"), std::string("tmp-1")}) {
    EXPECT_OK(MakeFolders(mounts / name));
  }
  EXPECT_OK(WriteFileAtomic(mounts / "left.made", ""));
  const RunRow run = Add("run_1");
  RunDataItem item = Item("in", "");
  item.tree = "seen";
  EXPECT_OK(store->run_data().Put(run.key, {item}));
  ::sleep(1);
  EXPECT_OK(CollectGarbage(*store, 0, false));
  EXPECT_TRUE(fs::exists(mounts / "seen"));
  EXPECT_TRUE(fs::exists(mounts / being_made));
  EXPECT_EQ(std::distance(fs::directory_iterator(mounts), {}), 2);
  Finish(run);
  ::sleep(1);
  EXPECT_OK(CollectGarbage(*store, 0, false));
  EXPECT_TRUE(fs::is_empty(mounts));
}

TEST_F(DataTest, ABackupHasTheDataAndItsNames) {
  Put("a/1", std::string(100'000, 'x'));
  Put("a/2", "small");
  EXPECT_OK(Make("birds", {{kStore, "a", ""}}));
  EXPECT_OK(Backup(*store, folder.path() / "backup"));
  EXPECT_OK(Restore(folder.path() / "backup", folder.path() / "other"));
  const auto other = ROOST_VALUE(Store::Open({folder.path() / "other", &clock, 2}));
  const auto dataset = ROOST_VALUE(other->datasets().Get("birds", std::nullopt));
  for (const auto& file : ROOST_VALUE(other->datasets().Files(*dataset.tree, "", 10))) {
    EXPECT_EQ(DigestOf(ROOST_VALUE(other->blobs().Read(file.digest))), file.digest);
  }
  EXPECT_EQ(ROOST_VALUE(other->datastores().ListFiles(kStore, "", "", 10)).size(), 2U);
}

TEST_F(DataTest, LineageIsReplacedByNameAndGoesWithItsRun) {
  const RunRow run = Add("run_1");
  RunDataItem item = Item("in", "id");
  item.version = 2;
  RunDataItem output = Item("out", "");
  output.is_output = true;
  EXPECT_OK(store->run_data().Put(run.key, {item}));
  item.mechanism = "bind";
  EXPECT_OK(store->run_data().Put(run.key, {item, output}));
  const auto items = ROOST_VALUE(store->run_data().Of(run.key));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].mechanism, "bind");
  EXPECT_EQ(items[0].version, 2);
  EXPECT_TRUE(items[1].is_output);
}

TEST_F(DataTest, TheRunsOfADatasetAreThoseThatReadOrWroteItNewestFirst) {
  RunDataItem output = Item("out", "wanted");
  output.is_output = true;
  const RunRow reads = Add("run_1");
  const RunRow both = Add("run_2");
  const RunRow other = Add("run_3");
  const RunRow deleted = Add("run_4");
  const RunRow writes = Add("run_5");
  EXPECT_OK(store->run_data().Put(reads.key, {Item("a", "wanted"), Item("b", "another")}));
  EXPECT_OK(store->run_data().Put(both.key, {Item("in", "wanted"), output}));
  EXPECT_OK(store->run_data().Put(other.key, {Item("in", "another"), Item("place", "")}));
  EXPECT_OK(store->run_data().Put(deleted.key, {Item("in", "wanted")}));
  EXPECT_OK(store->run_data().Put(writes.key, {output}));
  Finish(deleted);
  EXPECT_OK(store->runs().SetLifecycle(deleted.key, spec::Lifecycle::kDeleted));
  using Keys = std::vector<RunKey>;
  const RunData& data = store->run_data();
  EXPECT_EQ(ROOST_VALUE(data.RunsWith("wanted", {}, 10)), (Keys{writes.key, both.key, reads.key}));
  EXPECT_EQ(ROOST_VALUE(data.RunsWith("wanted", {}, 2)), (Keys{writes.key, both.key}));
  EXPECT_EQ(ROOST_VALUE(data.RunsWith("wanted", both.key, 2)), Keys{reads.key});
  EXPECT_EQ(ROOST_VALUE(data.RunsWith("nobody's", {}, 10)), Keys{});
  EXPECT_EQ(ROOST_VALUE(data.RunsWith("", {}, 10)), Keys{});
}

}  // namespace
}  // namespace roost::store
