#include <algorithm>
#include <cmath>
#include <limits>

#include "store/run_rows.h"
#include "store/runs.h"
#include "store/search_fields.h"
#include "store/search_order.h"
#include "store/search_token.h"

namespace roost::store {
namespace {

// A page that is not full yet is given as it is after so many candidates: some 20 ms.
constexpr std::int64_t kCandidateBudget = 8'000;

// How many candidates of an index are worth being sorted. Walking the order's index costs about
// (limit * runs / matches) look-ups, driving from a filter's index costs as many as it lists: they
// are even at the square root.
std::int64_t WorthSorting(int limit, std::int64_t runs) {
  const double even = std::sqrt(static_cast<double>(limit) * static_cast<double>(runs));
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(even), 200, 5'000);
}

Result<std::int64_t> CountAtMost(Connection& db, const Driver& driver, std::int64_t most) {
  SqlText sql{"SELECT count(*) FROM (SELECT 1 FROM " + driver.source + " WHERE ", {}};
  sql.Add(driver.where).Add(" LIMIT ?)").With(most);
  ROOST_ASSIGN(Statement query, PrepareSearch(db, sql));
  ROOST_TRY(query.Step());
  return query.Int(0);
}

Position ReadPosition(const Statement& row, int rank_column, Rank rank, bool is_text) {
  Position position;
  position.rank = rank;
  position.key = row.Int(0);
  if (rank != Rank::kValue || row.IsNull(rank_column)) return position;
  if (is_text) {
    position.value = row.Text(rank_column);
  } else {
    position.value = row.Real(rank_column);
  }
  return position;
}

class Search {
 public:
  Search(Connection& db, const RunSearch& search, Micros now)
      : db_(db), search_(search), now_(now), limit_(std::max(search.limit, 1)) {}

  Result<RunPage> Run() {
    if (!search_.page_token.empty()) {
      ROOST_ASSIGN(after_, ReadPageToken(search_));
    }
    ROOST_ASSIGN(sql_, TranslateSearch(db_, search_, now_));
    ROOST_ASSIGN(order_, SearchOrder::Make(db_, search_.order, now_));
    is_text_ = OrdersByText();
    ROOST_TRY(Find());

    std::vector<RunKey> keys;
    for (const Position& position : found_) keys.emplace_back(position.key);
    RunPage page;
    ROOST_ASSIGN(page.runs, LoadRuns(db_, keys, WithDefinition::kNo));
    if (continue_after_) page.next_page_token = WritePageToken(search_, *continue_after_);
    return page;
  }

 private:
  bool OrdersByText() const {
    if (!search_.order) return false;
    if (search_.order->field.kind == spec::FieldKind::kMetric) return false;
    if (search_.order->field.kind != spec::FieldKind::kAttribute) return true;
    const auto attribute = FindAttribute(search_.order->field.name);
    return attribute && attribute->type == FieldType::kText;
  }

  // The plan: from the most selective index when it lists few runs, else along the order.
  Status Find() {
    ROOST_ASSIGN(const std::int64_t runs, CountRunsRoughly());
    const std::int64_t worth_sorting = WorthSorting(limit_, runs);
    const Driver* best = nullptr;
    const Driver* best_in_key_order = nullptr;
    std::int64_t fewest = worth_sorting + 1;
    std::int64_t fewest_in_key_order = std::numeric_limits<std::int64_t>::max();
    for (const Driver& driver : sql_.drivers) {
      ROOST_ASSIGN(const std::int64_t count, CountAtMost(db_, driver, worth_sorting + 1));
      if (count < fewest) {
        fewest = count;
        best = &driver;
      }
      if (driver.in_key_order && count < fewest_in_key_order) {
        fewest_in_key_order = count;
        best_in_key_order = &driver;
      }
    }
    if (best != nullptr) return Sort(*best);
    if (order_.IsByAge() && best_in_key_order != nullptr) return WalkDriver(*best_in_key_order);
    if (order_.CanWalk()) return Walk(order_.Stretches(after_));
    return Sort(best_in_key_order != nullptr ? *best_in_key_order : AllRuns());
  }

  // Keys are given in order and few are ever removed.
  Result<std::int64_t> CountRunsRoughly() {
    ROOST_ASSIGN(Statement query, db_.Prepare("SELECT ifnull(max(key), 0) FROM runs"));
    ROOST_TRY(query.Step());
    return query.Int(0);
  }

