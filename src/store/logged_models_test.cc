#include "store/logged_models.h"

#include <cmath>
#include <limits>

#include "store/file_uploads.h"
#include "store/run_inputs.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

class LoggedModelsTest : public StoreFixture {
 protected:
  LoggedModels& models() { return store->logged_models(); }

  LoggedModel Make(const std::string& name) {
    clock.Advance(std::chrono::seconds(1));
    return ROOST_VALUE(models().Create({.experiment = ExperimentId(0), .name = name}));
  }
  Status Log(const RunRow& run, const std::string& model, std::vector<LoggedModelPoint> points) {
    return store->database().Write(Lane::kLogging, [&](WriteContext& context) {
      return LoggedModels::AddPoints(context, run.key, model, points);
    });
  }
  std::vector<std::string> Names(LoggedModelSearch search) {
    search.experiments = {ExperimentId(0)};
    std::vector<std::string> names;
    for (const LoggedModel& model : ROOST_VALUE(models().Search(search))) {
      names.push_back(model.name);
    }
    return names;
  }
  static spec::Condition Where(spec::FieldKind kind, const std::string& name,
                               spec::Comparison comparison,
                               std::variant<double, std::string> value) {
    return {{kind, name}, comparison, {std::move(value)}};
  }
};

TEST_F(LoggedModelsTest, AModelIsMadeAndChangedUntilItIsDeleted) {
  NewLoggedModel asked{.experiment = ExperimentId(0), .name = "net", .model_type = "agent"};
  asked.source_run_id = "r";
  asked.tags = {{"team", "vision"}};
  asked.params = {{"lr", "0.1"}};
  const LoggedModel made = ROOST_VALUE(models().Create(asked));
  EXPECT_THAT(made.id, StartsWith("m-"));
  EXPECT_EQ(made.id.size(), 34U);
  EXPECT_EQ(made.status, LoggedModelStatus::kPending);
  clock.Advance(std::chrono::seconds(1));
  EXPECT_OK(models().SetStatus(made.id, LoggedModelStatus::kUploadFailed, "disk full"));
  EXPECT_OK(models().SetTags(made.id, {{"team", "speech"}, {"new", ""}}));
  EXPECT_OK(models().RemoveTag(made.id, "new"));
  EXPECT_ERROR(models().RemoveTag(made.id, "new"), ErrorCode::kNotFound, "'new'");
  EXPECT_OK(models().AddParams(made.id, {{"lr", "0.1"}, {"depth", "3"}}));
  EXPECT_ERROR(models().AddParams(made.id, {{"lr", "0.2"}}), ErrorCode::kConflict, "'lr'");
  const LoggedModel got = ROOST_VALUE(models().Get(made.id));
  EXPECT_EQ(got.model_type, "agent");
  EXPECT_EQ(got.source_run_id, "r");
  EXPECT_EQ(got.status, LoggedModelStatus::kUploadFailed);
  EXPECT_EQ(got.status_message, "disk full");
  EXPECT_GT(got.updated_at, got.created_at);
  EXPECT_THAT(got.tags, ElementsAre(Pair("team", "speech")));
  EXPECT_THAT(got.params, ElementsAre(Pair("depth", "3"), Pair("lr", "0.1")));

  EXPECT_OK(models().Delete(made.id));
  EXPECT_ERROR(models().Get(made.id), ErrorCode::kNotFound, made.id);
  EXPECT_EQ(ROOST_VALUE(models().Get(made.id, LoggedModels::Deleted::kShown)).lifecycle,
            spec::Lifecycle::kDeleted);
  EXPECT_THAT(Names({}), IsEmpty());
  EXPECT_ERROR(models().Get("m-nope"), ErrorCode::kNotFound, "m-nope");
}

TEST_F(LoggedModelsTest, AnExperimentThatIsDeletedTakesNoModels) {
  const auto experiment = ROOST_VALUE(store->experiments().GetOrCreate("old"));
  EXPECT_OK(store->experiments().SetLifecycle(experiment.id, spec::Lifecycle::kDeleted));
  EXPECT_ERROR(models().Create({.experiment = experiment.id, .name = "x"}), ErrorCode::kConflict,
               "old");
  EXPECT_ERROR(models().Create({.experiment = ExperimentId(99), .name = "x"}), ErrorCode::kNotFound,
               "99");
}

TEST_F(LoggedModelsTest, PointsOfRunsAreKeptOnceEach) {
  const RunRow run = Add("r");
  const LoggedModel model = Make("net");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int again = 0; again < 2; ++again) {
    EXPECT_OK(Log(run, model.id,
                  {{"acc", 0.5, 1000, 1, "ds", "d1", ""},
                   {"acc", 0.7, 1000, 1, "ds", "d2", ""},
                   {"loss", nan, 1000, 1, "", "", ""}}));
  }
  EXPECT_ERROR(Log(run, "m-nope", {{"acc", 1, 1, 1, "", "", ""}}), ErrorCode::kNotFound, "m-nope");
  const auto points = ROOST_VALUE(models().Get(model.id)).metrics;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].value, 0.5);
  EXPECT_EQ(points[0].run_id, "r");
  EXPECT_EQ(points[1].dataset_digest, "d2");
  EXPECT_TRUE(std::isnan(points[2].value));
}

