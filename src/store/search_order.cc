#include "store/search_order.h"

#include <algorithm>

namespace roost::store {
namespace {

// Every text is at least the empty one; NULL (a tag without a value) is not.
constexpr const char* kAnyText = " >= ''";
constexpr const char* kAnyNumber = " > -9e18";

void BindValue(SqlText* sql, const SortValue& value) {
  std::visit(
      [&](const auto& v) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) sql->With(v);
      },
      value.value);
}

// `=`, `<` or `>` and the value.
void AddComparison(SqlText* where, const std::string& column, const char* sign,
                   const SortValue& value) {
  where->Add((where->text.empty() ? "" : " AND ") + column + sign + "?");
  BindValue(where, value);
}

}  // namespace

Result<OrderKey> OrderKey::Make(Connection& db, const spec::OrderBy& order, std::size_t index,
                                std::optional<ExperimentId> experiment, Micros now) {
  const std::string alias = "o" + std::to_string(index);
  OrderKey made;
  made.descending_ = order.descending;
  switch (order.field.kind) {
    case spec::FieldKind::kMetric: {
      ROOST_ASSIGN(const std::int64_t name_id, MetricNameId(db, order.field.name));
      made.SetMetric(name_id, alias);
      return made;
    }
    case spec::FieldKind::kAttribute: {
      ROOST_ASSIGN(const Attribute attribute, FindAttribute(order.field.name));
      made.SetAttribute(attribute, experiment, now);
      return made;
    }
    case spec::FieldKind::kTag:
    case spec::FieldKind::kParam:
    case spec::FieldKind::kProperty:
      made.SetKeyed(order.field.kind, order.field.name, alias);
      return made;
    case spec::FieldKind::kDataset:
      break;
  }
  return Invalid("order_by", "Runs are not ordered by datasets: a run may have several.");
}

void OrderKey::SetMetric(std::int64_t name_id, const std::string& alias) {
  has_nan_ = true;
  may_be_missing_ = true;
  source_ = "metric_summary w INDEXED BY metric_summary_by_last";
  key_ = "w.run";
  value_ = "w.last";
  in_index_ = SqlText{"w.name_id = ? AND w.last_kind = 0", {name_id}};
  with_value_ = in_index_;
  with_nan_ = SqlText{"w.name_id = ? AND w.last_kind = 1 AND w.last IS NULL", {name_id}};
  own_row_ = SqlText{"metric_summary m WHERE m.name_id = ? AND m.run = ", {name_id}};
  has_value_ = "m.last_kind < 2";
  join_ = SqlText{" LEFT JOIN metric_summary " + alias + " ON " + alias + ".run = r.key AND " +
                      alias + ".name_id = ?",
                  {name_id}};
  rank_and_value_ = SqlText{"ifnull(" + alias + ".last_kind, 2), " + alias + ".last", {}};
}

void OrderKey::SetKeyed(spec::FieldKind kind, const std::string& name, const std::string& alias) {
  const std::string table(TableOf(kind));
  is_text_ = true;
  may_be_missing_ = true;
  source_ = table + " w INDEXED BY " + std::string(IndexOf(kind));
  key_ = "w.run";
  value_ = "w.value";
  in_index_ = SqlText{"w.key = ?", {name}};
  with_value_ = SqlText{std::string("w.key = ? AND w.value") + kAnyText, {name}};
  own_row_ = SqlText{table + " m WHERE m.key = ? AND m.run = ", {name}};
  has_value_ = "m.value IS NOT NULL";
  join_ = SqlText{" LEFT JOIN " + table + " " + alias + " ON " + alias + ".run = r.key AND " +
                      alias + ".key = ?",
                  {name}};
  rank_and_value_ =
      SqlText{"CASE WHEN " + alias + ".value IS NULL THEN 2 ELSE 0 END, " + alias + ".value", {}};
}

void OrderKey::SetAttribute(const Attribute& attribute, std::optional<ExperimentId> experiment,
                            Micros now) {
  is_text_ = attribute.type == FieldType::kText;
  may_be_missing_ = attribute.may_be_null;
  expression_ = ColumnOf(attribute, "r", now);
  rank_and_value_ = SqlText{"CASE WHEN ", {}};
  rank_and_value_.Add(expression_).Add(" IS NULL THEN 2 ELSE 0 END, ").Add(expression_);
  if (!attribute.index.empty()) SetAttributeIndex(attribute, experiment, now);
}

void OrderKey::SetAttributeIndex(const Attribute& attribute, std::optional<ExperimentId> experiment,
                                 Micros now) {
  key_ = "w.key";
  value_ = ColumnOf(attribute, "w", now).text;
  const std::string any_value = value_ + (is_text_ ? kAnyText : kAnyNumber);
  if (experiment && !attribute.index_in_experiment.empty()) {
    source_ = "runs w INDEXED BY " + std::string(attribute.index_in_experiment);
    in_index_ = SqlText{"w.experiment = ?", {experiment->value()}};
    with_value_ = SqlText{"w.experiment = ? AND " + any_value, {experiment->value()}};
  } else {
    source_ = "runs w";
    if (attribute.index != kUnnamedIndex) source_ += " INDEXED BY " + std::string(attribute.index);
    with_value_ = SqlText{any_value, {}};
  }
  if (!may_be_missing_) return;
  missing_source_ = source_;
  missing_ = SqlText{value_ + " IS NULL", {}};
}

