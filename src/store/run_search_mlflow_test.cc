#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>

#include "spec/mlflow_run_search.h"
#include "store/run_search_test_fixture.h"

// Searches of runs in MLflow's form, against an oracle that looks at every run.
namespace roost::store {
namespace {

using spec::Lifecycle;
using Value = std::variant<double, std::string>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct OracleRun {
  std::string id;
  double start_time = 0;    // in milliseconds
  double start_micros = 0;  // which the order knows
  std::optional<double> end_time;
  std::string name;
  std::string status;
  std::string user;
  std::int64_t experiment = 0;
  Lifecycle lifecycle = Lifecycle::kActive;
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> tags;                    // as MLflow's clients see them
  std::vector<std::pair<std::string, std::string>> datasets;  // digest and context
};

class MlflowSearchTest : public RunSearchTest {
 protected:
  static RunSearch Searched(const std::string& filter, const std::vector<std::string>& order = {}) {
    RunSearch search;
    search.experiment_ids = {ExperimentId(0)};
    search.lifecycle.reset();
    search.filter = ROOST_VALUE(spec::ParseMlflowRunFilter(filter));
    search.order = ROOST_VALUE(spec::ParseMlflowRunOrder(order));
    return search;
  }
  // All pages together; all but the last are full.
  std::vector<std::string> FullPages(RunSearch search) {
    std::vector<std::string> ids;
    while (true) {
      const RunPage page = ROOST_VALUE(store->runs().Search(search));
      for (const std::string& id : IdsOf(page.runs)) ids.push_back(id);
      if (page.next_page_token.empty()) return ids;
      EXPECT_EQ(page.runs.size(), static_cast<std::size_t>(search.limit));
      if (page.runs.empty()) return ids;
      search.page_token = page.next_page_token;
    }
  }
  void Sql(const std::string& text) {
    EXPECT_OK(store->database().Write(
        Lane::kBulk, [&](WriteContext& context) -> Status { return context.db.Execute(text); }));
  }
};

class MlflowSearchOracleTest : public MlflowSearchTest {
 protected:
  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  static std::string Quote(const std::string& text) { return "'" + text + "'"; }

  // Few distinct values, so that ties, NaN and missing values are everywhere. Written as rows: what
  // the nouns would write takes too long for many runs.
  void MakeRuns(int count) {
    const Experiment other = ROOST_VALUE(store->experiments().Create({.name = "other"}));
    other_ = other.id.value();
    std::string sql =
        "INSERT INTO metric_names VALUES(1, 'acc'), (2, 'loss'), (3, 'rare');"
        "INSERT INTO input_datasets(key, experiment, name, digest, source_type, source) "
        "VALUES(1, 0, 'd', 'd0', 't', ''), (2, 0, 'd', 'd1', 't', '');";
    for (int i = 0; i < count; ++i) {
      runs_.push_back(MakeRun(i + 1, &sql));
    }
    Sql(sql);
  }