TEST_F(LoggedModelsTest, AreFoundByAttributesTagsParamsAndMetrics) {
  const RunRow run = Add("r");
  const LoggedModel a = Make("alpha");
  const LoggedModel b = Make("beta");
  const LoggedModel c = Make("gamma");
  EXPECT_OK(models().SetTags(a.id, {{"team", "vision"}}));
  EXPECT_OK(models().AddParams(b.id, {{"lr", "0.1"}}));
  EXPECT_OK(models().SetStatus(c.id, LoggedModelStatus::kReady, ""));
  EXPECT_OK(Log(run, a.id, {{"acc", 0.5, 1000, 1, "ds", "d1", ""}}));
  EXPECT_OK(Log(run, b.id,
                {{"acc", 0.9, 1000, 1, "ds", "d1", ""}, {"acc", 0.4, 2000, 2, "other", "d", ""}}));
  EXPECT_OK(Log(run, c.id, {{"acc", std::nan(""), 1000, 1, "", "", ""}}));

  using spec::Comparison;
  using spec::FieldKind;
  EXPECT_THAT(Names({}), ElementsAre("gamma", "beta", "alpha"));
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kAttribute, "name", Comparison::kLike, "%a")}}),
              ElementsAre("gamma", "beta", "alpha"));
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kAttribute, "name", Comparison::kLike, "A%")}}),
              IsEmpty());
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kAttribute, "status", Comparison::kEq, "READY")}}),
              ElementsAre("gamma"));
  const double made_ms = static_cast<double>(b.created_at / 1000);
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kAttribute, "creation_timestamp", Comparison::kEq,
                                      made_ms)}}),
              ElementsAre("beta"));
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kTag, "team", Comparison::kEq, "vision")}}),
              ElementsAre("alpha"));
  EXPECT_THAT(Names({.filter = {Where(FieldKind::kParam, "lr", Comparison::kEq, "0.1")}}),
              ElementsAre("beta"));
  const auto over = Where(FieldKind::kMetric, "acc", Comparison::kGt, 0.45);
  EXPECT_THAT(Names({.filter = {over}}), ElementsAre("beta", "alpha"));
  EXPECT_THAT(Names({.filter = {over}, .datasets = {{"other", ""}}}), IsEmpty());
  EXPECT_THAT(Names({.datasets = {{"other", ""}}}), ElementsAre("beta"));
  EXPECT_THAT(Names({.datasets = {{"ds", "d1"}, {"other", "x"}}}), ElementsAre("beta", "alpha"));
  EXPECT_ERROR(
      models().Search({.experiments = {ExperimentId(0)},
                       .filter = {Where(FieldKind::kAttribute, "x", Comparison::kEq, "y")}}),
      ErrorCode::kInvalidArgument, "'x'");
}

TEST_F(LoggedModelsTest, AreOrderedByTheNewestPointAndReadInPages) {
  const RunRow run = Add("r");
  const LoggedModel a = Make("a");
  const LoggedModel b = Make("b");
  Make("none");
  EXPECT_OK(
      Log(run, a.id, {{"acc", 0.9, 1000, 1, "ds", "d", ""}, {"acc", 0.1, 2000, 2, "", "", ""}}));
  EXPECT_OK(Log(run, b.id, {{"acc", 0.5, 1000, 1, "ds", "d", ""}}));
  const spec::Field acc{spec::FieldKind::kMetric, "acc"};
  EXPECT_THAT(Names({.order = {{acc, false, {}}}}), ElementsAre("a", "b", "none"));
  EXPECT_THAT(Names({.order = {{acc, true, {}}}}), ElementsAre("b", "a", "none"));
  EXPECT_THAT(Names({.order = {{acc, true, {"ds", ""}}}}), ElementsAre("a", "b", "none"));
  const spec::Field name{spec::FieldKind::kAttribute, "name"};
  EXPECT_THAT(Names({.order = {{name, false, {}}}, .offset = 1, .limit = 1}), ElementsAre("b"));
}

