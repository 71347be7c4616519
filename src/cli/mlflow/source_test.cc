#include "cli/mlflow/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cli/mlflow/folder_writer.h"
#include "cli/mlflow/sqlite.h"

namespace roost::cli::mlflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Status WriteText(const fs::path& file, const std::string& text) {
  ROOST_TRY(MakeFolders(file.parent_path()));
  return WriteFileAtomic(file, text);
}

Source::FileList FilesOf(Source& source, const Owner& owner) {
  return std::move(source.ListFiles({&owner, 1}).front());
}

std::vector<Run> AllRuns(Source& source) {
  std::vector<Run> all;
  const auto experiments = source.Experiments();
  EXPECT_TRUE(experiments) << experiments.error().message;
  for (const Experiment& experiment : *experiments) {
    const Status read = source.Runs(experiment, [&](std::vector<Run> runs) -> Status {
      std::vector<Run*> each;
      for (Run& run : runs) each.push_back(&run);
      ROOST_TRY(source.ReadPoints(each));
      for (Run& run : runs) all.push_back(std::move(run));
      return {};
    });
    EXPECT_TRUE(read) << read.error().message;
  }
  return all;
}

// Tables as release 2.0 had them: no logged models, no inputs with steps, no workspaces.
constexpr const char* kOldTables = R"sql(
CREATE TABLE experiments(experiment_id INTEGER PRIMARY KEY, name TEXT, artifact_location TEXT,
  lifecycle_stage TEXT, creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE experiment_tags(key TEXT, value TEXT, experiment_id INTEGER);
CREATE TABLE runs(run_uuid TEXT PRIMARY KEY, name TEXT, user_id TEXT, status TEXT, start_time BIGINT,
  end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE params(key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags(key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics(key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
CREATE TABLE registered_models(name TEXT PRIMARY KEY, creation_time BIGINT, last_updated_time BIGINT, description TEXT);
CREATE TABLE registered_model_tags(key TEXT, value TEXT, name TEXT);
CREATE TABLE model_versions(name TEXT, version INTEGER, creation_time BIGINT, last_updated_time BIGINT,
  description TEXT, user_id TEXT, current_stage TEXT, source TEXT, run_id TEXT, run_link TEXT);
CREATE TABLE model_version_tags(key TEXT, value TEXT, name TEXT, version INTEGER);
INSERT INTO experiments VALUES(0, 'Default', 'mlflow-artifacts:/0', 'active', 1000, 2000);
INSERT INTO experiment_tags VALUES('mlflow.note.content', 'A note.', 0), ('team', 'a', 0);
INSERT INTO runs VALUES('r2', 'second', 'ada', 'RUNNING', 2000, NULL, 'deleted', '/nowhere/0/r2/artifacts', 0),
  ('r1', 'first', '', 'FINISHED', 1000, 1500, 'active', 'mlflow-artifacts:/0/r1/artifacts', 0);
INSERT INTO tags VALUES('mlflow.runName', 'first', 'r1'), ('mlflow.parentRunId', 'r0', 'r1'), ('k', NULL, 'r1');
INSERT INTO params VALUES('lr', '0.1', 'r1');
INSERT INTO metrics VALUES('loss', 0.5, 20, 'r1', 1, 0), ('loss', 0, 10, 'r1', 0, 1), ('acc', 1, 0, 'r1', 0, 0);
INSERT INTO registered_models VALUES('net', 1, 2, NULL);
INSERT INTO model_versions VALUES('net', 1, 1, 2, NULL, NULL, 'Deleted_Internal', '', '', NULL),
  ('net', 2, 1, 2, 'd', NULL, 'Staging', 'runs:/r1/model', 'r1', NULL);
)sql";

class OldDatabase : public testing::Test {
 protected:
  void SetUp() override {
    auto db = SqliteFile::Open(file_, SqliteFile::Mode::kMake);
    ASSERT_TRUE(db) << db.error().message;
    const Status made = (*db)->Execute(kOldTables);
    ASSERT_TRUE(made) << made.error().message;
  }
  std::unique_ptr<Source> Open(const std::string& artifacts = "") {
    auto source = OpenSource({"sqlite:///" + file_.string(), artifacts});
    EXPECT_TRUE(source) << source.error().message;
    return std::move(*source);
  }

  TempFolder folder_;
  const fs::path file_ = folder_.path() / "mlflow.db";
};

TEST_F(OldDatabase, IsReadWithoutTheTablesOfLaterReleases) {
  const auto source = Open();
  const auto runs = AllRuns(*source);
  ASSERT_EQ(runs.size(), 2u);
  const spec::ImportedRun& run = runs[0].run;
  EXPECT_EQ(run.id, "r1");
  EXPECT_EQ(run.state, spec::RunState::kCompleted);
  EXPECT_EQ(run.started_at, 1'000'000);
  EXPECT_EQ(run.parent_id, "r0");
  EXPECT_EQ(run.tags, (std::map<std::string, std::string>{{"k", ""}}));
  ASSERT_EQ(run.series.size(), 2u);
  EXPECT_EQ(run.series[0].points, (std::vector<spec::MetricPoint>{{0, 1, 1.0}}));
  ASSERT_EQ(run.series[1].points.size(), 2u);
  EXPECT_TRUE(std::isnan(run.series[1].points[0].value));
  EXPECT_EQ(run.series[1].points[1], (spec::MetricPoint{1, 20'000, 0.5}));
  EXPECT_TRUE(runs[1].run.deleted);
  EXPECT_EQ(runs[1].run.ended_at, 0);

  const auto experiments = source->Experiments();
  EXPECT_EQ((*experiments)[0].description, "A note.");
  const auto models = source->Models();
  ASSERT_TRUE(models) << models.error().message;
  ASSERT_EQ((*models)[0].versions.size(), 1u);
  EXPECT_EQ((*models)[0].versions[0].version, 2);
  EXPECT_THAT(*source->LoggedModels({}), IsEmpty());
}

TEST_F(OldDatabase, FilesOfAServerNeedItsFolder) {
  auto source = Open();
  const auto runs = AllRuns(*source);
  const auto files = FilesOf(*source, runs[0].files);
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, HasSubstr("--artifacts"));
  const auto other = FilesOf(*source, runs[1].files);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("/nowhere/0 is not on this machine"));

  const fs::path artifacts = folder_.path() / "kept";
  ASSERT_TRUE(WriteText(artifacts / "0" / "r1" / "artifacts" / "a" / "b.txt", "hello"));
  source = Open(artifacts.string());
  const auto found = FilesOf(*source, runs[0].files);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].path, "a/b.txt");
  EXPECT_EQ(
      *ReadFile(
          *source->GetFiles(std::vector<WantedFile>{{&runs[0].files, "a/b.txt", 5}}, {}).front()),
      "hello");
}

TEST_F(OldDatabase, AddressesThatLeaveTheFolderAreRefused) {
  const auto source = Open(folder_.path().string());
  const auto files =
      FilesOf(*source, {Owner::Kind::kRun, "r1", "0", "mlflow-artifacts:/../../etc"});
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, HasSubstr("is no address of files"));
}

TEST(OpenSource, SaysWhatItCannotRead) {
  const TempFolder folder;
  const auto error = [&](const std::string& address) {
    const auto source = OpenSource({address, ""});
    return source ? std::string("opened") : source.error().message;
  };
  EXPECT_THAT(error("postgresql://host/db"), HasSubstr("start `mlflow server` on it"));
  EXPECT_THAT(error(folder.path() / "none"), HasSubstr("There is no file or folder"));
  EXPECT_THAT(error(folder.path()), HasSubstr("no experiments with a meta.yaml"));
  ASSERT_TRUE(WriteText(folder.path() / "text", "text"));
  EXPECT_THAT(error(folder.path() / "text"), HasSubstr("is no SQLite database"));
}

spec::ImportedRun ExampleRun() {
  spec::ImportedRun run;
  run.id = "0c6f0c6f";
  run.state = spec::RunState::kFailed;
  run.name = "a: 'name' # with \"all\"\nof it";
  run.description = "Note.";
  run.parent_id = "0c6e";
  run.user_id = "ada";
  run.started_at = 1'700'000'000'123'000;
  run.ended_at = 1'700'000'000'456'000;
  run.tags = {{"a/b", "x\ny"}, {"empty", ""}};
  run.params = {{"lr", "0.1"}};
  const double inf = std::numeric_limits<double>::infinity();
  run.series = {
      {"eval/loss",
       0,
       {{-2, 1'000, 0.1}, {0, 2'000, 1e-300}, {3, 3'000, inf}, {4, 4'000, std::nan("")}}}};
  run.datasets = {
      {"digits", "d1", "local", "/data", "{\"a\": 1}", {}, {{"mlflow.data.context", "training"}}}};
  run.models_in = {{"m-1", 0}};
  run.models_out = {{"m-2", 7}};
  return run;
}

TEST(FolderWriter, WritesWhatTheFolderReaderReads) {
  const TempFolder folder;
  FolderWriter writer(folder.path() / "mlruns");
  ASSERT_TRUE(writer.Begin());
  Experiment experiment{.id = "3",
                        .name = "yes",
                        .description = "d",
                        .artifact_location = "",
                        .tags = {{"t", "1"}},
                        .deleted = true,
                        .created_at = 5'000,
                        .updated_at = 6'000};
  ASSERT_TRUE(writer.Write(experiment));
  mlflow::Run run;
  run.run = ExampleRun();
  run.files = {Owner::Kind::kRun, run.run.id, "3", ""};
  ASSERT_TRUE(WriteText(writer.FilesOf(experiment, run.files) / "a.txt", "hello"));
  EXPECT_FALSE(writer.HasRun(experiment, run.run.id));
  const Status written = writer.Write(experiment, run);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(writer.HasRun(experiment, run.run.id));
  LoggedModel model;
  model.files = {Owner::Kind::kModel, "m-2", "3", ""};
  model.name = "net";
  model.status = "READY";
  model.created_at = 7'000;
  model.metrics = {{"acc", {1, 8'000, 0.5}, "two words", "d1", run.run.id},
                   {"acc", {2, 9'000, 0.6}, "", "", run.run.id}};
  ASSERT_TRUE(writer.Write(experiment, model));
  RegisteredModel registered;
  registered.name = "net";
  registered.aliases = {{"champion", 2}};
  Version version;
  version.version = 2;
  version.stage = "Staging";
  version.source = "models:/m-2";
  registered.versions = {version};
  ASSERT_TRUE(writer.Write(registered, {"/place"}));
  EXPECT_THAT(writer.left_out(), IsEmpty());

  const auto source = OpenSource({(folder.path() / "mlruns").string(), ""});
  ASSERT_TRUE(source) << source.error().message;
  const auto runs = AllRuns(**source);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(spec::DigestOfRun(runs[0].run), spec::DigestOfRun(ExampleRun()));
  EXPECT_EQ(FilesOf(**source, runs[0].files)->size(), 1u);
  const auto experiments = (*source)->Experiments();
  EXPECT_TRUE((*experiments)[0].deleted);
  EXPECT_EQ((*experiments)[0].name, "yes");
  const auto models = (*source)->LoggedModels(*experiments);
  ASSERT_EQ(models->size(), 1u);
  ASSERT_EQ((*models)[0].metrics.size(), 2u);
  EXPECT_EQ((*models)[0].metrics[0].dataset_name, "two words");
  EXPECT_EQ((*models)[0].metrics[0].dataset_digest, "d1");
  EXPECT_EQ((*models)[0].metrics[1].dataset_name, "");
  const auto registry = (*source)->Models();
  ASSERT_EQ(registry->size(), 1u);
  EXPECT_EQ((*registry)[0].aliases.at("champion"), 2);
  EXPECT_EQ((*registry)[0].versions[0].location, "/place");
}

TEST(FolderWriter, LeavesOutNamesThatNoFileCanHave) {
  const TempFolder folder;
  FolderWriter writer(folder.path() / "mlruns");
  ASSERT_TRUE(writer.Begin());
  mlflow::Run run;
  run.run = ExampleRun();
  run.run.params = {{"../../up", "1"}, {"lr", "0.1"}};
  ASSERT_TRUE(writer.Write(Experiment{.id = "3", .name = "x"}, run));
  ASSERT_EQ(writer.left_out().size(), 1u);
  EXPECT_THAT(writer.left_out()[0], HasSubstr("../../up"));
  EXPECT_FALSE(fs::exists(folder.path() / "mlruns" / "up"));
}

TEST(FolderWriter, WritesIntoNoFolderOfOthers) {
  const TempFolder folder;
  ASSERT_TRUE(WriteText(folder.path() / "mine.txt", "text"));
  const Status begun = FolderWriter(folder.path()).Begin();
  ASSERT_FALSE(begun);
  EXPECT_THAT(begun.error().message, HasSubstr("is not empty"));
}

TEST(FolderSource, ReadsLinesOfOldReleasesAndNamesBadOnes) {
  const TempFolder folder;
  const fs::path run = folder.path() / "0" / "r1";
  ASSERT_TRUE(WriteText(folder.path() / "0" / "meta.yaml",
                        "experiment_id: '0'\nname: Default\nlifecycle_stage: active\n"));
  ASSERT_TRUE(
      WriteText(run / "meta.yaml",
                "run_uuid: r1\nstatus: 3\nstart_time: 5\nend_time: null\nartifact_uri: /x\n"));
  ASSERT_TRUE(WriteText(run / "metrics" / "loss", "10 0.5\n11 nan 2\n12 -inf 3 digits d1\n"));
  const auto source = OpenSource({folder.path().string(), ""});
  ASSERT_TRUE(source) << source.error().message;
  auto runs = AllRuns(**source);
  ASSERT_EQ(runs.size(), 1u);
  ASSERT_EQ(runs[0].run.series[0].points.size(), 3u);
  EXPECT_EQ(runs[0].run.series[0].points[0], (spec::MetricPoint{0, 10'000, 0.5}));

  ASSERT_TRUE(WriteText(run / "metrics" / "bad", "10 0.5 1\nten 0.5 1\n"));
  mlflow::Run* const first = &runs[0];
  const Status read = (*source)->ReadPoints({&first, 1});
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("'ten 0.5 1'"));
}

}  // namespace
}  // namespace roost::cli::mlflow
