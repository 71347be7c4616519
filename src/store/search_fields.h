#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "spec/run_query.h"
#include "store/runs.h"
#include "store/search_sql.h"

// How the fields of a search are read from the tables: as a test of a run, and as an index that
// lists candidates.
namespace roost::store {

// Times are compared with microseconds; kMilliseconds are times that are cut to such first.
enum class FieldType { kNumber, kTime, kMilliseconds, kText };

// The row's columns are named by `alias` ("r.display_name"). Attributes with an index on (column,
// key) can be walked in their order.
struct Attribute {
  std::string_view name;
  std::string_view column;  // an expression; '@' stands for the alias and a point
  FieldType type = FieldType::kText;
  std::string_view index = {};  // empty: none
  bool may_be_null = false;
  std::string_view index_in_experiment = {};  // on (experiment, column, key)
};
// An index that is not named: the one of a UNIQUE column.
inline constexpr std::string_view kUnnamedIndex = "?";
// kInvalidArgument names those that there are.
Result<Attribute> FindAttribute(const std::string& name);
// The attribute's expression over `alias`. `now` stands in for the end of what is not over yet.
SqlText ColumnOf(const Attribute& attribute, std::string_view alias, Micros now);

// Tags, params and properties lie in tables of one form: (run, key, value).
std::string_view TableOf(spec::FieldKind kind);  // "run_tags"
std::string_view IndexOf(spec::FieldKind kind);  // "run_tags_by_value"

// The metric's internal number; a name that no run has logged is -1, which no row has.
Result<std::int64_t> MetricNameId(Connection& db, const std::string& name);

// A list of candidates, read from an index alone. It may hold runs that the search does not want,
// but lacks none that it wants.
struct Driver {
  SqlText source;  // "run_tags d INDEXED BY run_tags_by_value"
  SqlText where;
  std::string key;            // the column with the run's key: "d.run"
  bool in_key_order = false;  // with ORDER BY key, read straight from the index
};

// What follows the expression of a condition's field: " > ?", " IN (?, ?)"... with the values.
Result<SqlText> ConditionSql(const spec::Condition& condition, FieldType type);

// What a search asks for, translated: a test of row `r` of `runs`, and the indices that could list
// candidates for it.
struct SearchSql {
  SqlText test;
  std::vector<Driver> drivers;
};
Result<SearchSql> TranslateSearch(Connection& db, const RunSearch& search, Micros now);

}  // namespace roost::store
