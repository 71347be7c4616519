#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "store/run_search_test_fixture.h"

// Run search against an oracle that looks at every run.
namespace roost::store {
namespace {

using spec::Lifecycle;
using spec::RunKind;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct OracleRun {
  std::string id;
  std::int64_t age = 0;  // order of arrival
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> tags;
  std::string display_name;
  std::string state;
  std::string experiment;
  bool archived = false;
};

class RunSearchOracleTest : public RunSearchTest {
 protected:
  // Few distinct values, so that ties, NaN and missing values are everywhere.
  void MakeRuns(int count) {
    const Experiment other = ROOST_VALUE(store->experiments().Create({.name = "other"}));
    for (int i = 0; i < count; ++i) {
      OracleRun wanted;
      wanted.id = "run" + std::to_string(i);
      wanted.age = i;
      NewRun run = RunOf(wanted.id, RunKind::kTracked);
      run.display_name = wanted.display_name = "name" + std::to_string(Pick(5));
      if (Pick(3) == 0) {
        run.experiment = other.id;
        wanted.experiment = "other";
      }
      for (const char* tag : {"team", "rare"}) {
        if (Pick(tag[0] == 't' ? 2 : 30) != 0) continue;
        run.tags[tag] = wanted.tags[tag] = std::to_string(Pick(4));
      }
      const RunRow made = Add(run);
      for (const char* metric : {"acc", "loss", "rare"}) {
        if (Pick(metric[0] == 'r' ? 20 : 5) == (metric[0] == 'r' ? 0 : 1)) continue;
        if (metric[0] == 'r' && Pick(20) != 0) continue;
        const double value = Pick(10) == 0 ? kNan : static_cast<double>(Pick(8)) / 2 - 1;
        Log(made, metric, {7, value});
        wanted.metrics[metric] = value;
      }
      wanted.state = "Running";
      if (Pick(2) == 0) {
        wanted.state = "Completed";
        Finish(made);
        if (Pick(4) == 0) {
          wanted.archived = true;
          EXPECT_OK(store->runs().SetLifecycle(made.key, Lifecycle::kArchived));
        }
      }
      runs_.push_back(std::move(wanted));
    }
  }

  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  struct Query {
    RunSearch search;
    std::string text;
    std::vector<std::function<bool(const OracleRun&)>> tests;
    std::function<std::optional<std::variant<double, std::string>>(const OracleRun&)> value;
  };

  void AddCondition(Query* query) {
    const std::string names[] = {"acc", "loss", "rare", "never"};
    switch (Pick(6)) {
      case 0:
      case 1: {
        const std::string name = names[Pick(4)];
        const double bound = static_cast<double>(Pick(10)) / 2 - 1;
        const bool greater = Pick(2) == 0;
        query->text += " metrics." + name + (greater ? " > " : " <= ") + std::to_string(bound);
        query->tests.push_back([=](const OracleRun& run) {
          const auto found = run.metrics.find(name);
          if (found == run.metrics.end() || std::isnan(found->second)) return false;
          return greater ? found->second > bound : found->second <= bound;
        });
        break;
      }
      case 2: {
        const std::string tag = Pick(2) == 0 ? "team" : "rare";
        const std::string value = std::to_string(Pick(5));
        query->text += " tags." + tag + " = '" + value + "'";
        query->tests.push_back([=](const OracleRun& run) {
          const auto found = run.tags.find(tag);
          return found != run.tags.end() && found->second == value;
        });
        break;
      }
      case 3: {
        query->text += " status = 'Completed'";
        query->tests.push_back([](const OracleRun& run) { return run.state == "Completed"; });
        break;
      }
      case 4: {
        const std::string name = "name" + std::to_string(Pick(6));
        query->text += " display_name != '" + name + "'";
        query->tests.push_back([=](const OracleRun& run) { return run.display_name != name; });
        break;
      }
      default: {
        const std::string name = names[Pick(4)];
        query->text += " metrics." + name + " IS NULL";
        query->tests.push_back([=](const OracleRun& run) { return !run.metrics.contains(name); });
      }
    }
    query->text += " AND";
  }

