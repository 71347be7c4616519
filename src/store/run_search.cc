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

// With one key, a page that is not full yet is given as it is after so many candidates: some 20 ms.
constexpr std::int64_t kCandidateBudget = 8'000;
// With several, pages are always full: then a walk is given up for sorting what an index lists, if
// that is not more than this, or goes on. A page takes this many candidates for each of its runs
// before that is thought of.
constexpr std::int64_t kMostWorthSorting = 50'000;
constexpr std::int64_t kFairShare = 4;
// Runs of one value are counted once they are this many.
constexpr std::int64_t kLargeGroup = 100;

// How many candidates of an index are worth being sorted. Walking the order's index costs about
// (limit * runs / matches) look-ups, driving from a filter's index costs as many as it lists: they
// are even at the square root.
std::int64_t WorthSorting(int limit, std::int64_t runs) {
  const double even = std::sqrt(static_cast<double>(limit) * static_cast<double>(runs));
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(even), 200, 5'000);
}

Result<std::int64_t> CountAtMost(Connection& db, const Driver& driver, std::int64_t most) {
  SqlText sql{"SELECT count(*) FROM (SELECT 1 FROM ", {}};
  sql.Add(driver.source).Add(" WHERE ").Add(driver.where).Add(" LIMIT ?)").With(most);
  ROOST_ASSIGN(Statement query, PrepareSearch(db, sql));
  ROOST_TRY(query.Step());
  return query.Int(0);
}

class Search {
 public:
  Search(Connection& db, const RunSearch& search, Micros now)
      : db_(db),
        search_(search),
        now_(now),
        limit_(static_cast<std::size_t>(std::max(search.limit, 1))) {}

  Result<RunPage> Run() {
    std::optional<Position> after;
    if (!search_.page_token.empty()) {
      ROOST_ASSIGN(after, ReadPageToken(search_));
    }
    ROOST_ASSIGN(const SearchSql sql, TranslateSearch(db_, search_, now_));
    ROOST_ASSIGN(order_, SearchOrder::Make(db_, search_.order, OnlyExperiment(), now_));
    ROOST_ASSIGN(const std::int64_t runs, CountRunsRoughly());
    worth_sorting_ = WorthSorting(search_.limit, runs);
    ROOST_TRY(Find(0, sql, after ? &*after : nullptr));
    if (found_.size() > limit_) {
      found_.pop_back();
      continue_after_ = found_.back();
    }

    std::vector<RunKey> keys;
    for (const Position& position : found_) keys.emplace_back(position.key);
    RunPage page;
    ROOST_ASSIGN(page.runs, LoadRuns(db_, keys, WithDefinition::kNo));
    if (continue_after_) page.next_page_token = WritePageToken(search_, *continue_after_);
    return page;
  }

 private:
  std::optional<ExperimentId> OnlyExperiment() const {
    if (!search_.experiment_ids || search_.experiment_ids->size() != 1) return std::nullopt;
    return search_.experiment_ids->front();
  }

  // Keys are given in order and few are ever removed.
  Result<std::int64_t> CountRunsRoughly() {
    ROOST_ASSIGN(Statement query, db_.Prepare("SELECT ifnull(max(key), 0) FROM runs"));
    ROOST_TRY(query.Step());
    return query.Int(0);
  }

  // One more than the page, which tells whether there is another page; or cut off.
  bool IsDone() const { return found_.size() > limit_ || continue_after_.has_value(); }
  bool IsLast(std::size_t level) const { return level + 1 >= order_.Keys().size(); }

  // --- The plan ---