  OracleRun MakeRun(int key, std::string* sql) {
    const char* states[][2] = {{"Running", "RUNNING"},  {"Preparing", "RUNNING"},
                               {"Queued", "SCHEDULED"}, {"Completed", "FINISHED"},
                               {"Failed", "FAILED"},    {"Canceled", "KILLED"}};
    OracleRun run;
    const std::string text = std::to_string(key);
    run.id = std::to_string(random_() % 1000) + "-" + text;
    const auto& [state, status] = states[Pick(6)];
    run.status = status;
    // Microseconds within few milliseconds; without a start it is the time of the making.
    const int micros = 10'000 + Pick(4) * 1000 + Pick(2) * 300;
    const bool has_started = Pick(4) != 0;
    run.start_time = std::floor(micros / 1000.0);
    run.start_micros = micros;
    if (Pick(2) == 0) run.end_time = 20 + Pick(3);
    run.name = "name" + std::to_string(Pick(5));
    run.user = Pick(2) == 0 ? "ann" : "bob";
    run.experiment = Pick(3) == 0 ? other_ : 0;
    const int fate = Pick(8);
    run.lifecycle = fate == 0   ? Lifecycle::kDeleted
                    : fate == 1 ? Lifecycle::kArchived
                                : Lifecycle::kActive;
    run.tags["mlflow.runName"] = run.name;
    std::string parent = "NULL", note;
    if (Pick(10) == 0) {
      const std::string id = "p" + std::to_string(Pick(2));
      run.tags["mlflow.parentRunId"] = id;
      if (Pick(2) == 0) {
        parent = Quote(id);
      } else {
        *sql +=
            "INSERT INTO run_tags VALUES(" + text + ", 'mlflow.parentRunId', " + Quote(id) + ");";
      }
    }
    if (Pick(5) == 0) run.tags["mlflow.note.content"] = note = "note" + std::to_string(Pick(2));
    *sql =
        "INSERT INTO runs(key, id, number, experiment, kind, state, reason, lifecycle, "
        "lifecycle_changed_at, parent_id, display_name, description, submitter, user_id, "
        "compute_target, created_at, started_at, ended_at) VALUES(" +
        text + "," + Quote(run.id) + "," + text + "," + std::to_string(run.experiment) +
        ",'tracked'," + Quote(state) + ",''," + Quote(std::string(spec::ToString(run.lifecycle))) +
        ",0," + parent + "," + Quote(run.name) + "," + Quote(note) + "," +
        (run.user == "ann" ? "'ann','" : "'x','bob") + "','local'," +
        (has_started ? "1," + std::to_string(micros) : std::to_string(micros) + ",NULL") + "," +
        (run.end_time ? std::to_string(static_cast<int>(*run.end_time) * 1000 + 7) : "NULL") +
        ");" + *sql;
    AddMetrics(text, sql, &run);
    for (const char* name : {"lr", "opt"}) {
      if (Pick(4) == 0) continue;
      const std::string value = std::to_string(Pick(name[0] == 'l' ? 2 : 6));
      run.params[name] = value;
      *sql +=
          "INSERT INTO run_params VALUES(" + text + "," + Quote(name) + "," + Quote(value) + ");";
    }
    if (Pick(3) == 0) {
      run.tags["team"] = "Team" + std::to_string(Pick(3));
      *sql += "INSERT INTO run_tags VALUES(" + text + ",'team'," + Quote(run.tags["team"]) + ");";
    }
    for (int dataset = 0; dataset < 2; ++dataset) {
      if (Pick(5) != 0) continue;
      const std::string id = text + "," + std::to_string(dataset + 1);
      const std::string context = Pick(2) == 0 ? "train" : "eval";
      run.datasets.emplace_back("d" + std::to_string(dataset), context);
      *sql += "INSERT INTO run_inputs VALUES(" + id + ");INSERT INTO run_input_tags VALUES(" + id +
              ",'mlflow.data.context'," + Quote(context) + ");";
    }
    return run;
  }

  void AddMetrics(const std::string& key, std::string* sql, OracleRun* run) {
    const char* names[] = {"acc", "loss", "rare"};
    for (int i = 0; i < 3; ++i) {
      if (i == 2 ? Pick(25) != 0 : Pick(6) == 0) continue;
      const double value = Pick(10) == 0 ? kNan : static_cast<double>(Pick(i == 1 ? 2 : 400)) / 2;
      run->metrics[names[i]] = value;
      *sql +=
          "INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, last) VALUES(" +
          key + "," + std::to_string(i + 1) + ",0,1,0," +
          (std::isnan(value) ? "1,NULL" : "0," + std::to_string(value)) + ");";
    }
  }

  // --- Random questions ---

  using Test = std::function<bool(const OracleRun&)>;
  using Key = std::function<std::optional<Value>(const OracleRun&)>;

  struct Query {
    std::string filter;
    std::vector<std::string> order;
    std::vector<Test> tests;
    std::vector<std::pair<Key, bool>> keys;  // descending
    RunSearch search;
  };

  void AddTest(Query* query, const std::string& text, Test test) {
    query->filter += (query->filter.empty() ? "" : " AND ") + text;
    query->tests.push_back(std::move(test));
  }

