#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace roost::store {

// A piece of SQL with the values of its question marks, in their order. Users' words travel as
// values only.
struct SqlText {
  std::string text;
  std::vector<std::variant<double, std::int64_t, std::string>> values;

  SqlText& Add(std::string_view more) {
    text += more;
    return *this;
  }
  SqlText& Add(const SqlText& more) {
    text += more.text;
    values.insert(values.end(), more.values.begin(), more.values.end());
    return *this;
  }
  template <class T>
  SqlText& With(T value) {
    values.emplace_back(std::move(value));
    return *this;
  }
};

inline Result<Statement> PrepareSearch(Connection& db, const SqlText& sql) {
  ROOST_ASSIGN(Statement statement, db.PrepareOnce(sql.text));
  int index = 1;
  for (const auto& value : sql.values) {
    std::visit([&](const auto& v) { statement.Bind(index++, v); }, value);
  }
  return statement;
}

}  // namespace roost::store
