#include "store/search_fields.h"

#include <array>
#include <cmath>

#include "spec/metrics.h"
#include "spec/mlflow_run_search.h"
#include "store/rows.h"

namespace roost::store {
namespace {

using spec::Comparison;
using spec::Condition;
using spec::FieldKind;
using Value = std::variant<double, std::string>;

// 'SCHEDULED' for NotStarted, Queued...
std::string MlflowStatusColumn() {
  std::string sql = "CASE @state";
  for (const spec::RunState state : spec::AllRunStates()) {
    sql += " WHEN '" + std::string(spec::ToString(state)) + "' THEN '" +
           std::string(spec::MlflowStatus(state)) + "'";
  }
  return sql + " END";
}
const std::string kMlflowStatusColumn = MlflowStatusColumn();

// As api/mlflow/objects.h makes it of a run.
constexpr std::string_view kArtifactUriColumn =
    "((SELECT CASE WHEN artifact_location = '' THEN 'mlflow-artifacts:/' || id || '/' "
    "WHEN artifact_location LIKE '%/' THEN artifact_location ELSE artifact_location || '/' END "
    "FROM experiments WHERE id = @experiment) || @id || '/artifacts')";

const std::array kAttributes = {
    Attribute{"run_id", "@id", FieldType::kText, kUnnamedIndex, false},
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
    // What MLflow's clients see of a run in their words (spec/mlflow_run_search.h).
    Attribute{"start_time", "ifnull(@started_at, @created_at)", FieldType::kMilliseconds,
              "runs_by_start_time", false, "runs_by_experiment_and_start_time"},
    Attribute{"end_time", "@ended_at", FieldType::kMilliseconds, "runs_by_ended_at", true},
    Attribute{"mlflow_status", kMlflowStatusColumn, FieldType::kText, "", false},
    Attribute{"user_id", "ifnull(nullif(@user_id, ''), @submitter)", FieldType::kText, "", false},
    Attribute{"artifact_uri", kArtifactUriColumn, FieldType::kText, "", false},
    Attribute{"note", "nullif(@description, '')", FieldType::kText, "", true},
    Attribute{"parent_tag",
              "ifnull(@parent_id, (SELECT value FROM run_tags WHERE run = @key AND key = "
              "'mlflow.parentRunId'))",
              FieldType::kText, "", true},
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
  // Times that come as numbers are milliseconds; some columns are cut to such.
  return type == FieldType::kTime ? std::get<double>(value) * 1000 : std::get<double>(value);
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
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kNumber));
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
  driver.source.Add("metric_summary d INDEXED BY metric_summary_by_last");
  driver.where.Add("d.name_id = ? AND ").With(name_id).Add(wanted);
  if (is_other) driver.where = SqlText{"d.name_id = ?", {name_id}};
  driver.key = "d.run";
  sql->drivers.push_back(std::move(driver));
  return {};
}

// --- Tags, params, properties ---

Status TranslateKeyed(const Condition& condition, SearchSql* sql) {
  const std::string table(TableOf(condition.field.kind));
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kText));
  const bool is_missing = condition.comparison == Comparison::kIsNull;
  const bool is_there = condition.comparison == Comparison::kIsNotNull;

  sql->test.Add(is_missing ? " AND NOT EXISTS (SELECT 1 FROM " : " AND EXISTS (SELECT 1 FROM ");
  sql->test.Add(table).Add(" WHERE run = r.key AND key = ?").With(condition.field.name);
  if (!is_missing && !is_there) sql->test.Add(" AND value").Add(comparison);
  sql->test.Add(")");
  if (is_missing) return {};

  Driver driver;
  driver.source.Add(table + " d INDEXED BY " + std::string(IndexOf(condition.field.kind)));
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
  driver.source.Add("runs d");
  const bool is_named = !index.empty() && index != kUnnamedIndex;
  if (is_named) driver.source.Add(" INDEXED BY " + std::string(index));
  driver.where = std::move(where);
  driver.key = "d.key";
  driver.in_key_order = in_key_order;
  return driver;
}

// A time that is compared with milliseconds: what lies in the same millisecond is equal. The index
// lists a little more than is wanted.
void TranslateMilliseconds(const Condition& condition, const Attribute& attribute,
                           const SqlText& comparison, SearchSql* sql) {
  sql->test.Add(" AND ").Add(ColumnOf(attribute, "r", 0)).Add(" / 1000").Add(comparison);
  if (!IsRange(condition.comparison)) return;
  const double bound = std::get<double>(condition.values[0]) * 1000;
  SqlText where;
  const std::string column = ColumnOf(attribute, "d", 0).text;
  const bool is_equal = condition.comparison == Comparison::kEq;
  const bool is_below =
      condition.comparison == Comparison::kLt || condition.comparison == Comparison::kLe;
  if (is_below || is_equal) where.Add(column + " < ?").With(bound + 1000);
  if (is_equal) where.Add(" AND ");
  if (!is_below) where.Add(column + " > ?").With(bound - 1000);
  sql->drivers.push_back(RunsDriver(attribute.index, std::move(where), false));
}

// A parent that is no run is kept as a tag.
void AddParentTagDriver(const SqlText& comparison, SearchSql* sql) {
  Driver driver;
  driver.source.Add("(SELECT key FROM runs WHERE parent_id").Add(comparison);
  driver.source.Add(" UNION SELECT run FROM run_tags WHERE key = 'mlflow.parentRunId' AND value");
  driver.source.Add(comparison).Add(") d");
  driver.where.Add("1");
  driver.key = "d.key";
  sql->drivers.push_back(std::move(driver));
}