TEST_F(LoggedModelsTest, FilesAreReplacedListedAndRemovedByFolder) {
  const LoggedModel model = Make("net");
  const auto put = [&](const std::string& path, const std::string& content) {
    const auto blob = ROOST_VALUE(store->blobs().Put(content));
    EXPECT_OK(models().AddFile(model.id, {path, blob.digest, blob.size, 0}));
  };
  put("MLmodel", "1");
  put("MLmodel", "22");
  put("data/w.bin", "w");
  put("data.txt", "d");
  EXPECT_EQ(ROOST_VALUE(models().GetFile(model.id, "MLmodel")).size, 2U);
  EXPECT_ERROR(models().GetFile(model.id, "data"), ErrorCode::kNotFound, "'data'");
  std::vector<std::string> paths;
  for (const auto& file : ROOST_VALUE(models().ListFiles(model.id, "data", "", 10))) {
    paths.push_back(file.path);
  }
  EXPECT_THAT(paths, ElementsAre("data.txt", "data/w.bin"));
  EXPECT_EQ(ROOST_VALUE(models().RemoveFiles(model.id, "data")), 1U);
  EXPECT_EQ(ROOST_VALUE(models().RemoveFiles(model.id, "data")), 0U);
  EXPECT_OK(models().GetFile(model.id, "data.txt"));
}

using RunInputsTest = LoggedModelsTest;

TEST_F(RunInputsTest, ADatasetIsOneOfItsExperimentAndKeepsItsFirstTags) {
  const RunRow run = Add("r");
  const RunRow other = Add("o");
  const InputDataset data{"mnist", "d1", "local", "{}", "schema", std::nullopt};
  RunInputs& inputs = store->run_inputs();
  EXPECT_OK(inputs.Add(run.key, {{data, {{"mlflow.data.context", "training"}}}}, {{"m-1", 0}}));
  EXPECT_OK(inputs.Add(run.key, {{data, {{"mlflow.data.context", "other"}}}}, {}));
  EXPECT_OK(inputs.Add(other.key, {{data, {}}}, {}));
  EXPECT_OK(inputs.AddOutputs(run.key, {{"m-2", 7}, {"m-1", 3}}));
  EXPECT_OK(inputs.AddOutputs(run.key, {{"m-2", 8}}));
  const auto links = ROOST_VALUE(inputs.Of({other.key, run.key}));
  ASSERT_EQ(links[1].datasets.size(), 1U);
  EXPECT_EQ(links[1].datasets[0].dataset.schema, "schema");
  EXPECT_FALSE(links[1].datasets[0].dataset.profile);
  EXPECT_THAT(links[1].datasets[0].tags, ElementsAre(Pair("mlflow.data.context", "training")));
  ASSERT_EQ(links[1].models_in.size(), 1U);
  ASSERT_EQ(links[1].models_out.size(), 2U);
  EXPECT_EQ(links[1].models_out[1].step, 8);
  EXPECT_THAT(links[0].datasets[0].tags, IsEmpty());
  const auto uses = ROOST_VALUE(inputs.DatasetsOf({ExperimentId(0)}, 10));
  ASSERT_EQ(uses.size(), 2U);
  EXPECT_EQ(uses[0].context, "");
  EXPECT_EQ(uses[1].context, "training");
  EXPECT_EQ(ROOST_VALUE(inputs.DatasetsOf({ExperimentId(0)}, 1)).size(), 1U);
}

TEST_F(RunInputsTest, ADeletedRunTakesNone) {
  const RunRow run = Add("r");
  Finish(run);
  EXPECT_OK(store->runs().SetLifecycle(run.key, spec::Lifecycle::kDeleted));
  EXPECT_ERROR(store->run_inputs().Add(run.key, {}, {{"m-1", 0}}), ErrorCode::kConflict, "r");
  EXPECT_ERROR(store->run_inputs().AddOutputs(run.key, {{"m-1", 0}}), ErrorCode::kConflict, "r");
}

using FileUploadsTest = LoggedModelsTest;

TEST_F(FileUploadsTest, PartsAreGatheredByNumberAndReplaced) {
  FileUploads& uploads = store->file_uploads();
  const std::string id = ROOST_VALUE(uploads.Begin("0/r/artifacts/big.bin"));
  EXPECT_EQ(id.size(), 64U);
  const auto second = ROOST_VALUE(store->blobs().Put("second"));
  const auto first = ROOST_VALUE(store->blobs().Put("first"));
  EXPECT_OK(uploads.AddPart(id, {2, first.digest, first.size}));
  EXPECT_OK(uploads.AddPart(id, {2, second.digest, second.size}));
  EXPECT_OK(uploads.AddPart(id, {1, first.digest, first.size}));
  const FileUpload upload = ROOST_VALUE(uploads.Get(id));
  EXPECT_EQ(upload.path, "0/r/artifacts/big.bin");
  ASSERT_EQ(upload.parts.size(), 2U);
  EXPECT_EQ(upload.parts[0].digest, first.digest);
  EXPECT_EQ(upload.parts[1].digest, second.digest);
  EXPECT_OK(uploads.Remove(id));
  EXPECT_OK(uploads.Remove(id));
  EXPECT_ERROR(uploads.Get(id), ErrorCode::kNotFound, "upload");
  EXPECT_ERROR(uploads.AddPart(id, {1, first.digest, 1}), ErrorCode::kNotFound, "upload");
}

}  // namespace
}  // namespace roost::store
