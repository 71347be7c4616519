#include <array>

#include "store/logged_model_rows.h"
#include "store/logged_models.h"
#include "store/search_fields.h"
#include "store/search_sql.h"

namespace roost::store {
namespace {

using spec::FieldKind;

struct Column {
  std::string_view name;
  std::string_view expression;
  FieldType type = FieldType::kText;
};
// Times are compared as clients see them, in whole milliseconds.
constexpr std::array kColumns = {
    Column{"name", "m.name"},
    Column{"model_id", "m.id"},
    Column{"model_type", "m.model_type"},
    Column{"status", "m.status"},
    Column{"source_run_id", "m.source_run_id"},
    Column{"experiment_id", "CAST(m.experiment AS TEXT)"},
    Column{"status_message", "m.status_message"},
    Column{"creation_timestamp", "(m.created_at / 1000)", FieldType::kNumber},
    Column{"last_updated_timestamp", "(m.updated_at / 1000)", FieldType::kNumber},
};

Result<Column> ColumnNamed(const std::string& name) {
  for (const Column& column : kColumns) {
    if (column.name == name) return column;
  }
  return Invalid("filter", "A logged model has no attribute '" + name + "'.");
}

// The points `p` of the datasets; empty when every point will do.
SqlText OnDatasets(const std::vector<LoggedModelDataset>& datasets) {
  SqlText sql;
  for (const LoggedModelDataset& dataset : datasets) {
    sql.Add(sql.text.empty() ? " AND (" : " OR ").Add("(p.dataset_name = ?").With(dataset.name);
    if (!dataset.digest.empty()) sql.Add(" AND p.dataset_digest = ?").With(dataset.digest);
    sql.Add(")");
  }
  if (!sql.text.empty()) sql.Add(")");
  return sql;
}

Result<SqlText> TestOf(const spec::Condition& condition,
                       const std::vector<LoggedModelDataset>& datasets) {
  SqlText sql;
  switch (condition.field.kind) {
    case FieldKind::kAttribute: {
      ROOST_ASSIGN(const Column column, ColumnNamed(condition.field.name));
      ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, column.type));
      return sql.Add(column.expression).Add(comparison);
    }
    case FieldKind::kMetric: {
      ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kNumber));
      sql.Add("EXISTS(SELECT 1 FROM logged_model_metrics p WHERE p.model = m.key AND p.name = ?");
      sql.With(condition.field.name).Add(" AND p.is_nan = 0 AND p.value").Add(comparison);
      return sql.Add(OnDatasets(datasets)).Add(")");
    }
    case FieldKind::kParam:
    case FieldKind::kTag: {
      ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kText));
      const bool is_tag = condition.field.kind == FieldKind::kTag;
      sql.Add("EXISTS(SELECT 1 FROM ").Add(is_tag ? "logged_model_tags" : "logged_model_params");
      sql.Add(" p WHERE p.model = m.key AND p.key = ?").With(condition.field.name);
      return sql.Add(" AND p.value").Add(comparison).Add(")");
    }
    case FieldKind::kProperty:
    case FieldKind::kDataset:
      break;
  }
  return Invalid("filter", "Logged models are found by attributes, metrics, params and tags only.");
}

// The newest point of a metric, NULL when there is none or it is NaN: both come last.
SqlText NewestPoint(const LoggedModelSearch::Order& order) {
  SqlText sql;
  sql.Add(
         "(SELECT CASE WHEN p.is_nan THEN NULL ELSE p.value END FROM logged_model_metrics p "
         "WHERE p.model = m.key AND p.name = ?")
      .With(order.field.name);
  if (!order.dataset.name.empty()) sql.Add(" AND p.dataset_name = ?").With(order.dataset.name);
  if (!order.dataset.digest.empty()) {
    sql.Add(" AND p.dataset_digest = ?").With(order.dataset.digest);
  }
  return sql.Add(" ORDER BY p.time DESC, p.step DESC LIMIT 1)");
}

Result<SqlText> OrderOf(const LoggedModelSearch& search) {
  SqlText sql;
  sql.Add(" ORDER BY ");
  for (const LoggedModelSearch::Order& order : search.order) {
    SqlText key;
    if (order.field.kind == FieldKind::kMetric) {
      key = NewestPoint(order);
    } else if (order.field.kind == FieldKind::kAttribute) {
      ROOST_ASSIGN(const Column column, ColumnNamed(order.field.name));
      key.Add(column.expression);
    } else {
      return Invalid("order_by", "Logged models are ordered by attributes and metrics only.");
    }
    sql.Add(key).Add(order.descending ? " DESC NULLS LAST, " : " ASC NULLS LAST, ");
  }
  return sql.Add("m.created_at DESC, m.key DESC LIMIT ? OFFSET ?");
}

Result<SqlText> TranslateSearch(const LoggedModelSearch& search) {
  SqlText sql;
  sql.Add("SELECT m.key FROM logged_models m WHERE m.lifecycle <> 'deleted' AND m.experiment IN (");
  for (std::size_t i = 0; i < search.experiments.size(); ++i) {
    sql.Add(i == 0 ? "?" : ", ?").With(search.experiments[i].value());
  }
  sql.Add(")");
  bool has_metric = false;
  for (const spec::Condition& condition : search.filter) {
    has_metric = has_metric || condition.field.kind == FieldKind::kMetric;
    ROOST_ASSIGN(const SqlText test, TestOf(condition, search.datasets));
    sql.Add(" AND ").Add(test);
  }
  if (!search.datasets.empty() && !has_metric) {
    sql.Add(" AND EXISTS(SELECT 1 FROM logged_model_metrics p WHERE p.model = m.key")
        .Add(OnDatasets(search.datasets))
        .Add(")");
  }
  ROOST_ASSIGN(const SqlText order, OrderOf(search));
  sql.Add(order).With(static_cast<std::int64_t>(search.limit));
  return sql.With(static_cast<std::int64_t>(search.offset));
}

}  // namespace

Result<std::vector<LoggedModel>> LoggedModels::Search(const LoggedModelSearch& search) const {
  using Found = std::vector<LoggedModel>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(const SqlText sql, TranslateSearch(search));
    ROOST_ASSIGN(Statement query, PrepareSearch(db, sql));
    std::vector<std::int64_t> keys;
    while (true) {
      ROOST_ASSIGN(const bool row, query.Step());
      if (!row) break;
      keys.push_back(query.Int(0));
    }
    return LoadLoggedModels(db, keys);
  });
}

}  // namespace roost::store