  Query MakeQuery() {
    Query query;
    for (int i = Pick(3); i > 0; --i) AddCondition(&query);
    if (!query.text.empty()) query.text.resize(query.text.size() - 4);
    std::string order;
    query.value = [](const OracleRun&) { return std::nullopt; };
    switch (Pick(4)) {
      case 0: {
        const std::string name =
            std::vector<std::string>{"acc", "loss", "rare"}[static_cast<std::size_t>(Pick(3))];
        order = "metrics." + name;
        query.value =
            [=](const OracleRun& run) -> std::optional<std::variant<double, std::string>> {
          const auto found = run.metrics.find(name);
          if (found == run.metrics.end()) return std::nullopt;
          return found->second;
        };
        break;
      }
      case 1:
        order = "tags.team";
        query.value = [](const OracleRun& run) -> std::optional<std::variant<double, std::string>> {
          const auto found = run.tags.find("team");
          if (found == run.tags.end()) return std::nullopt;
          return found->second;
        };
        break;
      case 2:
        order = "display_name";
        query.value = [](const OracleRun& run) { return run.display_name; };
        break;
      default:
        break;
    }
    query.search = Where(query.text, order.empty() ? "" : order + (Pick(2) == 0 ? " DESC" : ""));
    if (Pick(3) == 0) {
      query.search.experiments = {"other"};
      query.tests.push_back([](const OracleRun& run) { return run.experiment == "other"; });
    }
    if (Pick(4) == 0) {
      query.search.lifecycle = Lifecycle::kArchived;
      query.tests.push_back([](const OracleRun& run) { return run.archived; });
    } else if (Pick(2) == 0) {
      query.tests.push_back([](const OracleRun& run) { return !run.archived; });
    } else {
      query.search.lifecycle.reset();
    }
    query.text += " by " + order;
    return query;
  }

  std::vector<std::string> Expected(const Query& query) const {
    std::vector<const OracleRun*> found;
    for (const OracleRun& run : runs_) {
      if (std::all_of(query.tests.begin(), query.tests.end(),
                      [&](const auto& test) { return test(run); })) {
        found.push_back(&run);
      }
    }
    const bool descending = !query.search.order.empty() && query.search.order[0].descending;
    const auto rank = [&](const OracleRun& run) {
      const auto value = query.value(run);
      if (!value) return 2;
      const auto* number = std::get_if<double>(&*value);
      return number != nullptr && std::isnan(*number) ? 1 : 0;
    };
    std::sort(found.begin(), found.end(), [&](const OracleRun* a, const OracleRun* b) {
      if (rank(*a) != rank(*b)) return rank(*a) < rank(*b);
      if (rank(*a) == 0 && query.value(*a) != query.value(*b)) {
        return (*query.value(*a) < *query.value(*b)) != descending;
      }
      return a->age > b->age;
    });
    std::vector<std::string> ids;
    for (const OracleRun* run : found) ids.push_back(run->id);
    return ids;
  }

  std::mt19937 random_{20261121};
  std::vector<OracleRun> runs_;
};

TEST_F(RunSearchOracleTest, EverySearchGivesWhatLookingAtEveryRunGives) {
  MakeRuns(600);
  std::set<std::size_t> sizes;
  for (int i = 0; i < 300; ++i) {
    Query query = MakeQuery();
    const std::vector<std::string> expected = Expected(query);
    // Small pages make the planner prefer indices, large ones sorting.
    for (const int limit : {1 + Pick(40), 1000}) {
      query.search.limit = std::max(limit, static_cast<int>(expected.size()) / 25);
      ASSERT_EQ(AllPages(query.search), expected) << query.text << " limit " << limit;
    }
    sizes.insert(expected.size());
  }
  EXPECT_GT(sizes.size(), 50U);  // the searches were not all alike
}

// More candidates than a page may look at: short pages, but the whole in the end.
TEST_F(RunSearchOracleTest, APageThatWouldTakeLongIsGivenAsItIs) {
  constexpr int kRuns = 20'000;
  EXPECT_OK(store->database().Write(Lane::kBulk, [&](WriteContext& context) -> Status {
    ROOST_TRY(context.db.Execute(
        "INSERT INTO metric_names VALUES(1, 'acc'), (2, 'loss');"
        "INSERT INTO runs(id, number, experiment, kind, state, reason, lifecycle_changed_at, "
        "display_name, description, submitter, compute_target, created_at) WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'run' || i, i, 0, "
        "'tracked', 'Running', '', 0, '', '', '', '', 0 FROM n;"
        "INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, last) SELECT key, "
        "1, 0, 1, 0, 0, key FROM runs;"
        // The half of the runs that matches stands at both ends of the order.
        "INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, last) SELECT key, "
        "2, 0, 1, 0, 0, key < 10 OR key > 10000 FROM runs;"));
    return {};
  }));
  RunSearch search = Where("metrics.loss > 0", "metrics.acc ASC");
  const RunPage first = ROOST_VALUE(store->runs().Search(search));
  EXPECT_EQ(first.runs.size(), 9U);
  EXPECT_FALSE(first.next_page_token.empty());
  search.limit = 1000;
  const auto all = AllPages(search);
  ASSERT_EQ(all.size(), 9U + kRuns - 10'000U);
  EXPECT_EQ(all[9], "run10001");
  EXPECT_EQ(all.back(), "run20000");
}

}  // namespace
}  // namespace roost::store
