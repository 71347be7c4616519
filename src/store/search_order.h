#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "store/runs.h"
#include "store/search_fields.h"
#include "store/search_sql.h"

// In which order a search gives runs: those with a value by the value, then those whose value is
// NaN, then those without one; ties newest first.
namespace roost::store {

enum class Rank { kValue, kNan, kMissing };

// Where a run stands in the order. `value` is there for Rank::kValue only (and not when runs are
// ordered by nothing but their age).
struct Position {
  Rank rank = Rank::kValue;
  std::variant<std::monostate, double, std::string> value;
  std::int64_t key = 0;
  bool operator==(const Position&) const = default;
};

// One stretch of the order, read straight from an index.
struct Stretch {
  Rank rank = Rank::kValue;
  std::string source;  // "metric_summary o INDEXED BY metric_summary_by_last"
  SqlText where;       // what the index answers
  SqlText test;        // what has to be looked up for each row; empty: nothing
  std::string order_by;
  std::string key;    // "o.run"
  std::string value;  // "o.last"; "NULL" where the rank has none
};

class SearchOrder {
 public:
  static Result<SearchOrder> Make(Connection& db, const std::optional<spec::OrderBy>& order,
                                  Micros now);

  bool IsByAge() const { return by_age_; }
  // Whether an index has this order, so that Stretches can be walked.
  bool CanWalk() const { return by_age_ || !source_.empty(); }
  // All that comes after `after` (all, without one), in order.
  std::vector<Stretch> Stretches(const std::optional<Position>& after) const;
  // For runs that come in another order, as row `r`: a join, and the columns (rank, value).
  const SqlText& Join() const { return join_; }
  const SqlText& RankAndValue() const { return rank_and_value_; }

  bool IsBefore(const Position& a, const Position& b) const;

 private:
  void SetMetric(std::int64_t name_id);
  void SetKeyed(spec::FieldKind kind, const std::string& name);
  void SetAttribute(const Attribute& attribute, Micros now);
  Stretch MakeStretch(Rank rank) const;
  void AddValueStretches(const std::optional<Position>& after, std::vector<Stretch>* to) const;

  bool by_age_ = true;
  bool descending_ = false;
  bool has_nan_ = false;
  bool may_be_missing_ = false;

  // Of the index: where the rows with a value lie, and the names of its columns.
  std::string source_;
  SqlText with_value_;
  SqlText with_nan_;
  std::string key_;
  std::string value_;
  // Of the runs without a value: an index that lists them, or all runs and a test.
  std::string missing_source_ = "runs o";
  SqlText missing_ = {"1", {}};
  SqlText missing_test_;

  SqlText join_;
  SqlText rank_and_value_;
};

}  // namespace roost::store
