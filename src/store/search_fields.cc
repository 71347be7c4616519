#include "store/search_fields.h"

#include <array>
#include <cmath>

#include "spec/metrics.h"
#include "store/rows.h"

namespace roost::store {
namespace {

using spec::Comparison;
using spec::Condition;
using spec::FieldKind;
using Value = std::variant<double, std::string>;

constexpr std::array kAttributes = {
    Attribute{"run_id", "@id", FieldType::kText, "", false},
    Attribute{"display_name", "@display_name", FieldType::kText, "runs_by_display_name", false},
    Attribute{"status", "@state", FieldType::kText, "runs_by_state", false},
    Attribute{"experiment", "(SELECT name FROM experiments WHERE id = @experiment)",
              FieldType::kText, "", false},
    Attribute{"created_at", "@created_at", FieldType::kTime, "runs_by_created_at", false},
    Attribute{"started_at", "@started_at", FieldType::kTime, "runs_by_started_at", true},
    Attribute{"ended_at", "@ended_at", FieldType::kTime, "runs_by_ended_at", true},
    Attribute{"duration_seconds", "((ifnull(@ended_at, ?) - @started_at) / 1e6)",
              FieldType::kNumber, "", true},
    Attribute{"submitter", "@submitter", FieldType::kText, "", false},
    Attribute{"compute_target", "@compute_target", FieldType::kText, "", false},
    Attribute{"parent", "@parent_id", FieldType::kText, "", true},
    Attribute{"kind", "@kind", FieldType::kText, "", false},
};

// LIKE with capitals told apart is GLOB with other signs: % is *, _ is ?.
std::string GlobOfLike(std::string_view pattern) {
  std::string glob;
  for (const char c : pattern) {
    switch (c) {
      case '%':
        glob += '*';
        break;
      case '_':
        glob += '?';
        break;
      case '*':
      case '?':
      case '[':
        glob += {'[', c, ']'};
        break;
      default:
        glob += c;
    }
  }
  return glob;
}

std::string_view SignOf(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEq:
      return " = ?";
    case Comparison::kNe:
      return " <> ?";
    case Comparison::kLt:
      return " < ?";
    case Comparison::kLe:
      return " <= ?";
    case Comparison::kGt:
      return " > ?";
    case Comparison::kGe:
      return " >= ?";
    case Comparison::kLike:
      return " GLOB ?";
    case Comparison::kILike:
      return " LIKE ?";
    case Comparison::kIn:
      return " IN (";
    case Comparison::kNotIn:
      return " NOT IN (";
    case Comparison::kIsNull:
      return " IS NULL";
    case Comparison::kIsNotNull:
      return " IS NOT NULL";
  }
  return "";
}

Result<Value> ConvertValue(const Condition& condition, FieldType type, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (type == FieldType::kText) {
    return text ? *text : spec::FormatNumber(std::get<double>(value));
  }
  if (type == FieldType::kTime && text != nullptr) {
    ROOST_ASSIGN(const Micros time, ParseTime(*text));
    return static_cast<double>(time);
  }
  if (text != nullptr) {
    return Invalid("filter", "'" + condition.field.name + "' is a number and cannot be compared " +
                                 "with the text '" + *text + "'.");
  }
  // Times that come as numbers are milliseconds.
  return type == FieldType::kTime ? std::get<double>(value) * 1000 : std::get<double>(value);
}

// What follows the expression of the field: " > ?", " IN (?, ?)"... with the values.
Result<SqlText> ComparisonSql(const Condition& condition, FieldType type) {
  SqlText sql{std::string(SignOf(condition.comparison)), {}};
  switch (condition.comparison) {
    case Comparison::kIsNull:
    case Comparison::kIsNotNull:
      return sql;
    case Comparison::kIn:
    case Comparison::kNotIn:
      for (std::size_t i = 0; i < condition.values.size(); ++i) {
        ROOST_ASSIGN(Value value, ConvertValue(condition, type, condition.values[i]));
        sql.Add(i == 0 ? "?" : ", ?");
        std::visit([&](auto& v) { sql.With(std::move(v)); }, value);
      }
      return sql.Add(")");
    default:
      break;
  }
  if (condition.values.size() != 1) {
    return Invalid("filter", "'" + condition.field.name + "' is compared with exactly one value.");
  }
  const bool is_like =
      condition.comparison == Comparison::kLike || condition.comparison == Comparison::kILike;
  if (is_like && type != FieldType::kText) {
    return Invalid("filter", "'" + condition.field.name + "' is no text and has no pattern.");
  }
  ROOST_ASSIGN(Value value, ConvertValue(condition, type, condition.values[0]));
  if (condition.comparison == Comparison::kLike) value = GlobOfLike(std::get<std::string>(value));
  std::visit([&](auto& v) { sql.With(std::move(v)); }, value);
  return sql;
}

bool IsEqualOrIn(Comparison comparison) {
  return comparison == Comparison::kEq || comparison == Comparison::kIn;
}
bool IsRange(Comparison comparison) {
  return IsEqualOrIn(comparison) || comparison == Comparison::kLt ||
         comparison == Comparison::kLe || comparison == Comparison::kGt ||
         comparison == Comparison::kGe;
}

// --- Metrics: their last value. NaN is a value that is equal to nothing. ---

Status TranslateMetric(Connection& db, const Condition& condition, SearchSql* sql) {
  ROOST_ASSIGN(const std::int64_t name_id, MetricNameId(db, condition.field.name));
  ROOST_ASSIGN(const SqlText comparison, ComparisonSql(condition, FieldType::kNumber));
  const bool is_missing = condition.comparison == Comparison::kIsNull;
  const bool is_there = condition.comparison == Comparison::kIsNotNull;
  const bool is_other =
      condition.comparison == Comparison::kNe || condition.comparison == Comparison::kNotIn;

  SqlText wanted;  // of a summary's row `d`
  if (is_missing || is_there) {
    wanted.Add("d.last_kind < 2");
  } else if (is_other) {
    wanted.Add("(d.last_kind = 1 OR (d.last_kind = 0 AND d.last").Add(comparison).Add("))");
  } else {
    wanted.Add("d.last_kind = 0 AND d.last").Add(comparison);
  }
  sql->test.Add(is_missing ? " AND NOT EXISTS (" : " AND EXISTS (");
  sql->test.Add("SELECT 1 FROM metric_summary d WHERE d.run = r.key AND d.name_id = ? AND ");
  sql->test.With(name_id).Add(wanted).Add(")");
  if (is_missing) return {};

  Driver driver;
  driver.source = "metric_summary d INDEXED BY metric_summary_by_last";
  driver.where.Add("d.name_id = ? AND ").With(name_id).Add(wanted);
  if (is_other) driver.where = SqlText{"d.name_id = ?", {name_id}};
  driver.key = "d.run";
  sql->drivers.push_back(std::move(driver));
  return {};
}

// --- Tags, params, properties ---

Status TranslateKeyed(const Condition& condition, SearchSql* sql) {
  const std::string table(TableOf(condition.field.kind));
  ROOST_ASSIGN(const SqlText comparison, ComparisonSql(condition, FieldType::kText));
  const bool is_missing = condition.comparison == Comparison::kIsNull;
  const bool is_there = condition.comparison == Comparison::kIsNotNull;

  sql->test.Add(is_missing ? " AND NOT EXISTS (SELECT 1 FROM " : " AND EXISTS (SELECT 1 FROM ");
  sql->test.Add(table).Add(" WHERE run = r.key AND key = ?").With(condition.field.name);
  if (!is_missing && !is_there) sql->test.Add(" AND value").Add(comparison);
  sql->test.Add(")");
  if (is_missing) return {};

  Driver driver;
  driver.source = table + " d INDEXED BY " + std::string(IndexOf(condition.field.kind));
  driver.where.Add("d.key = ?").With(condition.field.name);
  if (IsEqualOrIn(condition.comparison)) driver.where.Add(" AND d.value").Add(comparison);
  driver.key = "d.run";
  driver.in_key_order = condition.comparison == Comparison::kEq;
  sql->drivers.push_back(std::move(driver));
  return {};
}

// --- Attributes ---

Driver RunsDriver(std::string_view index, SqlText where, bool in_key_order) {
  Driver driver;
  driver.source = "runs d";
  if (!index.empty()) driver.source += " INDEXED BY " + std::string(index);
  driver.where = std::move(where);
  driver.key = "d.key";
  driver.in_key_order = in_key_order;
  return driver;
}

Status TranslateAttribute(const Condition& condition, Micros now, SearchSql* sql) {
  ROOST_ASSIGN(const Attribute attribute, FindAttribute(condition.field.name));
  ROOST_ASSIGN(const SqlText comparison, ComparisonSql(condition, attribute.type));
  sql->test.Add(" AND ").Add(ColumnOf(attribute, "r", now)).Add(comparison);

  const bool is_equal = condition.comparison == Comparison::kEq;
  if (attribute.name == "experiment" && IsEqualOrIn(condition.comparison)) {
    SqlText where{"d.experiment IN (SELECT id FROM experiments WHERE name", {}};
    sql->drivers.push_back(RunsDriver("runs_by_experiment", where.Add(comparison).Add(")"), false));
  } else if (attribute.name == "parent" && IsEqualOrIn(condition.comparison)) {
    SqlText where{"d.parent_id", {}};
    sql->drivers.push_back(RunsDriver("runs_by_parent", where.Add(comparison), is_equal));
  } else if (attribute.name == "run_id" && IsEqualOrIn(condition.comparison)) {
    SqlText where{"d.id", {}};
    sql->drivers.push_back(RunsDriver("", where.Add(comparison), false));
  } else if (!attribute.index.empty() && IsRange(condition.comparison)) {
    SqlText where = ColumnOf(attribute, "d", now);
    sql->drivers.push_back(RunsDriver(attribute.index, where.Add(comparison), is_equal));
  }
  return {};
}

// --- What a search names beside its filter ---

Result<SqlText> ExperimentIds(Connection& db, const std::vector<std::string>& names) {
  SqlText list;
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT id FROM experiments WHERE name = ?"));
  for (const std::string& name : names) {
    ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
    if (row) list.Add(list.text.empty() ? "?" : ", ?").With(query.Int(0));
    query.Reset();
  }
  // None of them exists: an id that no experiment has, since SQLite takes no index for an empty
  // list.
  if (list.values.empty()) list.Add("?").With(std::int64_t{-1});
  return list;
}

Status TranslateExperiments(Connection& db, const RunSearch& search, SearchSql* sql) {
  if (search.experiments.empty()) return {};
  ROOST_ASSIGN(const SqlText ids, ExperimentIds(db, search.experiments));
  sql->test.Add(" AND r.experiment IN (").Add(ids).Add(")");
  SqlText where{"d.experiment", {}};
  const bool is_one = ids.values.size() == 1;
  where.Add(is_one ? " = " : " IN (").Add(ids).Add(is_one ? "" : ")");
  sql->drivers.push_back(RunsDriver("runs_by_experiment", std::move(where), is_one));
  return {};
}

void TranslateLifecycle(const RunSearch& search, SearchSql* sql) {
  if (!search.lifecycle) {
    sql->test.Add("r.lifecycle <> 'deleted'");
    return;
  }
  const std::string lifecycle(spec::ToString(*search.lifecycle));
  sql->test.Add("r.lifecycle = ?").With(lifecycle);
  if (*search.lifecycle == spec::Lifecycle::kActive) return;
  sql->drivers.push_back(RunsDriver(
      "runs_set_aside", SqlText{"d.lifecycle <> 'active' AND d.lifecycle = ?", {lifecycle}}, true));
}

}  // namespace