  // Adds the runs of `sql` that come behind `after`. They are alike in the keys before `level`.
  // From the most selective index when it lists few runs, else along the order.
  Status Find(std::size_t level, const SearchSql& sql, const Position* after) {
    ROOST_ASSIGN(const Driver* const best, Fewest(sql, worth_sorting_));
    if (best != nullptr) return Sort(*best, sql, after);
    const auto in_key_order = std::find_if(sql.drivers.begin(), sql.drivers.end(),
                                           [](const Driver& each) { return each.in_key_order; });
    const Driver* const by_age = in_key_order == sql.drivers.end() ? nullptr : &*in_key_order;
    const bool is_by_age = level == order_.Keys().size();
    if (is_by_age && by_age != nullptr) {
      return WalkRows(ByAge(by_age->source, by_age->where, by_age->key), level, sql, after);
    }
    if (!is_by_age && !order_.Keys()[level].CanWalk()) {
      return Sort(by_age != nullptr ? *by_age : AllRuns(), sql, after);
    }
    return MayBeShort() ? WalkLevel(level, sql, after) : WalkOrSort(level, sql, after);
  }

  // The driver that lists the fewest candidates; none if all list more than `most`.
  Result<const Driver*> Fewest(const SearchSql& sql, std::int64_t most) {
    const Driver* best = nullptr;
    for (const Driver& driver : sql.drivers) {
      ROOST_ASSIGN(const std::int64_t count, CountAtMost(db_, driver, most + 1));
      if (count > most) continue;
      best = &driver;
      most = count - 1;
    }
    return best;
  }

  bool MayBeShort() const { return order_.Keys().size() <= 1; }

  // Along the order; if that takes long, because those that are wanted lie at its end, by sorting
  // what an index lists.
  Status WalkOrSort(std::size_t level, const SearchSql& sql, const Position* after) {
    const std::size_t found_before = found_.size();
    const std::int64_t budget_before = candidate_budget_;
    const std::int64_t fair = std::max<std::int64_t>(kCandidateBudget, kFairShare * search_.limit);
    candidate_budget_ = std::min(budget_before, candidates_ + fair);
    ROOST_TRY(WalkLevel(level, sql, after));
    const bool gave_up = gave_up_ && candidate_budget_ < budget_before;
    candidate_budget_ = budget_before;
    if (!gave_up) return {};
    gave_up_ = false;
    found_.resize(found_before);
    ROOST_ASSIGN(const Driver* const best, Fewest(sql, kMostWorthSorting));
    return best != nullptr ? Sort(*best, sql, after) : WalkLevel(level, sql, after);
  }

  static Driver AllRuns() { return {{"runs d", {}}, SqlText{"1", {}}, "d.key", true}; }

  static Stretch ByAge(const SqlText& source, const SqlText& where, const std::string& key) {
    Stretch stretch;
    stretch.source = source;
    stretch.where = where;
    stretch.key = key;
    stretch.order_by = key + " DESC";
    stretch.value = "NULL";
    return stretch;
  }

  // --- Along an index that has the order: stops as soon as the page is full. ---

  Status WalkLevel(std::size_t level, const SearchSql& sql, const Position* after) {
    if (level == order_.Keys().size())
      return WalkRows(ByAge({"runs w", {}}, {"1", {}}, "w.key"), level, sql, after);
    const OrderKey& key = order_.Keys()[level];
    const SortValue* from = after != nullptr ? &after->values[level] : nullptr;
    if (from == nullptr || from->rank == Rank::kValue) {
      if (from != nullptr) ROOST_TRY(FindEqual(level, sql, *from, after));
      if (!IsOver()) ROOST_TRY(WalkValues(level, sql, from));
    }
    for (const Rank rank : {Rank::kNan, Rank::kMissing}) {
      const bool exists = rank == Rank::kNan ? key.HasNan() : key.MayBeMissing();
      if (!exists || IsOver() || (from != nullptr && from->rank > rank)) continue;
      if (rank == Rank::kMissing && !IsLast(level)) {
        ROOST_ASSIGN(const bool any, AnyMissing(key));
        if (!any) continue;
      }
      ROOST_TRY(FindEqual(level, sql, {rank, {}},
                          from != nullptr && from->rank == rank ? after : nullptr));
    }
    return {};
  }

