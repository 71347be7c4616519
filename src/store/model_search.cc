#include <algorithm>
#include <span>
#include <string_view>

#include "store/database.h"
#include "store/model_rows.h"
#include "store/models.h"
#include "store/search_fields.h"

// There are thousands of models and not millions, so a search reads what its conditions leave over
// and sorts that.
namespace roost::store {
namespace {

struct Column {
  std::string_view name;
  std::string_view expression;
  FieldType type = FieldType::kText;
};

// Clients see milliseconds, so what differs by less is ordered by the next key.
constexpr Column kModelColumns[] = {
    {"name", "m.name", FieldType::kText},
    {"last_updated_timestamp", "(m.updated_at / 1000)", FieldType::kNumber},
};
constexpr Column kVersionColumns[] = {
    {"name", "v.name", FieldType::kText},
    {"version_number", "v.version", FieldType::kNumber},
    {"run_id", "v.run_id", FieldType::kText},
    {"source_path", "v.source", FieldType::kText},
    {"creation_timestamp", "(v.created_at / 1000)", FieldType::kNumber},
    {"last_updated_timestamp", "(v.updated_at / 1000)", FieldType::kNumber},
};

// What is searched: the columns, and the rows of its tags.
struct Noun {
  std::span<const Column> columns;
  std::string_view tags;  // "FROM model_tags t WHERE t.name = m.name"
  std::string_view no_prompt;
  std::vector<spec::OrderBy> order;       // when none is asked for
  std::vector<spec::OrderBy> tie_breaks;  // added to any order
};

spec::OrderBy By(const char* name, bool descending) {
  return {{spec::FieldKind::kAttribute, name}, descending};
}

const Noun& ModelNoun() {
  static const Noun noun = {
      kModelColumns,
      "FROM model_tags t WHERE t.name = m.name",
      "NOT EXISTS(SELECT 1 FROM model_tags t WHERE t.key = ? AND t.value = 'true' AND t.name = "
      "m.name)",
      {},
      {By("name", false)}};
  return noun;
}

// One version that is a prompt makes its model a prompt.
const Noun& VersionNoun() {
  static const Noun noun = {
      kVersionColumns,
      "FROM model_version_tags t WHERE t.model_version = v.key",
      "v.name NOT IN (SELECT p.name FROM model_version_tags t JOIN model_versions p ON p.key = "
      "t.model_version WHERE t.key = ? AND t.value = 'true')",
      {By("last_updated_timestamp", true)},
      {By("name", false), By("version_number", true)}};
  return noun;
}

Result<Column> FindColumn(const Noun& noun, const spec::Field& field) {
  if (field.kind == spec::FieldKind::kAttribute) {
    for (const Column& column : noun.columns) {
      if (column.name == field.name) return column;
    }
  }
  return Invalid("filter", "'" + field.name + "' is nothing that models are searched by.");
}

Status AddCondition(const Noun& noun, const spec::Condition& condition, SqlText* sql) {
  if (condition.field.kind == spec::FieldKind::kTag) {
    ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kText));
    sql->Add(" AND EXISTS(SELECT 1 ").Add(noun.tags).Add(" AND t.key = ? AND t.value");
    sql->With(condition.field.name).Add(comparison).Add(")");
    return {};
  }
  ROOST_ASSIGN(const Column column, FindColumn(noun, condition.field));
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, column.type));
  sql->Add(" AND ").Add(column.expression).Add(comparison);
  return {};
}

Status AddOrder(const Noun& noun, const std::vector<spec::OrderBy>& asked, SqlText* sql) {
  std::vector<spec::OrderBy> order = asked.empty() ? noun.order : asked;
  for (const spec::OrderBy& tie_break : noun.tie_breaks) {
    const bool is_asked = std::any_of(order.begin(), order.end(), [&](const spec::OrderBy& each) {
      return each.field == tie_break.field;
    });
    if (!is_asked) order.push_back(tie_break);
  }
  std::string_view separator = " ORDER BY ";
  for (const spec::OrderBy& each : order) {
    ROOST_ASSIGN(const Column column, FindColumn(noun, each.field));
    sql->Add(separator).Add(column.expression).Add(each.descending ? " DESC" : " ASC");
    separator = ", ";
  }
  return {};
}

Result<Statement> Prepare(Connection& db, const Noun& noun, const std::string& select,
                          const ModelSearch& search) {
  SqlText sql{select, {}};
  for (const spec::Condition& condition : search.conditions) {
    ROOST_TRY(AddCondition(noun, condition, &sql));
  }
  if (search.hide_prompts) {
    sql.Add(" AND ").Add(noun.no_prompt).With(std::string(kPromptTag));
  }
  ROOST_TRY(AddOrder(noun, search.order, &sql));
  sql.Add(" LIMIT ? OFFSET ?").With(search.limit).With(search.offset);
  return PrepareSearch(db, sql);
}

}  // namespace

Result<std::vector<Model>> Models::Search(const ModelSearch& search) const {
  using Found = std::vector<Model>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, Prepare(db, ModelNoun(), kSelectModels, search));
    return ReadModels(query);
  });
}

Result<std::vector<ModelVersion>> Models::SearchVersions(const ModelSearch& search) const {
  using Found = std::vector<ModelVersion>;
  return database_.Read<Found>([&](Connection& db) -> Result<Found> {
    ROOST_ASSIGN(Statement query, Prepare(db, VersionNoun(), kSelectVersions + "WHERE 1", search));
    return ReadVersions(query);
  });
}

}  // namespace roost::store
