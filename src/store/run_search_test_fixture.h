#pragma once

#include <string>
#include <vector>

#include "spec/run_query.h"
#include "store/store_test_fixture.h"

namespace roost::store {

class RunSearchTest : public StoreFixture {
 protected:
  static RunSearch Where(const std::string& filter, const std::string& order = "") {
    RunSearch search;
    search.filter = ROOST_VALUE(spec::ParseFilter(filter));
    if (!order.empty()) search.order = {ROOST_VALUE(spec::ParseOrderBy(order))};
    return search;
  }
  std::vector<std::string> Ids(const RunSearch& search) {
    return IdsOf(ROOST_VALUE(store->runs().Search(search)).runs);
  }
  // All pages together; none but the last is short of what it may be, and none is empty.
  std::vector<std::string> AllPages(RunSearch search) {
    std::vector<std::string> ids;
    while (true) {
      const RunPage page = ROOST_VALUE(store->runs().Search(search));
      EXPECT_LE(page.runs.size(), static_cast<std::size_t>(search.limit));
      for (const std::string& id : IdsOf(page.runs)) ids.push_back(id);
      if (page.next_page_token.empty()) return ids;
      EXPECT_FALSE(page.runs.empty());
      search.page_token = page.next_page_token;
    }
  }
  void Log(const RunRow& run, const std::string& name, std::vector<double> values) {
    spec::MetricSeries series{name, {}};
    for (const double value : values) series.points.push_back({spec::kNextStep, 0, value});
    spec::MetricBatch batch;
    batch.series.push_back(series);
    EXPECT_OK(store->metrics().AppendAndWait(run.key, batch));
  }
  void PutParam(const RunRow& run, const std::string& name, const std::string& value) {
    EXPECT_OK(store->database().Write(Lane::kState, [&](WriteContext& context) -> Status {
      ROOST_ASSIGN(auto put, context.db.Prepare("INSERT INTO run_params VALUES(?, ?, ?)"));
      return put.Bind(1, run.key.value()).Bind(2, name).Bind(3, value).Run();
    }));
  }
};

}  // namespace roost::store