  void AddTextTest(Query* query, const std::string& field, const Key& key,
                   const std::string& value) {
    const bool is_equal = Pick(3) != 0;
    AddTest(query, field + (is_equal ? " = '" : " != '") + value + "'", [=](const OracleRun& run) {
      const auto found = key(run);
      return found && (std::get<std::string>(*found) == value) == is_equal;
    });
  }

  static Key TagKey(const std::string& name) {
    return [=](const OracleRun& run) -> std::optional<Value> {
      const auto found = run.tags.find(name);
      if (found == run.tags.end()) return std::nullopt;
      return found->second;
    };
  }
  static Key MetricKey(const std::string& name) {
    return [=](const OracleRun& run) -> std::optional<Value> {
      const auto found = run.metrics.find(name);
      if (found == run.metrics.end()) return std::nullopt;
      return found->second;
    };
  }
  static Key ParamKey(const std::string& name) {
    return [=](const OracleRun& run) -> std::optional<Value> {
      const auto found = run.params.find(name);
      if (found == run.params.end()) return std::nullopt;
      return found->second;
    };
  }

  void AddNumberTest(Query* query, const std::string& field, const Key& key, double bound) {
    const char* signs[] = {"<", "<=", ">", ">=", "=", "!="};
    const int sign = Pick(6);
    AddTest(query, field + " " + signs[sign] + " " + std::to_string(bound),
            [=](const OracleRun& run) {
              const auto found = key(run);
              if (!found) return false;
              const double value = std::get<double>(*found);
              if (std::isnan(value)) return sign == 5;
              const bool answers[] = {value<bound, value <= bound, value> bound, value >= bound,
                                      value == bound, value != bound};
              return answers[sign];
            });
  }

  void AddCondition(Query* query) {
    const std::string metric =
        std::vector<std::string>{"acc", "loss", "rare", "never"}[static_cast<std::size_t>(Pick(4))];
    switch (Pick(12)) {
      case 0:
      case 1:
        return AddNumberTest(query, "metrics." + metric, MetricKey(metric), Pick(420) / 2.0 - 5);
      case 2:
        return AddTextTest(query, "params.lr", ParamKey("lr"), std::to_string(Pick(3)));
      case 3:
        return AddTextTest(query, "tags.mlflow.runName", TagKey("mlflow.runName"),
                           "name" + std::to_string(Pick(6)));
      case 4:
        return AddTextTest(query, "tags.mlflow.parentRunId", TagKey("mlflow.parentRunId"),
                           "p" + std::to_string(Pick(3)));
      case 5:
        return AddTest(query, "tags.`mlflow.note.content` IS NULL", [](const OracleRun& run) {
          return !run.tags.contains("mlflow.note.content");
        });
      case 6:
        return AddNumberTest(
            query, "start_time", [](const OracleRun& run) { return run.start_time; },
            10 + Pick(9) / 2.0);
      case 7:
        return AddNumberTest(
            query, "attributes.end_time",
            [](const OracleRun& run) -> std::optional<Value> {
              if (!run.end_time) return std::nullopt;
              return *run.end_time;
            },
            20 + Pick(3));
      case 8:
        return AddTextTest(
            query, "status", [](const OracleRun& run) { return run.status; },
            std::vector<std::string>{"RUNNING", "SCHEDULED", "FINISHED",
                                     "running"}[static_cast<std::size_t>(Pick(4))]);
      case 9:
        return AddTextTest(
            query, "user_id", [](const OracleRun& run) { return run.user; }, "bob");
      case 10: {
        const bool is_capital = Pick(2) == 0;
        return AddTest(
            query, std::string("tags.team ") + (is_capital ? "LIKE" : "ILIKE") + " 't_am%'",
            [=](const OracleRun& run) { return !is_capital && run.tags.contains("team"); });
      }
      default: {
        const std::string digest = "d" + std::to_string(Pick(2));
        const std::string context = Pick(2) == 0 ? "train" : "test";
        if (Pick(2) == 0) {
          return AddTest(query, "dataset.digest IN ('x', '" + digest + "')",
                         [=](const OracleRun& run) {
                           return std::any_of(run.datasets.begin(), run.datasets.end(),
                                              [&](const auto& d) { return d.first == digest; });
                         });
        }
        return AddTest(query, "datasets.context = '" + context + "'", [=](const OracleRun& run) {
          return std::any_of(run.datasets.begin(), run.datasets.end(),
                             [&](const auto& d) { return d.second == context; });
        });
      }
    }
  }

