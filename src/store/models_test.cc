#include "store/models.h"

#include "store/model_schema.h"
#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Undoes the step of model_schema.h.
constexpr const char* kBeforeTheRegistry = R"sql(
ALTER TABLE model_versions ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
UPDATE model_versions SET tags = (SELECT json_group_object(t.key, t.value)
  FROM model_version_tags t WHERE t.model_version = model_versions.key);
DROP TABLE model_tags;
DROP TABLE model_version_tags;
DROP TABLE model_aliases;
ALTER TABLE model_versions DROP COLUMN stage;
ALTER TABLE model_versions DROP COLUMN run_link;
ALTER TABLE model_versions DROP COLUMN location;
ALTER TABLE model_versions DROP COLUMN logged_model_id;
ALTER TABLE models DROP COLUMN registered;
ALTER TABLE models DROP COLUMN description;
ALTER TABLE models DROP COLUMN submitter;
ALTER TABLE models DROP COLUMN created_at;
ALTER TABLE models DROP COLUMN updated_at;
)sql";

class ModelsTest : public StoreFixture {
 protected:
  static NewModelVersion ModelOf(const std::string& name, const std::string& content = "weights") {
    NewModelVersion model;
    model.name = name;
    model.submitter = "owner";
    model.files = {{"model/weights.pt", DigestOf(content), content.size()},
                   {"config.json", DigestOf("{}"), 2}};
    return model;
  }
  ModelVersion Register(const NewModelVersion& model) {
    return ROOST_VALUE(store->models().Register(model)).version;
  }
  std::vector<std::int64_t> Numbers(const std::string& name) {
    std::vector<std::int64_t> numbers;
    for (const auto& one : ROOST_VALUE(store->models().Versions(name))) {
      numbers.push_back(one.version);
    }
    return numbers;
  }
};

TEST_F(ModelsTest, AVersionKeepsItsLineageAndFiles) {
  NewRun run = RunOf("a");
  run.snapshot = AddSnapshot("print(1)");
  Add(run);
  NewModelVersion model = ModelOf("net");
  model.run_id = "a";
  model.source = "outputs/model";
  model.description = "the best";
  model.framework = "PyTorch";
  model.framework_version = "2.1";
  model.tags = {{"stage", "test"}};
  model.properties = {{"acc", "0.9"}};
  Register(model);
  Open();

  const ModelVersion kept = ROOST_VALUE(store->models().Get("net", 1));
  EXPECT_EQ(kept.run_id, "a");
  EXPECT_EQ(kept.experiment_name, "Default");
  EXPECT_EQ(kept.snapshot, run.snapshot);
  EXPECT_EQ(kept.source, "outputs/model");
  EXPECT_EQ(kept.description, "the best");
  EXPECT_EQ(kept.framework, "PyTorch");
  EXPECT_EQ(kept.framework_version, "2.1");
  EXPECT_EQ(kept.submitter, "owner");
  EXPECT_EQ(kept.tags, model.tags);
  EXPECT_EQ(kept.properties, model.properties);
  EXPECT_EQ(kept.bytes, 9U);
  EXPECT_EQ(kept.file_count, 2);
  EXPECT_EQ(kept.created_at, clock.Now());
  const auto files = ROOST_VALUE(store->models().Files("net", 1));
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].path, "config.json");
  EXPECT_EQ(files[1].digest, DigestOf("weights"));
  EXPECT_EQ(ROOST_VALUE(store->models().OfRun("a")).size(), 1U);
  EXPECT_THAT(ROOST_VALUE(store->models().OfRun("")), IsEmpty());
}

TEST_F(ModelsTest, TheTreeDependsOnTheFilesAndNotOnTheirOrder) {
  NewModelVersion turned = ModelOf("net");
  std::swap(turned.files[0], turned.files[1]);
  const Digest tree = Register(ModelOf("net")).tree;
  EXPECT_EQ(Register(turned).tree, tree);
  EXPECT_NE(Register(ModelOf("net", "other weights")).tree, tree);
}