Stretch OrderKey::MakeStretch(Rank rank) const {
  Stretch stretch;
  stretch.rank = rank;
  stretch.value = "NULL";
  if (rank == Rank::kMissing) {
    stretch.source.Add(missing_source_);
    stretch.where = missing_;
    stretch.test = MissingTest("r.key");
    stretch.key = "w.key";
  } else {
    stretch.source.Add(source_);
    stretch.where = rank == Rank::kValue ? with_value_ : with_nan_;
    stretch.key = key_;
  }
  stretch.order_by = stretch.key + " DESC";
  return stretch;
}

Stretch OrderKey::Values(const SortValue* after) const {
  Stretch stretch = MakeStretch(Rank::kValue);
  stretch.value = value_;
  stretch.order_by = value_ + (descending_ ? " DESC, " : " ASC, ") + key_ + " DESC";
  if (after != nullptr) {
    AddComparison(&stretch.where, value_, descending_ ? " < " : " > ", *after);
  }
  return stretch;
}

Stretch OrderKey::Groups(const SortValue* after) const {
  Stretch stretch = Values(after);
  stretch.order_by = value_ + (descending_ ? " DESC" : "");
  return stretch;
}

Stretch OrderKey::Equals(const SortValue& value) const {
  Stretch stretch = MakeStretch(value.rank);
  if (value.rank != Rank::kValue) return stretch;
  stretch.value = value_;
  stretch.where = in_index_;
  AddComparison(&stretch.where, value_, " = ", value);
  return stretch;
}

Restriction OrderKey::Restrict(const SortValue& value) const {
  Restriction restriction;
  const Stretch stretch = Equals(value);
  if (!stretch.test.text.empty()) {  // all runs but those with a value: no list of their own
    restriction.test = stretch.test;
    return restriction;
  }
  if (value.rank == Rank::kMissing) {
    restriction.test.Add(expression_).Add(" IS NULL");
  } else if (own_row_.text.empty()) {
    restriction.test.Add(expression_).Add(" = ?");
    BindValue(&restriction.test, value);
  } else {
    // By the run: the index of values would be as quick, but SQLite may also look through it.
    restriction.test.Add("EXISTS (SELECT 1 FROM ").Add(own_row_).Add("r.key");
    if (value.rank == Rank::kNan) {
      restriction.test.Add(" AND m.last_kind = 1)");
    } else {
      restriction.test.Add(has_nan_ ? " AND m.last_kind = 0 AND m.last = ?)" : " AND m.value = ?)");
      BindValue(&restriction.test, value);
    }
  }
  Driver driver;
  driver.source = stretch.source;
  driver.where = stretch.where;
  driver.key = stretch.key;
  driver.in_key_order = true;
  restriction.driver = std::move(driver);
  return restriction;
}

SqlText OrderKey::MissingTest(const std::string& run) const {
  SqlText test;
  if (own_row_.text.empty()) return test;
  test.Add("NOT EXISTS (SELECT 1 FROM ").Add(own_row_).Add(run + " AND " + has_value_ + ")");
  return test;
}

SqlText OrderKey::AnyMissing() const {
  if (!has_nan_) return {};
  // A run's summaries are there as long as the run, and no longer.
  SqlText sql{
      "SELECT (SELECT count(*) FROM metric_summary w INDEXED BY metric_summary_by_last "
      "WHERE w.name_id = ? AND w.last_kind < 2) < (SELECT count(*) FROM runs)",
      {}};
  sql.values = own_row_.values;
  return sql;
}

int OrderKey::Compare(const SortValue& a, const SortValue& b) const {
  if (a.rank != b.rank) return a.rank < b.rank ? -1 : 1;
  if (a.value == b.value) return 0;
  return (a.value < b.value) != descending_ ? -1 : 1;
}

Result<SearchOrder> SearchOrder::Make(Connection& db, const std::vector<spec::OrderBy>& order,
                                      std::optional<ExperimentId> experiment, Micros now) {
  SearchOrder made;
  for (const spec::OrderBy& each : order) {
    ROOST_ASSIGN(OrderKey key, OrderKey::Make(db, each, made.keys_.size(), experiment, now));
    made.keys_.push_back(std::move(key));
  }
  return made;
}

bool SearchOrder::IsBefore(const Position& a, const Position& b) const {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const int order = keys_[i].Compare(a.values[i], b.values[i]);
    if (order != 0) return order < 0;
  }
  return a.key > b.key;
}

SqlText SearchOrder::Columns() const {
  SqlText columns{"r.key", {}};
  for (const OrderKey& key : keys_) columns.Add(", ").Add(key.RankAndValue());
  return columns;
}

SqlText SearchOrder::ColumnsAlong(const Stretch& stretch, std::size_t level) const {
  SqlText columns{stretch.key, {}};
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    columns.Add(", ");
    if (i != level) {
      columns.Add(keys_[i].RankAndValue());
    } else {
      columns.Add(std::to_string(static_cast<int>(stretch.rank)) + ", " + stretch.value);
    }
  }
  return columns;
}

SqlText SearchOrder::Joins(std::optional<std::size_t> but) const {
  SqlText joins;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (i != but) joins.Add(keys_[i].Join());
  }
  return joins;
}

Position SearchOrder::Read(const Statement& row, int first_column) const {
  Position position;
  position.key = row.Int(first_column);
  position.values.resize(keys_.size());
  int column = first_column;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    SortValue& value = position.values[i];
    const std::int64_t rank = row.Int(++column);
    value.rank = static_cast<Rank>(std::clamp<std::int64_t>(rank, 0, 2));
    ++column;
    if (value.rank != Rank::kValue || row.IsNull(column)) continue;
    if (keys_[i].IsText()) {
      value.value = row.Text(column);
    } else {
      value.value = row.Real(column);
    }
  }
  return position;
}

}  // namespace roost::store
