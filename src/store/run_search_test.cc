#include <limits>

#include "store/run_search_test_fixture.h"

namespace roost::store {
namespace {

using spec::Comparison;
using spec::FieldKind;
using spec::Lifecycle;
using spec::RunKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_F(RunSearchTest, NewestFirstWithoutAnOrder) {
  for (const char* id : {"a", "b", "c"}) Add(id);
  EXPECT_THAT(Ids({}), ElementsAre("c", "b", "a"));
  RunSearch pages;
  pages.limit = 2;
  EXPECT_THAT(AllPages(pages), ElementsAre("c", "b", "a"));
}

TEST_F(RunSearchTest, LastValuesFirstThenNanThenNone) {
  Log(Add("low"), "acc", {0.9, 0.1});
  Log(Add("high"), "acc", {0.1, 0.9});
  Log(Add("nan"), "acc", {0.5, kNan});
  Add("none");
  Log(Add("infinite"), "acc", {kInfinity});
  Log(Add("same as high"), "acc", {0.9});
  EXPECT_THAT(Ids(Where("", "metrics.acc DESC")),
              ElementsAre("infinite", "same as high", "high", "low", "nan", "none"));
  EXPECT_THAT(Ids(Where("", "metrics.acc ASC")),
              ElementsAre("low", "same as high", "high", "infinite", "nan", "none"));
  EXPECT_THAT(Ids(Where("", "metrics.unknown")),
              ElementsAre("same as high", "infinite", "none", "nan", "high", "low"));
}

TEST_F(RunSearchTest, ConditionsMeanWhatTheySay) {
  const RunRow a = Add([] {
    NewRun run = RunOf("a", RunKind::kTracked);
    run.display_name = "brave_falcon";
    run.tags = {{"team", "vision"}, {"flag", std::nullopt}};
    run.properties = {{"branch", "main"}};
    return run;
  }());
  Log(a, "acc", {0.5});
  Log(a, "val/acc", {kNan});
  PutParam(a, "lr", "0.1");
  clock.Advance(std::chrono::seconds(10));
  const RunRow b = Add([] {
    NewRun run = RunOf("b");
    run.display_name = "Brave*Owl";
    run.parent_id = "a";
    run.tags = {{"team", "100%"}};
    return run;
  }());
  Log(b, "acc", {0.7});
  const std::string a_time = "'" + FormatTime(a.created_at) + "'";
  const std::string a_millis = std::to_string(a.created_at / 1000);

  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"metrics.acc > 0.5", {"b"}},
      {"metrics.acc >= 0.5", {"b", "a"}},
      {"metrics.acc = 0.5", {"a"}},
      {"metrics.acc != 0.5", {"b"}},
      {"metrics.acc < 0.6 AND tags.team = 'vision'", {"a"}},
      {"metrics.acc < 0.6 AND tags.team = '100%'", {}},
      {"metrics.`val/acc` > 0", {}},
      {"metrics.`val/acc` != 0", {"a"}},
      {"metrics.`val/acc` IS NOT NULL", {"a"}},
      {"metrics.`val/acc` IS NULL", {"b"}},
      {"metrics.nobody IS NULL", {"b", "a"}},
      {"metrics.nobody = 1", {}},
      {"tags.team != 'vision'", {"b"}},
      {"tags.team LIKE '1__\x25'", {"b"}},
      {"tags.team LIKE 'VISION'", {}},
      {"tags.team ILIKE 'VIS%'", {"a"}},
      {"tags.team IN ('vision', 'x')", {"a"}},
      {"tags.team NOT IN ('vision', 'x')", {"b"}},
      {"tags.flag IS NOT NULL", {"a"}},
      {"tags.flag IS NULL", {"b"}},
      {"tags.flag = ''", {}},
      {"params.lr = '0.1'", {"a"}},
      {"properties.branch LIKE 'ma%'", {"a"}},
      {"run_id = 'a'", {"a"}},
      {"run_id IN ('a', 'b', 'c')", {"b", "a"}},
      {"display_name LIKE 'Brave*%'", {"b"}},
      {"display_name ILIKE 'brave%'", {"b", "a"}},
      {"status = 'Running'", {"a"}},
      {"status IN ('Queued', 'Running')", {"b", "a"}},
      {"status LIKE 'Queue%'", {"b"}},
      {"experiment = 'Default'", {"b", "a"}},
      {"experiment = 'other'", {}},
      {"created_at <= " + a_time, {"a"}},
      {"created_at > " + a_millis, {"b"}},
      {"started_at IS NULL", {"b"}},
      {"ended_at IS NOT NULL", {}},
      {"duration_seconds >= 10", {"a"}},
      {"duration_seconds > 10", {}},
      {"submitter = 'owner'", {"b", "a"}},
      {"compute_target != 'local'", {}},
      {"parent = 'a'", {"b"}},
      {"parent IS NULL", {"a"}},
      {"kind = 'tracked'", {"a"}},
  };
  for (const auto& [filter, expected] : cases) {
    EXPECT_EQ(Ids(Where(filter)), expected) << filter;
    // The same from another plan.
    EXPECT_EQ(Ids(Where(filter, "created_at DESC")), expected) << filter;
  }
}