TEST_F(ModelsTest, NumbersAreNeverUsedTwice) {
  for (std::int64_t version : {1, 2, 3}) EXPECT_EQ(Register(ModelOf("net")).version, version);
  EXPECT_OK(store->models().Delete("net", 3));
  EXPECT_EQ(ROOST_VALUE(store->models().Get("net", {})).version, 2);
  EXPECT_EQ(Register(ModelOf("net")).version, 4);
  EXPECT_THAT(Numbers("net"), ElementsAre(4, 2, 1));
  for (std::int64_t version : {4, 2, 1}) EXPECT_OK(store->models().Delete("net", version));
  EXPECT_THAT(ROOST_VALUE(store->models().List("", 10)), IsEmpty());
  EXPECT_ERROR(store->models().Get("net", {}), ErrorCode::kNotFound, "'net'");
  EXPECT_ERROR(store->models().Versions("net"), ErrorCode::kNotFound, "'net'");
  EXPECT_EQ(Register(ModelOf("net")).version, 5);
}

TEST_F(ModelsTest, ARetryGivesTheFirstVersion) {
  NewModelVersion model = ModelOf("net");
  model.idempotency_key = "k";
  EXPECT_TRUE(ROOST_VALUE(store->models().Register(model)).created);
  const auto again = ROOST_VALUE(store->models().Register(model));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.version, 1);
  model.idempotency_key = "l";
  const auto other = ROOST_VALUE(store->models().Register(model));
  EXPECT_TRUE(other.created);
  EXPECT_EQ(other.version.version, 2);
}

TEST_F(ModelsTest, BadFilesAndUnknownRunsTakeNoNumber) {
  NewModelVersion model = ModelOf("net");
  model.run_id = "nobody";
  EXPECT_ERROR(store->models().Register(model), ErrorCode::kNotFound, "'nobody'");
  model = ModelOf("net");
  model.files.push_back(model.files[0]);
  EXPECT_ERROR(store->models().Register(model), ErrorCode::kInvalidArgument, "model/weights.pt");
  model.files.clear();
  EXPECT_ERROR(store->models().Register(model), ErrorCode::kInvalidArgument, "at least one file");
  EXPECT_EQ(Register(ModelOf("net")).version, 1);
}

TEST_F(ModelsTest, ListsAndUpdates) {
  Register(ModelOf("b"));
  Register(ModelOf("a"));
  Register(ModelOf("a"));
  const auto models = ROOST_VALUE(store->models().List("", 10));
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name, "a");
  EXPECT_EQ(models[0].latest_version, 2);
  EXPECT_EQ(ROOST_VALUE(store->models().List("a", 10)).size(), 1U);

  const std::int64_t before = store->events().LastId();
  EXPECT_OK(store->models().Update("a", 1, "new", {{"x", "1"}, {"y", "2"}}));
  EXPECT_OK(store->models().Update("a", 1, {}, {{"x", std::nullopt}}));
  const ModelVersion updated = ROOST_VALUE(store->models().Get("a", 1));
  EXPECT_EQ(updated.description, "new");
  EXPECT_THAT(updated.tags, ElementsAre(std::pair("y", "2")));
  EXPECT_ERROR(store->models().Update("a", 9, {}, {}), ErrorCode::kNotFound, "no version 9");
  EXPECT_ERROR(store->models().Delete("a", 9), ErrorCode::kNotFound, "no version 9");
  EXPECT_THAT(EventKindsAfter(before), ElementsAre("model", "model"));
}

TEST_F(ModelsTest, PropertiesAreAddedAndNeverChanged) {
  NewModelVersion model = ModelOf("net");
  model.properties = {{"acc", "0.9"}};
  Register(model);
  EXPECT_OK(store->models().Update("net", 1, {}, {}, {{"acc", "0.9"}, {"loss", "0.1"}}));
  EXPECT_ERROR(store->models().Update("net", 1, "new", {{"t", "1"}}, {{"acc", "1"}, {"z", "1"}}),
               ErrorCode::kConflict, "'acc'");
  const ModelVersion kept = ROOST_VALUE(store->models().Get("net", 1));
  EXPECT_THAT(kept.properties, ElementsAre(std::pair("acc", "0.9"), std::pair("loss", "0.1")));
  EXPECT_EQ(kept.description, "");
  EXPECT_TRUE(kept.tags.empty());
}