  static Driver AllRuns() { return {"runs d", SqlText{"1", {}}, "d.key", true}; }

  // --- Along an index that has the order: stops as soon as the page is full. ---

  Status WalkDriver(const Driver& driver) {
    Stretch stretch;
    stretch.source = driver.source;
    stretch.where = driver.where;
    if (after_) stretch.where.Add(" AND " + driver.key + " < ?").With(after_->key);
    stretch.order_by = driver.key + " DESC";
    stretch.key = driver.key;
    stretch.value = "NULL";
    return Walk({stretch});
  }

  Status Walk(const std::vector<Stretch>& stretches) {
    for (const Stretch& stretch : stretches) {
      ROOST_ASSIGN(const bool goes_on, WalkStretch(stretch));
      if (!goes_on) return {};
    }
    return {};
  }

  // The test is a column and not a condition, so that refused candidates are counted too.
  Result<bool> WalkStretch(const Stretch& stretch) {
    SqlText sql{"SELECT " + stretch.key + ", " + stretch.value + ", CASE WHEN ", {}};
    if (!stretch.test.text.empty()) sql.Add(stretch.test).Add(" AND ");
    sql.Add(sql_.test).Add(" THEN 1 ELSE 0 END FROM " + stretch.source);
    sql.Add(" CROSS JOIN runs r ON r.key = " + stretch.key + " WHERE ").Add(stretch.where);
    sql.Add(" ORDER BY " + stretch.order_by);
    ROOST_ASSIGN(Statement query, PrepareSearch(db_, sql));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return true;
      const bool is_wanted = query.Int(2) != 0;
      const bool is_full = static_cast<int>(found_.size()) == limit_;
      if (is_wanted && is_full) {
        continue_after_ = found_.back();
        return false;
      }
      if (is_wanted) found_.push_back(ReadPosition(query, 1, stretch.rank, is_text_));
      if (++candidates_ < kCandidateBudget || found_.empty()) continue;
      continue_after_ = ReadPosition(query, 1, stretch.rank, is_text_);
      return false;
    }
  }

  // --- From any list of candidates: all that come after the position, the first ones kept. ---

  Status Sort(const Driver& driver) {
    SqlText sql{"SELECT r.key, ", {}};
    sql.Add(order_.RankAndValue()).Add(" FROM " + driver.source + " CROSS JOIN runs r ON r.key = ");
    sql.Add(driver.key).Add(order_.Join()).Add(" WHERE ").Add(driver.where);
    sql.Add(" AND ").Add(sql_.test);
    ROOST_ASSIGN(Statement query, PrepareSearch(db_, sql));
    const auto is_before = [this](const Position& a, const Position& b) {
      return order_.IsBefore(a, b);
    };
    // A heap of the best so far, the worst of them in front; one more than the page tells whether
    // there is another page.
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      Position position = ReadPosition(
          query, 2, static_cast<Rank>(std::min<std::int64_t>(query.Int(1), 2)), is_text_);
      if (after_ && !is_before(*after_, position)) continue;
      const bool is_full = static_cast<int>(found_.size()) > limit_;
      if (is_full && !is_before(position, found_.front())) continue;
      found_.push_back(std::move(position));
      std::push_heap(found_.begin(), found_.end(), is_before);
      if (!is_full) continue;
      std::pop_heap(found_.begin(), found_.end(), is_before);
      found_.pop_back();
    }
    std::sort_heap(found_.begin(), found_.end(), is_before);
    if (static_cast<int>(found_.size()) <= limit_) return {};
    found_.pop_back();
    continue_after_ = found_.back();
    return {};
  }

  Connection& db_;
  const RunSearch& search_;
  const Micros now_;
  const int limit_;
  SearchSql sql_;
  SearchOrder order_;
  bool is_text_ = false;
  std::optional<Position> after_;
  std::vector<Position> found_;
  std::optional<Position> continue_after_;
  std::int64_t candidates_ = 0;
};

}  // namespace

Result<RunPage> Runs::Search(const RunSearch& search) const {
  return database_.Read<RunPage>([&](Connection& db) -> Result<RunPage> {
    return store::Search(db, search, database_.Now()).Run();
  });
}

}  // namespace roost::store
