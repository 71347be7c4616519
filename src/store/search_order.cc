#include "store/search_order.h"

#include <limits>

namespace roost::store {

Result<SearchOrder> SearchOrder::Make(Connection& db, const std::optional<spec::OrderBy>& order,
                                      Micros now) {
  SearchOrder made;
  made.rank_and_value_ = SqlText{"0, NULL", {}};
  if (!order) return made;

  made.by_age_ = false;
  made.descending_ = order->descending;
  switch (order->field.kind) {
    case spec::FieldKind::kMetric: {
      ROOST_ASSIGN(const std::int64_t name_id, MetricNameId(db, order->field.name));
      made.SetMetric(name_id);
      break;
    }
    case spec::FieldKind::kAttribute: {
      ROOST_ASSIGN(const Attribute attribute, FindAttribute(order->field.name));
      made.SetAttribute(attribute, now);
      break;
    }
    case spec::FieldKind::kTag:
    case spec::FieldKind::kParam:
    case spec::FieldKind::kProperty:
      made.SetKeyed(order->field.kind, order->field.name);
      break;
  }
  return made;
}

void SearchOrder::SetMetric(std::int64_t name_id) {
  has_nan_ = true;
  may_be_missing_ = true;
  source_ = "metric_summary o INDEXED BY metric_summary_by_last";
  key_ = "o.run";
  value_ = "o.last";
  with_value_ = SqlText{"o.name_id = ? AND o.last_kind = 0", {name_id}};
  with_nan_ = SqlText{"o.name_id = ? AND o.last_kind = 1 AND o.last IS NULL", {name_id}};
  missing_test_ = SqlText{
      "NOT EXISTS (SELECT 1 FROM metric_summary m WHERE m.run = o.key AND m.name_id = ? AND "
      "m.last_kind < 2)",
      {name_id}};
  join_ = SqlText{" LEFT JOIN metric_summary o ON o.run = r.key AND o.name_id = ?", {name_id}};
  rank_and_value_ = SqlText{"ifnull(o.last_kind, 2), o.last", {}};
}

void SearchOrder::SetKeyed(spec::FieldKind kind, const std::string& name) {
  const std::string table(TableOf(kind));
  may_be_missing_ = true;
  source_ = table + " o INDEXED BY " + std::string(IndexOf(kind));
  key_ = "o.run";
  value_ = "o.value";
  // Every text is at least the empty one; NULL (a tag without a value) is not.
  with_value_ = SqlText{"o.key = ? AND o.value >= ''", {name}};
  missing_test_ = SqlText{"NOT EXISTS (SELECT 1 FROM " + table +
                              " m WHERE m.run = o.key AND m.key = ? AND m.value IS NOT NULL)",
                          {name}};
  join_ = SqlText{" LEFT JOIN " + table + " o ON o.run = r.key AND o.key = ?", {name}};
  rank_and_value_ = SqlText{"CASE WHEN o.value IS NULL THEN 2 ELSE 0 END, o.value", {}};
}

void SearchOrder::SetAttribute(const Attribute& attribute, Micros now) {
  may_be_missing_ = attribute.may_be_null;
  const SqlText column = ColumnOf(attribute, "r", now);
  rank_and_value_ = SqlText{"CASE WHEN ", {}};
  rank_and_value_.Add(column).Add(" IS NULL THEN 2 ELSE 0 END, ").Add(column);
  if (attribute.index.empty()) return;

  source_ = "runs o INDEXED BY " + std::string(attribute.index);
  key_ = "o.key";
  value_ = ColumnOf(attribute, "o", now).text;
  const bool is_text = attribute.type == FieldType::kText;
  with_value_ = SqlText{value_ + (is_text ? " >= ''" : " > -9e18"), {}};
  if (!may_be_missing_) return;
  missing_source_ = source_;
  missing_ = SqlText{value_ + " IS NULL", {}};
}

Stretch SearchOrder::MakeStretch(Rank rank) const {
  Stretch stretch;
  stretch.rank = rank;
  stretch.value = "NULL";
  if (rank == Rank::kMissing || by_age_) {
    stretch.source = missing_source_;
    stretch.where = missing_;
    stretch.test = missing_test_;
    stretch.key = "o.key";
  } else {
    stretch.source = source_;
    stretch.where = rank == Rank::kValue ? with_value_ : with_nan_;
    stretch.key = key_;
  }
  stretch.order_by = stretch.key + " DESC";
  return stretch;
}

void SearchOrder::AddValueStretches(const std::optional<Position>& after,
                                    std::vector<Stretch>* to) const {
  const auto with = [&](SqlText& where, const Position& position) {
    std::visit(
        [&](const auto& value) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
            where.With(value);
          }
        },
        position.value);
  };
  if (after) {
    // The rest of those with the same value, which the index has in the order of their keys.
    Stretch ties = MakeStretch(Rank::kValue);
    ties.value = value_;
    with(ties.where.Add(" AND " + value_ + " = ?"), *after);
    ties.where.Add(" AND " + key_ + " < ?").With(after->key);
    to->push_back(std::move(ties));
  }
  Stretch rest = MakeStretch(Rank::kValue);
  rest.value = value_;
  rest.order_by = value_ + (descending_ ? " DESC, " : " ASC, ") + key_ + " DESC";
  if (after) with(rest.where.Add(" AND " + value_ + (descending_ ? " < ?" : " > ?")), *after);
  to->push_back(std::move(rest));
}

std::vector<Stretch> SearchOrder::Stretches(const std::optional<Position>& after) const {
  std::vector<Stretch> stretches;
  const auto add_by_key = [&](Rank rank) {
    Stretch stretch = MakeStretch(rank);
    if (after && after->rank == rank) {
      stretch.where.Add(" AND " + stretch.key + " < ?").With(after->key);
    }
    stretches.push_back(std::move(stretch));
  };
  if (by_age_) {
    add_by_key(Rank::kValue);
    return stretches;
  }
  if (!after || after->rank == Rank::kValue) AddValueStretches(after, &stretches);
  if (has_nan_ && (!after || after->rank <= Rank::kNan)) add_by_key(Rank::kNan);
  if (may_be_missing_) add_by_key(Rank::kMissing);
  return stretches;
}

bool SearchOrder::IsBefore(const Position& a, const Position& b) const {
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.value != b.value) return descending_ ? b.value < a.value : a.value < b.value;
  return a.key > b.key;
}

}  // namespace roost::store