TEST_F(ModelsTest, AModelMadeWithoutVersionsStaysWithoutThem) {
  NewModel model;
  model.name = "net";
  model.description = "a net";
  model.tags = {{"team", "vision"}};
  model.submitter = "owner";
  const Model made = ROOST_VALUE(store->models().Create(model));
  EXPECT_EQ(made.description, "a net");
  EXPECT_EQ(made.submitter, "owner");
  EXPECT_THAT(made.tags, ElementsAre(std::pair("team", "vision")));
  EXPECT_EQ(made.latest_version, 0);
  EXPECT_EQ(made.created_at, clock.Now());
  EXPECT_ERROR(store->models().Create(model), ErrorCode::kConflict, "'net'");
  EXPECT_THAT(ROOST_VALUE(store->models().Versions("net")), IsEmpty());
  EXPECT_ERROR(store->models().Get("net", {}), ErrorCode::kNotFound, "has no version yet");

  EXPECT_EQ(Register(ModelOf("net")).version, 1);
  EXPECT_OK(store->models().Delete("net", 1));
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("net")).description, "a net");
  EXPECT_EQ(ROOST_VALUE(store->models().List("", 10)).size(), 1U);
  EXPECT_EQ(Register(ModelOf("net")).version, 2);
}

TEST_F(ModelsTest, AModelOfVersionsAloneGoesWithTheLastOneUnlessItIsToStay) {
  Register(ModelOf("gone"));
  Register(ModelOf("stays"));
  Register(ModelOf("described"));
  EXPECT_OK(store->models().Describe("described", "kept"));
  EXPECT_OK(store->models().Delete("gone", 1));
  EXPECT_OK(store->models().Delete("stays", 1, Models::LastVersion::kLeavesModel));
  EXPECT_OK(store->models().Delete("described", 1));
  EXPECT_ERROR(store->models().GetModel("gone"), ErrorCode::kNotFound, "'gone'");
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("stays")).latest_version, 0);
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("described")).description, "kept");

  NewModel again;
  again.name = "gone";
  EXPECT_EQ(ROOST_VALUE(store->models().Create(again)).created_at, clock.Now());
  EXPECT_EQ(Register(ModelOf("gone")).version, 2);
}

TEST_F(ModelsTest, DeletingAModelForgetsItsNumbers) {
  Register(ModelOf("net"));
  Register(ModelOf("net"));
  EXPECT_OK(store->models().SetTag("net", "a", "1"));
  EXPECT_OK(store->models().SetAlias("net", "best", 2));
  EXPECT_OK(store->models().DeleteModel("net"));
  EXPECT_ERROR(store->models().DeleteModel("net"), ErrorCode::kNotFound, "'net'");
  EXPECT_EQ(Register(ModelOf("net")).version, 1);
  const Model made = ROOST_VALUE(store->models().GetModel("net"));
  EXPECT_THAT(made.tags, IsEmpty());
  EXPECT_THAT(made.aliases, IsEmpty());
}

TEST_F(ModelsTest, ARenamedModelTakesEverythingAlong) {
  Register(ModelOf("old"));
  Register(ModelOf("taken"));
  Register(ModelOf("was there"));
  EXPECT_OK(store->models().Delete("was there", 1));
  EXPECT_OK(store->models().SetTag("old", "a", "1"));
  EXPECT_OK(store->models().SetAlias("old", "best", 1));
  EXPECT_ERROR(store->models().Rename("old", "taken"), ErrorCode::kConflict, "'taken'");
  EXPECT_ERROR(store->models().Rename("nobody", "x"), ErrorCode::kNotFound, "'nobody'");

  clock.Advance(std::chrono::seconds(5));
  const Model renamed = ROOST_VALUE(store->models().Rename("old", "was there"));
  EXPECT_EQ(renamed.updated_at, clock.Now());
  EXPECT_LT(renamed.created_at, clock.Now());
  EXPECT_THAT(renamed.tags, ElementsAre(std::pair("a", "1")));
  EXPECT_THAT(renamed.aliases, ElementsAre(ModelAlias{"best", 1}));
  EXPECT_EQ(ROOST_VALUE(store->models().Files("was there", 1)).size(), 2U);
  EXPECT_ERROR(store->models().GetModel("old"), ErrorCode::kNotFound, "'old'");
  EXPECT_EQ(Register(ModelOf("was there")).version, 2);
  EXPECT_EQ(ROOST_VALUE(store->models().Rename("was there", "was there")).latest_version, 2);
}