  void AddOrder(Query* query) {
    const std::pair<std::string, Key> keys[] = {
        {"metrics.acc", MetricKey("acc")},
        {"metrics.loss", MetricKey("loss")},
        {"metrics.rare", MetricKey("rare")},
        {"params.lr", ParamKey("lr")},
        {"tags.team", TagKey("team")},
        {"tags.mlflow.parentRunId", TagKey("mlflow.parentRunId")},
        {"run_name", [](const OracleRun& run) { return run.name; }},
        {"status", [](const OracleRun& run) { return run.status; }},
        {"end_time",
         [](const OracleRun& run) -> std::optional<Value> {
           if (!run.end_time) return std::nullopt;
           return *run.end_time;
         }},
        {"run_id", [](const OracleRun& run) { return run.id; }},
    };
    std::set<int> used;
    for (int i = Pick(4); i > 0; --i) {
      const int which = Pick(10);
      if (!used.insert(which).second) continue;
      const bool descending = Pick(2) == 0;
      const auto& [text, key] = keys[which];
      query->order.push_back(text + (descending ? " DESC" : ""));
      query->keys.emplace_back(key, descending);
    }
    // MLflow's ties.
    query->keys.emplace_back([](const OracleRun& run) { return run.start_micros; }, true);
    if (!used.contains(9)) {
      query->keys.emplace_back([](const OracleRun& run) { return run.id; }, false);
    }
  }

  Query MakeQuery() {
    Query query;
    for (int i = Pick(4); i > 0; --i) AddCondition(&query);
    AddOrder(&query);
    query.search = Searched(query.filter, query.order);
    const bool both = Pick(2) == 0;
    if (both) query.search.experiment_ids = {ExperimentId(0), ExperimentId(other_)};
    const int view = Pick(3);
    query.search.with_deleted = view == 1;
    if (view == 2) query.search.lifecycle = Lifecycle::kDeleted;
    query.tests.push_back([=](const OracleRun& run) {
      const bool is_deleted = run.lifecycle == Lifecycle::kDeleted;
      return (both || run.experiment == 0) && (view == 1 || is_deleted == (view == 2));
    });
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
    const auto rank = [](const std::optional<Value>& value) {
      if (!value) return 2;
      const auto* number = std::get_if<double>(&*value);
      return number != nullptr && std::isnan(*number) ? 1 : 0;
    };
    std::sort(found.begin(), found.end(), [&](const OracleRun* a, const OracleRun* b) {
      for (const auto& [key, descending] : query.keys) {
        const auto x = key(*a);
        const auto y = key(*b);
        if (rank(x) != rank(y)) return rank(x) < rank(y);
        if (rank(x) == 0 && *x != *y) return (*x < *y) != descending;
      }
      return false;
    });
    std::vector<std::string> ids;
    for (const OracleRun* run : found) ids.push_back(run->id);
    return ids;
  }