Status TranslateAttribute(const Condition& condition, Micros now, SearchSql* sql) {
  ROOST_ASSIGN(const Attribute attribute, FindAttribute(condition.field.name));
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, attribute.type));
  if (attribute.type == FieldType::kMilliseconds) {
    TranslateMilliseconds(condition, attribute, comparison, sql);
    return {};
  }
  sql->test.Add(" AND ").Add(ColumnOf(attribute, "r", now)).Add(comparison);

  const bool is_equal = condition.comparison == Comparison::kEq;
  if (attribute.name == "experiment" && IsEqualOrIn(condition.comparison)) {
    SqlText where{"d.experiment IN (SELECT id FROM experiments WHERE name", {}};
    sql->drivers.push_back(RunsDriver("runs_by_experiment", where.Add(comparison).Add(")"), false));
  } else if (attribute.name == "parent" && IsEqualOrIn(condition.comparison)) {
    SqlText where{"d.parent_id", {}};
    sql->drivers.push_back(RunsDriver("runs_by_parent", where.Add(comparison), is_equal));
  } else if (attribute.name == "parent_tag" && IsEqualOrIn(condition.comparison)) {
    AddParentTagDriver(comparison, sql);
  } else if (!attribute.index.empty() && IsRange(condition.comparison)) {
    SqlText where = ColumnOf(attribute, "d", now);
    const bool in_key_order = is_equal && attribute.index != kUnnamedIndex;
    sql->drivers.push_back(RunsDriver(attribute.index, where.Add(comparison), in_key_order));
  }
  return {};
}

// --- Datasets that runs took as inputs ---

Status TranslateDataset(const Condition& condition, SearchSql* sql) {
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kText));
  SqlText source;
  SqlText wanted;
  if (condition.field.name == "context") {
    source.Add("run_input_tags i");
    wanted.Add("i.key = 'mlflow.data.context' AND i.value").Add(comparison);
  } else if (condition.field.name == "name" || condition.field.name == "digest") {
    source.Add("input_datasets s CROSS JOIN run_inputs i ON i.dataset = s.key");
    wanted.Add("s." + condition.field.name).Add(comparison);
  } else {
    return Invalid("filter", "Datasets have a name, a digest and a context, but no '" +
                                 condition.field.name + "'.");
  }
  sql->test.Add(" AND EXISTS (SELECT 1 FROM ");
  if (condition.field.name == "context") {
    sql->test.Add(source);
  } else {
    sql->test.Add("run_inputs i CROSS JOIN input_datasets s ON s.key = i.dataset");
  }
  sql->test.Add(" WHERE i.run = r.key AND ").Add(wanted).Add(")");
  if (!IsEqualOrIn(condition.comparison)) return {};
  Driver driver;  // each run once, though it may have several such datasets
  driver.source.Add("(SELECT DISTINCT i.run AS run FROM ").Add(source).Add(" WHERE ").Add(wanted);
  driver.source.Add(") d");
  driver.where.Add("1");
  driver.key = "d.run";
  sql->drivers.push_back(std::move(driver));
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

void RestrictExperiments(const SqlText& ids, SearchSql* sql) {
  sql->test.Add(" AND r.experiment IN (").Add(ids).Add(")");
  SqlText where{"d.experiment", {}};
  const bool is_one = ids.values.size() == 1;
  where.Add(is_one ? " = " : " IN (").Add(ids).Add(is_one ? "" : ")");
  sql->drivers.push_back(RunsDriver("runs_by_experiment", std::move(where), is_one));
}

Status TranslateExperiments(Connection& db, const RunSearch& search, SearchSql* sql) {
  if (search.experiment_ids) {
    SqlText ids;
    for (const ExperimentId id : *search.experiment_ids) {
      ids.Add(ids.text.empty() ? "?" : ", ?").With(id.value());
    }
    if (ids.values.empty()) ids.Add("?").With(std::int64_t{-1});
    RestrictExperiments(ids, sql);
  }
  if (search.experiments.empty()) return {};
  ROOST_ASSIGN(const SqlText ids, ExperimentIds(db, search.experiments));
  RestrictExperiments(ids, sql);
  return {};
}

void TranslateLifecycle(const RunSearch& search, SearchSql* sql) {
  if (!search.lifecycle) {
    sql->test.Add(search.with_deleted ? "1" : "r.lifecycle <> 'deleted'");
    return;
  }
  const std::string lifecycle(spec::ToString(*search.lifecycle));
  sql->test.Add("r.lifecycle = ?").With(lifecycle);
  if (*search.lifecycle == spec::Lifecycle::kActive) return;
  sql->drivers.push_back(RunsDriver(
      "runs_set_aside", SqlText{"d.lifecycle <> 'active' AND d.lifecycle = ?", {lifecycle}}, true));
}

}  // namespace

Result<SqlText> ConditionSql(const Condition& condition, FieldType type) {
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
    case FieldKind::kDataset:
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
    case FieldKind::kDataset:
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
      case FieldKind::kDataset:
        ROOST_TRY(TranslateDataset(condition, &sql));
        break;
    }
  }
  return sql;
}

}  // namespace roost::store