TEST_F(ModelsTest, AliasesMoveAndGoWithTheirVersion) {
  for (int i = 0; i < 3; ++i) Register(ModelOf("net"));
  EXPECT_OK(store->models().SetAlias("net", "best", 1));
  EXPECT_OK(store->models().SetAlias("net", "best", 2));
  EXPECT_OK(store->models().SetAlias("net", "also", 2));
  EXPECT_ERROR(store->models().SetAlias("net", "best", 9), ErrorCode::kNotFound, "no version 9");
  EXPECT_THAT(ROOST_VALUE(store->models().Get("net", 2)).aliases, ElementsAre("also", "best"));
  EXPECT_THAT(ROOST_VALUE(store->models().Get("net", 1)).aliases, IsEmpty());
  EXPECT_THAT(ROOST_VALUE(store->models().GetModel("net")).aliases,
              ElementsAre(ModelAlias{"also", 2}, ModelAlias{"best", 2}));
  EXPECT_OK(store->models().DeleteAlias("net", "also"));
  EXPECT_OK(store->models().DeleteAlias("net", "also"));
  EXPECT_OK(store->models().SetAlias("net", "old", 1));
  EXPECT_OK(store->models().Delete("net", 2));
  EXPECT_THAT(ROOST_VALUE(store->models().GetModel("net")).aliases,
              ElementsAre(ModelAlias{"old", 1}));
}

TEST_F(ModelsTest, AStageTakesItsVersionAndArchivesTheOthersWhenAsked) {
  using spec::ModelStage;
  for (int i = 0; i < 4; ++i) Register(ModelOf("net"));
  Register(ModelOf("other"));
  Models& models = store->models();
  const auto move = [&](const char* name, int version, ModelStage stage, Models::Others others) {
    return ROOST_VALUE(models.MoveToStage(name, version, stage, others)).stage;
  };
  EXPECT_EQ(move("other", 1, ModelStage::kProduction, Models::Others::kStay),
            ModelStage::kProduction);
  EXPECT_EQ(move("net", 1, ModelStage::kProduction, Models::Others::kStay),
            ModelStage::kProduction);
  EXPECT_EQ(move("net", 2, ModelStage::kProduction, Models::Others::kStay),
            ModelStage::kProduction);
  EXPECT_EQ(move("net", 3, ModelStage::kProduction, Models::Others::kAreArchived),
            ModelStage::kProduction);
  std::vector<ModelStage> stages;
  for (const auto& version : ROOST_VALUE(models.Versions("net"))) stages.push_back(version.stage);
  EXPECT_THAT(stages, ElementsAre(ModelStage::kNone, ModelStage::kProduction, ModelStage::kArchived,
                                  ModelStage::kArchived));
  EXPECT_EQ(ROOST_VALUE(models.Get("other", 1)).stage, ModelStage::kProduction);

  std::vector<std::string> latest;
  for (const auto& version : ROOST_VALUE(models.LatestOfStages({"net", "nobody", "other"}))) {
    latest.push_back(version.name + ":" + std::to_string(version.version));
  }
  EXPECT_THAT(latest, ElementsAre("net:2", "net:3", "net:4", "other:1"));
  EXPECT_ERROR(models.MoveToStage("net", 9, ModelStage::kNone, Models::Others::kStay),
               ErrorCode::kNotFound, "no version 9");
}