Result<SqlText> ConditionSql(const spec::Condition& condition, FieldType type) {
  return ComparisonSql(condition, type);
}

Result<Attribute> FindAttribute(const std::string& name) {
  std::string known;
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name == name) return attribute;
    known += (known.empty() ? "" : ", ") + std::string(attribute.name);
  }
  return Invalid("filter", "Runs have no attribute '" + name + "'. There are " + known + ".");
}

SqlText ColumnOf(const Attribute& attribute, std::string_view alias, Micros now) {
  SqlText sql;
  for (const char c : attribute.column) {
    if (c == '@') {
      sql.Add(alias).Add(".");
      continue;
    }
    sql.text += c;
    if (c == '?') sql.With(now);
  }
  return sql;
}

std::string_view TableOf(FieldKind kind) {
  switch (kind) {
    case FieldKind::kTag:
      return "run_tags";
    case FieldKind::kParam:
      return "run_params";
    case FieldKind::kProperty:
      return "run_properties";
    case FieldKind::kAttribute:
    case FieldKind::kMetric:
      break;
  }
  return "";
}

std::string_view IndexOf(FieldKind kind) {
  switch (kind) {
    case FieldKind::kTag:
      return "run_tags_by_value";
    case FieldKind::kParam:
      return "run_params_by_value";
    case FieldKind::kProperty:
      return "run_properties_by_value";
    case FieldKind::kAttribute:
    case FieldKind::kMetric:
      break;
  }
  return "";
}

