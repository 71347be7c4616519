#include "store/models.h"

#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace roost::store