TEST_F(ModelsTest, TagsAreNoChangeOfTheVersion) {
  Register(ModelOf("net"));
  const Micros before = clock.Now();
  clock.Advance(std::chrono::seconds(5));
  EXPECT_OK(store->models().SetVersionTag("net", 1, "a", "1"));
  EXPECT_OK(store->models().SetVersionTag("net", 1, "a", "2"));
  EXPECT_OK(store->models().SetVersionTag("net", 1, "b", "3"));
  EXPECT_OK(store->models().DeleteVersionTag("net", 1, "b"));
  EXPECT_OK(store->models().DeleteVersionTag("net", 1, "never there"));
  const ModelVersion version = ROOST_VALUE(store->models().Get("net", 1));
  EXPECT_THAT(version.tags, ElementsAre(std::pair("a", "2")));
  EXPECT_EQ(version.updated_at, before);
  EXPECT_OK(store->models().SetTag("net", "a", "1"));
  EXPECT_OK(store->models().DeleteTag("net", "never there"));
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("net")).updated_at, before);
  EXPECT_ERROR(store->models().SetVersionTag("net", 9, "a", ""), ErrorCode::kNotFound, "9");
  EXPECT_ERROR(store->models().SetTag("nobody", "a", ""), ErrorCode::kNotFound, "'nobody'");
}

TEST_F(ModelsTest, AVersionOfFilesElsewhereNeedsItsModelAndNothingElse) {
  NewModelVersion model;
  model.name = "net";
  model.origin = Origin::kMlflow;
  model.source = "s3://bucket/model";
  model.run_id = "of another server";
  model.run_link = "http://there/run";
  model.logged_model_id = "m-1";
  EXPECT_ERROR(store->models().Register(model), ErrorCode::kNotFound, "'net'");
  NewModel made;
  made.name = "net";
  EXPECT_OK(store->models().Create(made));
  Register(model);
  const ModelVersion kept = ROOST_VALUE(store->models().Get("net", 1));
  EXPECT_EQ(kept.source, "s3://bucket/model");
  EXPECT_EQ(kept.run_id, "of another server");
  EXPECT_EQ(kept.run_link, "http://there/run");
  EXPECT_EQ(kept.logged_model_id, "m-1");
  EXPECT_EQ(kept.experiment_name, "");
  EXPECT_EQ(kept.file_count, 0);
}

TEST_F(ModelsTest, AChangedVersionChangesItsModelUnlessItIsOnlyDescribed) {
  Register(ModelOf("net"));
  const Micros before = clock.Now();
  clock.Advance(std::chrono::seconds(5));
  const ModelVersion described = ROOST_VALUE(store->models().DescribeVersion("net", 1, "d"));
  EXPECT_EQ(described.description, "d");
  EXPECT_EQ(described.updated_at, clock.Now());
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("net")).updated_at, before);
  EXPECT_OK(store->models().Update("net", 1, {}, {{"a", "1"}}));
  EXPECT_EQ(ROOST_VALUE(store->models().Get("net", 1)).description, "d");
  EXPECT_EQ(ROOST_VALUE(store->models().GetModel("net")).updated_at, clock.Now());
  EXPECT_ERROR(store->models().DescribeVersion("net", 9, ""), ErrorCode::kNotFound, "9");
}

// Tags were JSON in the version's row.
TEST_F(ModelsTest, AnOlderStoreKeepsItsModels) {
  NewModelVersion model = ModelOf("net");
  model.tags = {{"a", "1"}, {"b", "two \"words\""}};
  Register(model);
  Register(ModelOf("gone"));
  EXPECT_OK(store->models().Delete("gone", 1));
  const Micros made = clock.Now();
  EXPECT_OK(store->database().Write(Lane::kState, [](WriteContext& context) -> Status {
    ROOST_TRY(context.db.Execute(kBeforeTheRegistry));
    return context.db.Execute(kModelRegistrySchema);
  }));
  clock.Advance(std::chrono::seconds(5));
  const ModelVersion kept = ROOST_VALUE(store->models().Get("net", 1));
  EXPECT_EQ(kept.tags, model.tags);
  EXPECT_EQ(kept.stage, spec::ModelStage::kNone);
  const auto models = ROOST_VALUE(store->models().List("", 10));
  ASSERT_EQ(models.size(), 1U);
  EXPECT_EQ(models[0].name, "net");
  EXPECT_EQ(models[0].created_at, made);
  EXPECT_EQ(models[0].updated_at, made);
  EXPECT_EQ(models[0].submitter, "owner");
  EXPECT_EQ(Register(ModelOf("gone")).version, 2);
}

}  // namespace
}  // namespace roost::store