Result<std::int64_t> MetricNameId(Connection& db, const std::string& name) {
  ROOST_ASSIGN(Statement query, db.Prepare("SELECT id FROM metric_names WHERE name = ?"));
  ROOST_ASSIGN(const bool row, query.Bind(1, name).Step());
  return row ? query.Int(0) : -1;
}

Result<SearchSql> TranslateSearch(Connection& db, const RunSearch& search, Micros now) {
  SearchSql sql;
  TranslateLifecycle(search, &sql);
  ROOST_TRY(TranslateExperiments(db, search, &sql));
  if (!search.parent_id.empty()) {
    sql.test.Add(" AND r.parent_id = ?").With(search.parent_id);
    sql.drivers.push_back(
        RunsDriver("runs_by_parent", SqlText{"d.parent_id = ?", {search.parent_id}}, true));
  }
  for (const Condition& condition : search.filter) {
    switch (condition.field.kind) {
      case FieldKind::kMetric:
        ROOST_TRY(TranslateMetric(db, condition, &sql));
        break;
      case FieldKind::kAttribute:
        ROOST_TRY(TranslateAttribute(condition, now, &sql));
        break;
      case FieldKind::kTag:
      case FieldKind::kParam:
      case FieldKind::kProperty:
        ROOST_TRY(TranslateKeyed(condition, &sql));
        break;
    }
  }
  return sql;
}

}  // namespace roost::store
