#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "store/search_fields.h"
#include "store/search_sql.h"

// In which order a search gives runs: by each of its keys in turn; those with a value by the value,
// then those whose value is NaN, then those without one; ties newest first.
namespace roost::store {

enum class Rank { kValue, kNan, kMissing };

// Of one key. `value` is there for Rank::kValue only.
struct SortValue {
  Rank rank = Rank::kValue;
  std::variant<std::monostate, double, std::string> value;
  bool operator==(const SortValue&) const = default;
};

// Where a run stands in the order: its values, one for each key, and its own key for ties.
struct Position {
  std::vector<SortValue> values;
  std::int64_t key = 0;
  bool operator==(const Position&) const = default;
};

// One stretch of a key's order, read straight from an index.
struct Stretch {
  Rank rank = Rank::kValue;
  SqlText source;  // "metric_summary w INDEXED BY metric_summary_by_last"
  SqlText where;   // what the index answers
  SqlText test;    // what has to be looked up for each row; empty: nothing
  std::string order_by;
  std::string key;    // "w.run"
  std::string value;  // "w.last"; "NULL" where the rank has none
};

// Runs of one value: a test of row `r`, and the index that lists them if there is one.
struct Restriction {
  SqlText test;
  std::optional<Driver> driver;
};

// One key of an order.
class OrderKey {
 public:
  // `index` is the key's place in the order, which names its join. `experiment` is where all runs
  // of the search lie, if that is one.
  static Result<OrderKey> Make(Connection& db, const spec::OrderBy& order, std::size_t index,
                               std::optional<ExperimentId> experiment, Micros now);

  // Whether an index has this order, so that stretches can be walked.
  bool CanWalk() const { return !source_.empty(); }
  bool IsText() const { return is_text_; }
  bool HasNan() const { return has_nan_; }
  bool MayBeMissing() const { return may_be_missing_; }

  // The runs with a value, or those behind `after`; ties newest first.
  Stretch Values(const SortValue* after) const;
  // The same with ties as the index has them, which spares SQLite sorting them.
  Stretch Groups(const SortValue* after) const;
  // The runs that have just this value, newest first.
  Stretch Equals(const SortValue& value) const;
  // The same as a condition.
  Restriction Restrict(const SortValue& value) const;

  // Whether a run lacks the key, whose own key is `run`; empty: it is cheap to see in its row.
  SqlText MissingTest(const std::string& run) const;
  // Of a metric: whether there is a run that lacks it, read from indices alone; empty: no metric.
  SqlText AnyMissing() const;

  // For runs that come in another order, as row `r`: a join, and the columns (rank, value).
  const SqlText& Join() const { return join_; }
  const SqlText& RankAndValue() const { return rank_and_value_; }

  // <0, 0, >0
  int Compare(const SortValue& a, const SortValue& b) const;

 private:
  void SetMetric(std::int64_t name_id, const std::string& alias);
  void SetKeyed(spec::FieldKind kind, const std::string& name, const std::string& alias);
  void SetAttribute(const Attribute& attribute, std::optional<ExperimentId> experiment, Micros now);
  void SetAttributeIndex(const Attribute& attribute, std::optional<ExperimentId> experiment,
                         Micros now);
  Stretch MakeStretch(Rank rank) const;

  bool descending_ = false;
  bool is_text_ = false;
  bool has_nan_ = false;
  bool may_be_missing_ = false;

  // Of the index: where the rows with a value lie, and the names of its columns.
  std::string source_;
  SqlText in_index_;  // what all rows of the key have; may be empty
  SqlText with_value_;
  SqlText with_nan_;
  std::string key_;
  std::string value_;
  // Of the runs without a value: an index that lists them, or all runs and a test.
  std::string missing_source_ = "runs w";
  SqlText missing_ = {"1", {}};
  SqlText expression_;  // of an attribute, over row `r`
  // Of what is no attribute: the row `m` that a run has for the key, up to the run's own key.
  SqlText own_row_;
  std::string has_value_;  // of row `m`

  SqlText join_;
  SqlText rank_and_value_;
};

class SearchOrder {
 public:
  static Result<SearchOrder> Make(Connection& db, const std::vector<spec::OrderBy>& order,
                                  std::optional<ExperimentId> experiment, Micros now);

  const std::vector<OrderKey>& Keys() const { return keys_; }
  bool IsBefore(const Position& a, const Position& b) const;

  // Reads (key, then rank and value of each key) from these columns on.
  SqlText Columns() const;
  // As Columns, with what a stretch of one key knows by itself.
  SqlText ColumnsAlong(const Stretch& stretch, std::size_t level) const;
  SqlText Joins(std::optional<std::size_t> but = std::nullopt) const;
  Position Read(const Statement& row, int first_column) const;

 private:
  std::vector<OrderKey> keys_;
};

}  // namespace roost::store