  // Most often no run lacks the key: that is seen at once, while finding none takes a look at all.
  Result<bool> AnyMissing(const OrderKey& key) {
    const SqlText sql = key.AnyMissing();
    if (sql.text.empty()) return true;
    ROOST_ASSIGN(Statement query, PrepareSearch(db_, sql));
    ROOST_TRY(query.Step());
    return query.Int(0) != 0;
  }

  bool IsOver() const { return IsDone() || gave_up_; }

  // Those with just this value, in the order of the keys behind.
  Status FindEqual(std::size_t level, const SearchSql& sql, const SortValue& value,
                   const Position* after) {
    const OrderKey& key = order_.Keys()[level];
    if (IsLast(level)) return WalkRows(key.Equals(value), level, sql, after);
    Restriction restriction = key.Restrict(value);
    SearchSql restricted = sql;
    restricted.test.Add(" AND ").Add(restriction.test);
    if (restriction.driver) restricted.drivers.push_back(*std::move(restriction.driver));
    if (value.rank == Rank::kMissing) ROOST_TRY(ListMissing(key, &restricted));
    return Find(level + 1, restricted, after);
  }

  // Few runs may lack the key: the shortest list is thinned out before runs are looked up.
  Status ListMissing(const OrderKey& key, SearchSql* sql) {
    if (key.MissingTest("").text.empty()) return {};
    ROOST_ASSIGN(const Driver* const best, Fewest(*sql, kMostWorthSorting));
    if (best == nullptr) return {};
    Driver thinned = *best;
    thinned.where.Add(" AND ").Add(key.MissingTest(thinned.key));
    thinned.in_key_order = false;
    sql->drivers = {std::move(thinned)};
    return {};
  }

  // Those with a value, or with one behind `from`.
  Status WalkValues(std::size_t level, const SearchSql& sql, const SortValue* from) {
    const OrderKey& key = order_.Keys()[level];
    if (IsLast(level)) return WalkRows(key.Values(from), level, sql, nullptr);
    std::optional<SortValue> behind;
    if (from != nullptr) behind = *from;
    while (true) {
      ROOST_ASSIGN(const auto large, WalkGroups(level, sql, behind ? &*behind : nullptr));
      if (!large || IsOver()) return {};
      ROOST_TRY(FindEqual(level, sql, *large, nullptr));
      if (IsOver()) return {};
      behind = large;
    }
  }

  Result<Statement> PrepareWalk(const Stretch& stretch, std::size_t level, const SearchSql& sql) {
    // The test is a column and not a condition, so that refused candidates are counted too.
    SqlText text{"SELECT CASE WHEN ", {}};
    if (!stretch.test.text.empty()) text.Add(stretch.test).Add(" AND ");
    text.Add(sql.test).Add(" THEN 1 ELSE 0 END, ").Add(order_.ColumnsAlong(stretch, level));
    text.Add(" FROM ").Add(stretch.source).Add(" CROSS JOIN runs r ON r.key = " + stretch.key);
    text.Add(order_.Joins(level)).Add(" WHERE ").Add(stretch.where);
    return PrepareSearch(db_, text.Add(" ORDER BY " + stretch.order_by));
  }