TEST_F(RunSearchTest, OrdersThatNoIndexHas) {
  NewRun slow = RunOf("slow", RunKind::kTracked);
  Add(slow);
  clock.Advance(std::chrono::seconds(5));
  NewRun quick = RunOf("quick", RunKind::kTracked);
  quick.compute_target = "abacus";
  Add(quick);
  Add("waits");
  EXPECT_THAT(Ids(Where("", "duration_seconds DESC")), ElementsAre("slow", "quick", "waits"));
  EXPECT_THAT(Ids(Where("", "compute_target ASC")), ElementsAre("quick", "waits", "slow"));
  EXPECT_THAT(Ids(Where("", "started_at DESC")), ElementsAre("quick", "slow", "waits"));
  EXPECT_THAT(Ids(Where("", "run_id ASC")), ElementsAre("quick", "slow", "waits"));
}

TEST_F(RunSearchTest, LifecycleExperimentAndParentNarrowTheSearch) {
  ROOST_VALUE(store->experiments().Create({.name = "other"}));
  Add("active");
  NewRun elsewhere = RunOf("elsewhere");
  elsewhere.experiment = ROOST_VALUE(store->experiments().GetByName("other")).id;
  elsewhere.parent_id = "active";
  Add(elsewhere);
  for (const auto lifecycle : {Lifecycle::kArchived, Lifecycle::kDeleted}) {
    const RunRow run = Add(std::string(spec::ToString(lifecycle)));
    Finish(run);
    EXPECT_OK(store->runs().SetLifecycle(run.key, lifecycle));
  }
  const auto with = [&](std::optional<Lifecycle> lifecycle, std::vector<std::string> experiments,
                        const std::string& parent) {
    RunSearch search;
    search.lifecycle = lifecycle;
    search.experiments = std::move(experiments);
    search.parent_id = parent;
    return Ids(search);
  };
  EXPECT_THAT(with(Lifecycle::kActive, {}, ""), ElementsAre("elsewhere", "active"));
  EXPECT_THAT(with(Lifecycle::kArchived, {}, ""), ElementsAre("archived"));
  EXPECT_THAT(with(Lifecycle::kDeleted, {}, ""), ElementsAre("deleted"));
  EXPECT_THAT(with({}, {}, ""), ElementsAre("archived", "elsewhere", "active"));
  EXPECT_THAT(with({}, {"Default"}, ""), ElementsAre("archived", "active"));
  EXPECT_THAT(with({}, {"Default", "other"}, ""), ElementsAre("archived", "elsewhere", "active"));
  EXPECT_THAT(with({}, {"nothing"}, ""), IsEmpty());
  EXPECT_THAT(with({}, {}, "active"), ElementsAre("elsewhere"));
}

TEST_F(RunSearchTest, TokensBelongToTheirSearch) {
  for (const char* id : {"a", "b", "c"}) Add(id);
  RunSearch search = Where("status = 'Queued'", "display_name");
  search.limit = 1;
  search.page_token = ROOST_VALUE(store->runs().Search(search)).next_page_token;
  EXPECT_THAT(Ids(search), ElementsAre("b"));
  search.limit = 2;  // a page may have another size
  EXPECT_THAT(Ids(search), ElementsAre("b", "c"));

  RunSearch other = Where("status = 'Queued'", "display_name DESC");
  other.page_token = search.page_token;
  EXPECT_ERROR(store->runs().Search(other), ErrorCode::kInvalidArgument, "another search");
  other = Where("status = 'Running'", "display_name");
  other.page_token = search.page_token;
  EXPECT_ERROR(store->runs().Search(other), ErrorCode::kInvalidArgument, "another search");
  for (const std::string& token :
       {std::string("x"), std::string("a.b.c.d"), search.page_token + "0x", std::string("...")}) {
    search.page_token = token;
    EXPECT_ERROR(store->runs().Search(search), ErrorCode::kInvalidArgument, "page token") << token;
  }
}

TEST_F(RunSearchTest, ExperimentsThatDoNotExistHaveNoRuns) {
  Add(RunOf("a"));
  for (const std::size_t unknown : {1, 2}) {
    for (const auto lifecycle : {spec::Lifecycle::kActive, spec::Lifecycle::kArchived}) {
      RunSearch search;
      search.experiments.assign(unknown, "nowhere");
      search.lifecycle = lifecycle;
      EXPECT_THAT(Ids(search), IsEmpty());
    }
  }
}

TEST_F(RunSearchTest, WordsOfUsersAreNeverSql) {
  NewRun run = RunOf("a");
  run.tags = {{"it's", "a ' quote"}};
  Add(run);
  RunSearch search;
  search.filter = {{{FieldKind::kTag, "it's"}, Comparison::kEq, {std::string("a ' quote")}}};
  EXPECT_THAT(Ids(search), ElementsAre("a"));
  search.filter = {{{FieldKind::kTag, "x"}, Comparison::kEq, {std::string("' OR 1 --")}}};
  EXPECT_THAT(Ids(search), IsEmpty());
  search.filter = {{{FieldKind::kAttribute, "lifecycle"}, Comparison::kEq, {std::string("x")}}};
  EXPECT_ERROR(store->runs().Search(search), ErrorCode::kInvalidArgument, "'lifecycle'");
  search.filter = {{{FieldKind::kMetric, "m"}, Comparison::kEq, {std::string("x")}}};
  EXPECT_ERROR(store->runs().Search(search), ErrorCode::kInvalidArgument, "is a number");
}

}  // namespace
}  // namespace roost::store
