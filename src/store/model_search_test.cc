#include "store/store_test_fixture.h"

namespace roost::store {
namespace {

using spec::Comparison;
using spec::FieldKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ModelSearchTest : public StoreFixture {
 protected:
  void SetUp() override {
    Create("boat", {{"team", "Vision"}});
    Create("apple", {{"team", "speech"}, {"kind", "small"}});
    Create("50%_cat", {});
    Create("greeting", {{kPromptTag, "true"}});
    AddVersion("boat", "s3://bucket/one", "run-a", {{"lr", "0.1"}});
    AddVersion("boat", "s3://bucket/two", "run-b", {{"lr", "0.2"}});
    AddVersion("apple", "s3://other/one", "run-a", {});
    AddVersion("greeting", "prompt", "", {{kPromptTag, "true"}});
    AddVersion("greeting", "prompt", "", {});
  }

  void Create(const std::string& name, std::map<std::string, std::string> tags) {
    NewModel model;
    model.name = name;
    model.tags = std::move(tags);
    EXPECT_OK(store->models().Create(model));
    clock.Advance(std::chrono::seconds(1));
  }
  void AddVersion(const std::string& name, const std::string& source, const std::string& run,
                  std::map<std::string, std::string> tags) {
    NewModelVersion version;
    version.name = name;
    version.origin = Origin::kMlflow;
    version.source = source;
    version.run_id = run;
    version.tags = std::move(tags);
    EXPECT_OK(store->models().Register(version));
    clock.Advance(std::chrono::seconds(1));
  }

  using Values = std::vector<std::variant<double, std::string>>;
  static spec::Condition Attribute(const std::string& name, Comparison comparison, Values values) {
    return {{FieldKind::kAttribute, name}, comparison, std::move(values)};
  }
  static spec::Condition Tag(const std::string& key, Comparison comparison, Values values) {
    return {{FieldKind::kTag, key}, comparison, std::move(values)};
  }
  static spec::OrderBy By(const std::string& name, bool descending = false) {
    return {{FieldKind::kAttribute, name}, descending};
  }
  static ModelSearch Where(std::vector<spec::Condition> conditions) {
    ModelSearch search;
    search.conditions = std::move(conditions);
    return search;
  }

  std::vector<std::string> Models(const ModelSearch& search) {
    std::vector<std::string> names;
    for (const Model& model : ROOST_VALUE(store->models().Search(search))) {
      names.push_back(model.name);
    }
    return names;
  }
  std::vector<std::string> Versions(const ModelSearch& search) {
    std::vector<std::string> found;
    for (const auto& version : ROOST_VALUE(store->models().SearchVersions(search))) {
      found.push_back(version.name + ":" + std::to_string(version.version));
    }
    return found;
  }
};

TEST_F(ModelSearchTest, ModelsComeByName) {
  EXPECT_THAT(Models({}), ElementsAre("50%_cat", "apple", "boat", "greeting"));
  ModelSearch search;
  search.hide_prompts = true;
  EXPECT_THAT(Models(search), ElementsAre("50%_cat", "apple", "boat"));
}

TEST_F(ModelSearchTest, ModelsByNameAndTags) {
  EXPECT_THAT(Models(Where({Attribute("name", Comparison::kEq, {"boat"})})), ElementsAre("boat"));
  EXPECT_THAT(Models(Where({Attribute("name", Comparison::kNe, {"boat"})})),
              ElementsAre("50%_cat", "apple", "greeting"));
  EXPECT_THAT(Models(Where({Attribute("name", Comparison::kLike, {"%A%"})})), IsEmpty());
  EXPECT_THAT(Models(Where({Attribute("name", Comparison::kILike, {"%A%"})})),
              ElementsAre("50%_cat", "apple", "boat"));
  EXPECT_THAT(Models(Where({Tag("team", Comparison::kEq, {"Vision"})})), ElementsAre("boat"));
  EXPECT_THAT(Models(Where({Tag("team", Comparison::kNe, {"Vision"})})), ElementsAre("apple"));
  EXPECT_THAT(Models(Where({Tag("team", Comparison::kILike, {"%I%"})})), ElementsAre("boat"));
  EXPECT_THAT(Models(Where({Tag("team", Comparison::kEq, {"speech"}),
                            Tag("kind", Comparison::kLike, {"sm%"})})),
              ElementsAre("apple"));
  EXPECT_THAT(Models(Where({Tag("team", Comparison::kEq, {"speech"}),
                            Tag("kind", Comparison::kEq, {"large"})})),
              IsEmpty());
  EXPECT_ERROR(store->models().Search(Where({Attribute("odd", Comparison::kEq, {"x"})})),
               ErrorCode::kInvalidArgument, "'odd'");
}

TEST_F(ModelSearchTest, ModelsInOtherOrdersAndPages) {
  ModelSearch search;
  search.order = {By("last_updated_timestamp", true)};
  EXPECT_THAT(Models(search), ElementsAre("greeting", "apple", "boat", "50%_cat"));
  search.order = {By("name", true)};
  search.offset = 1;
  search.limit = 2;
  EXPECT_THAT(Models(search), ElementsAre("boat", "apple"));
  search.offset = 4;
  EXPECT_THAT(Models(search), IsEmpty());
}

TEST_F(ModelSearchTest, VersionsComeLastChangedFirst) {
  EXPECT_THAT(Versions({}), ElementsAre("greeting:2", "greeting:1", "apple:1", "boat:2", "boat:1"));
  ModelSearch search;
  search.hide_prompts = true;
  EXPECT_THAT(Versions(search), ElementsAre("apple:1", "boat:2", "boat:1"));
}

TEST_F(ModelSearchTest, VersionsByTheirFields) {
  EXPECT_THAT(Versions(Where({Attribute("name", Comparison::kEq, {"boat"})})),
              ElementsAre("boat:2", "boat:1"));
  EXPECT_THAT(Versions(Where({Attribute("version_number", Comparison::kGe, {2.0})})),
              ElementsAre("greeting:2", "boat:2"));
  EXPECT_THAT(Versions(Where({Attribute("run_id", Comparison::kIn, {"run-b", "run-c"})})),
              ElementsAre("boat:2"));
  EXPECT_THAT(Versions(Where({Attribute("source_path", Comparison::kLike, {"s3://b%"})})),
              ElementsAre("boat:2", "boat:1"));
  EXPECT_THAT(Versions(Where({Tag("lr", Comparison::kNe, {"0.2"})})), ElementsAre("boat:1"));
}

TEST_F(ModelSearchTest, VersionsInOtherOrders) {
  ModelSearch search;
  search.hide_prompts = true;
  search.order = {By("creation_timestamp")};
  EXPECT_THAT(Versions(search), ElementsAre("boat:1", "boat:2", "apple:1"));
  search.order = {By("name", true)};
  EXPECT_THAT(Versions(search), ElementsAre("boat:2", "boat:1", "apple:1"));
  search.order = {By("version_number"), By("name", true)};
  EXPECT_THAT(Versions(search), ElementsAre("boat:1", "apple:1", "boat:2"));
}

// Times that differ by less than a millisecond are equal to clients.
TEST_F(ModelSearchTest, TimesAreComparedInMilliseconds) {
  clock.SetWall(1'800'000'000'000'000);
  AddVersion("boat", "s3://x", "", {});
  clock.SetWall(1'800'000'000'000'400);
  AddVersion("apple", "s3://x", "", {});
  ModelSearch search;
  search.limit = 2;
  EXPECT_THAT(Versions(search), ElementsAre("apple:2", "boat:3"));
  clock.SetWall(1'800'000'000'001'000);
  EXPECT_OK(store->models().Update("boat", 3, "now later", {}));
  EXPECT_THAT(Versions(search), ElementsAre("boat:3", "apple:2"));
}

}  // namespace
}  // namespace roost::store
