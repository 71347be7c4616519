#include "store/search_noun.h"

#include <algorithm>

#include "store/rows.h"
#include "store/search_token.h"

namespace roost::store {
namespace {

std::string OverRow(std::string_view column) {
  std::string sql;
  for (const char c : column) {
    if (c == '@') {
      sql += "n.";
    } else {
      sql += c;
    }
  }
  return sql;
}

Result<Attribute> FindIn(const Noun& noun, const std::string& name) {
  for (const Attribute& attribute : noun.attributes) {
    if (attribute.name == name) return attribute;
  }
  return Invalid("filter", "There is no attribute '" + name + "' to search " +
                               std::string(noun.table) + " by.");
}

Status AddCondition(const Noun& noun, const spec::Condition& condition, SqlText* where) {
  if (condition.field.kind == spec::FieldKind::kAttribute) {
    ROOST_ASSIGN(const Attribute attribute, FindIn(noun, condition.field.name));
    ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, attribute.type));
    const bool is_cut = attribute.type == FieldType::kMilliseconds;
    where->Add(" AND " + OverRow(attribute.column) + (is_cut ? " / 1000" : "")).Add(comparison);
    return {};
  }
  if (condition.field.kind != spec::FieldKind::kTag) {
    return Invalid("filter", "Only attributes and tags can be searched here.");
  }
  ROOST_ASSIGN(const SqlText comparison, ConditionSql(condition, FieldType::kText));
  const bool is_missing = condition.comparison == spec::Comparison::kIsNull;
  const bool is_there = condition.comparison == spec::Comparison::kIsNotNull;
  where->Add(is_missing ? " AND NOT EXISTS (" : " AND EXISTS (");
  where->Add("SELECT 1 FROM (" + OverRow(noun.tags) + ") WHERE key = ?");
  where->With(condition.field.name);
  if (!is_missing && !is_there) where->Add(" AND value").Add(comparison);
  where->Add(")");
  return {};
}

struct Column {
  std::string sql;
  bool descending = false;
  bool is_text = false;
};

Result<std::vector<Column>> OrderColumns(const Noun& noun, const NounSearch& search) {
  std::vector<Column> columns;
  for (const spec::OrderBy& order : search.order) {
    ROOST_ASSIGN(const Attribute attribute, FindIn(noun, order.field.name));
    columns.push_back(
        {OverRow(attribute.column), order.descending, attribute.type == FieldType::kText});
  }
  return columns;
}

// (a > ?) OR (a = ? AND (b < ?)): what comes behind a row of these values.
void AddBehind(const std::vector<Column>& columns, const Position& after, SqlText* where) {
  const auto with = [&](std::size_t i) {
    std::visit(
        [&](const auto& value) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
            where->With(value);
          }
        },
        after.values[i].value);
  };
  where->Add(" AND (");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const bool is_last = i + 1 == columns.size();
    where->Add(columns[i].sql + (columns[i].descending ? " < ?" : " > ?"));
    with(i);
    if (is_last) break;
    where->Add(" OR (" + columns[i].sql + " = ?");
    with(i);
    where->Add(" AND (");
  }
  for (std::size_t i = 1; i < columns.size(); ++i) where->Add("))");
  where->Add(")");
}

std::string Canonical(const Noun& noun, const SqlText& only, const NounSearch& search) {
  std::string text = std::string(noun.table) + "|" + only.text + "|";
  for (const auto& value : only.values) {
    std::visit(
        [&](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
            text += v + "|";
          } else {
            text += std::to_string(v) + "|";
          }
        },
        value);
  }
  return text + CanonicalSearch(search.filter, search.order);
}

}  // namespace

Result<NounPage> SearchNoun(Connection& db, const Noun& noun, const SqlText& only,
                            const NounSearch& search) {
  ROOST_ASSIGN(const std::vector<Column> columns, OrderColumns(noun, search));
  const std::string canonical = Canonical(noun, only, search);
  SqlText sql{"SELECT " + OverRow(noun.key), {}};
  for (const Column& column : columns) sql.Add(", " + column.sql);
  sql.Add(" FROM " + std::string(noun.table) + " n WHERE ");
  if (only.text.empty()) {
    sql.Add("1");
  } else {
    sql.Add(only);
  }
  for (const spec::Condition& condition : search.filter) {
    ROOST_TRY(AddCondition(noun, condition, &sql));
  }
  if (!search.page_token.empty()) {
    ROOST_ASSIGN(const Position after, ReadToken(search.page_token, canonical, columns.size()));
    AddBehind(columns, after, &sql);
  }
  sql.Add(" ORDER BY ");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    sql.Add((i == 0 ? "" : ", ") + columns[i].sql + (columns[i].descending ? " DESC" : ""));
  }
  const auto limit = static_cast<std::size_t>(std::max(search.limit, 1));
  sql.Add(" LIMIT ?").With(static_cast<std::int64_t>(limit) + 1);

  ROOST_ASSIGN(Statement query, PrepareSearch(db, sql));
  NounPage page;
  Position last;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return page;
    if (page.keys.size() == limit) {
      page.next_page_token = WriteToken(canonical, last);
      return page;
    }
    page.keys.push_back(query.Text(0));
    last = {};
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const int column = static_cast<int>(i) + 1;
      if (columns[i].is_text) {
        last.values.push_back({Rank::kValue, query.Text(column)});
      } else {
        last.values.push_back({Rank::kValue, query.Real(column)});
      }
    }
  }
}

}  // namespace roost::store