  std::mt19937 random_{20261122};
  std::int64_t other_ = 0;
  std::vector<OracleRun> runs_;
};

TEST_F(MlflowSearchOracleTest, EverySearchGivesWhatLookingAtEveryRunGives) {
  MakeRuns(900);
  std::set<std::size_t> sizes;
  for (int i = 0; i < 400; ++i) {
    Query query = MakeQuery();
    const std::vector<std::string> expected = Expected(query);
    // Small pages make the planner prefer indices, large ones sorting.
    for (const int limit : {1 + Pick(40), 1000}) {
      query.search.limit = std::max(limit, static_cast<int>(expected.size()) / 25);
      ASSERT_EQ(FullPages(query.search), expected)
          << query.filter << " by " << ::testing::PrintToString(query.order) << " limit " << limit;
    }
    sizes.insert(expected.size());
  }
  EXPECT_GT(sizes.size(), 50U);  // the searches were not all alike
}

// Twenty thousand runs: acc is the key, loss is above 0 for the last quarter, all have one lr.
class MlflowSearchOfManyTest : public MlflowSearchTest {
 protected:
  void SetUp() override {
    MlflowSearchTest::SetUp();
    Sql("INSERT INTO metric_names VALUES(1, 'acc'), (2, 'loss');"
        "INSERT INTO runs(key, id, number, experiment, kind, state, reason, lifecycle_changed_at, "
        "display_name, description, submitter, compute_target, created_at) WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, printf('run%05d', i), "
        "i, 0, 'tracked', 'Running', '', 0, '', '', '', '', 7 FROM n;"
        "INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, last) SELECT key, "
        "1, 0, 1, 0, 0, key FROM runs;"
        "INSERT INTO metric_summary(run, name_id, type, count, tail, last_kind, last) SELECT key, "
        "2, 0, 1, 0, 0, key > 15000 FROM runs;"
        "INSERT INTO run_params SELECT key, 'lr', '0.1' FROM runs;"
        "INSERT INTO run_tags SELECT key, 'late', 'yes' FROM runs WHERE key > 15000;");
  }
  static std::vector<std::string> RunsFrom(int first, int last) {
    std::vector<std::string> ids;
    for (int i = first; i <= last; ++i)
      ids.push_back("run" + std::to_string(100'000 + i).substr(1));
    return ids;
  }
};

TEST_F(MlflowSearchOfManyTest, WhatLiesAtTheEndOfTheOrderIsFoundInFullPages) {
  // The first filter has an index that lists its runs, the second has none.
  for (const char* filter : {"metrics.loss > 0", "tags.late LIKE '_es'"}) {
    RunSearch search = Searched(filter, {"metrics.acc ASC"});
    EXPECT_EQ(Ids(search), RunsFrom(15'001, 15'100)) << filter;
    search.limit = 1500;
    EXPECT_EQ(FullPages(search), RunsFrom(15'001, 20'000)) << filter;
  }
}

TEST_F(MlflowSearchOfManyTest, AValueThatAllRunsHaveLeavesTheOrderToTheNextKeys) {
  RunSearch search = Searched("", {"params.lr DESC", "metrics.loss DESC"});
  search.limit = 2500;
  std::vector<std::string> expected = RunsFrom(15'001, 20'000);
  for (std::string& id : RunsFrom(1, 15'000)) expected.push_back(std::move(id));
  EXPECT_EQ(FullPages(search), expected);
  // Started at one time, too: by their ids.
  EXPECT_EQ(FullPages(Searched("metrics.acc <= 900", {})), RunsFrom(1, 900));
}

TEST_F(MlflowSearchTest, LocationsOfExperimentsAreInTheAddressesOfFiles) {
  const Experiment plain = ROOST_VALUE(store->experiments().Create({.name = "plain"}));
  const Experiment own =
      ROOST_VALUE(store->experiments().Create({.name = "own", .artifact_location = "s3://b/x"}));
  const Experiment slash =
      ROOST_VALUE(store->experiments().Create({.name = "slash", .artifact_location = "s3://b/y/"}));
  for (const auto& [experiment, id] : {std::pair{plain, "a"}, {own, "b"}, {slash, "c"}}) {
    NewRun run = RunOf(id, spec::RunKind::kTracked);
    run.experiment = experiment.id;
    Add(run);
  }
  const auto found = [&](const std::string& uri) {
    RunSearch search = Searched("artifact_uri = '" + uri + "'");
    search.experiment_ids.reset();
    return Ids(search);
  };
  const std::string id = std::to_string(plain.id.value());
  EXPECT_EQ(found("mlflow-artifacts:/" + id + "/a/artifacts"), std::vector<std::string>{"a"});
  EXPECT_EQ(found("s3://b/x/b/artifacts"), std::vector<std::string>{"b"});
  EXPECT_EQ(found("s3://b/y/c/artifacts"), std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace roost::store