  // A stretch whose ties are in their order already.
  Status WalkRows(Stretch stretch, std::size_t level, const SearchSql& sql, const Position* after) {
    if (after != nullptr) stretch.where.Add(" AND " + stretch.key + " < ?").With(after->key);
    ROOST_ASSIGN(Statement query, PrepareWalk(stretch, level, sql));
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) return {};
      if (query.Int(0) != 0) found_.push_back(order_.Read(query, 1));
      if (IsDone() || IsTooLong()) return {};
      if (!MayBeShort() || ++short_page_candidates_ < kCandidateBudget || found_.empty()) continue;
      continue_after_ = order_.Read(query, 1);
      return {};
    }
  }

  bool IsTooLong() {
    gave_up_ = ++candidates_ > candidate_budget_;
    return gave_up_;
  }

  Result<bool> IsLarge(const Stretch& stretch) {
    const Driver driver = {stretch.source, stretch.where, stretch.key, true};
    ROOST_ASSIGN(const std::int64_t count, CountAtMost(db_, driver, worth_sorting_ + 1));
    return count > worth_sorting_;
  }

  // A stretch of values; runs of one value are put into the order of the keys behind. A value that
  // very many runs have is given back instead.
  Result<std::optional<SortValue>> WalkGroups(std::size_t level, const SearchSql& sql,
                                              const SortValue* from) {
    ROOST_ASSIGN(Statement query, PrepareWalk(order_.Keys()[level].Groups(from), level, sql));
    std::vector<Position> group;
    std::optional<SortValue> value;
    std::int64_t candidates = 0;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      Position position = order_.Read(query, 1);
      if (value != position.values[level]) {
        AddGroup(&group);
        if (IsDone()) return std::nullopt;
        value = position.values[level];
        candidates = 0;
      }
      if (IsTooLong()) return std::nullopt;
      if (++candidates == kLargeGroup) {
        ROOST_ASSIGN(const bool is_large, IsLarge(order_.Keys()[level].Equals(*value)));
        if (is_large) return value;
      }
      if (query.Int(0) != 0) group.push_back(std::move(position));
    }
    AddGroup(&group);
    return std::nullopt;
  }

  void AddGroup(std::vector<Position>* group) {
    std::sort(group->begin(), group->end(),
              [this](const Position& a, const Position& b) { return order_.IsBefore(a, b); });
    for (Position& position : *group) {
      if (found_.size() <= limit_) found_.push_back(std::move(position));
    }
    group->clear();
  }

  // --- From any list of candidates: all that come after the position, the first ones kept. ---

  Status Sort(const Driver& driver, const SearchSql& sql, const Position* after) {
    SqlText text{"SELECT ", {}};
    text.Add(order_.Columns()).Add(" FROM ").Add(driver.source);
    text.Add(" CROSS JOIN runs r ON r.key = " + driver.key).Add(order_.Joins());
    text.Add(" WHERE ").Add(driver.where).Add(" AND ").Add(sql.test);
    ROOST_ASSIGN(Statement query, PrepareSearch(db_, text));
    const auto is_before = [this](const Position& a, const Position& b) {
      return order_.IsBefore(a, b);
    };
    // A heap of the best so far, the worst of them in front.
    const std::size_t wanted = limit_ + 1 - found_.size();
    std::vector<Position> best;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      Position position = order_.Read(query, 0);
      if (after != nullptr && !is_before(*after, position)) continue;
      const bool is_full = best.size() == wanted;
      if (is_full && !is_before(position, best.front())) continue;
      best.push_back(std::move(position));
      std::push_heap(best.begin(), best.end(), is_before);
      if (!is_full) continue;
      std::pop_heap(best.begin(), best.end(), is_before);
      best.pop_back();
    }
    std::sort_heap(best.begin(), best.end(), is_before);
    std::move(best.begin(), best.end(), std::back_inserter(found_));
    return {};
  }

  Connection& db_;
  const RunSearch& search_;
  const Micros now_;
  const std::size_t limit_;
  std::int64_t worth_sorting_ = 0;
  SearchOrder order_;
  std::vector<Position> found_;
  std::optional<Position> continue_after_;
  std::int64_t short_page_candidates_ = 0;
  std::int64_t candidates_ = 0;
  std::int64_t candidate_budget_ = std::numeric_limits<std::int64_t>::max();
  bool gave_up_ = false;  // the budget is used up
};

}  // namespace

Result<RunPage> Runs::Search(const RunSearch& search) const {
  return database_.Read<RunPage>([&](Connection& db) -> Result<RunPage> {
    return store::Search(db, search, database_.Now()).Run();
  });
}

}  // namespace roost::store
