#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "spec/run_query.h"

namespace roost::spec {

// One word of a filter or an order.
struct QueryToken {
  enum class Kind {
    kName,    // letters, digits, '_', '-', '/' and '.': a keyword or a (part of a) field
    kQuoted,  // in back-ticks: the rest of a field
    kText,    // in ' or ": a value, or with " the rest of a field
    kNumber,
    kSign,  // = != < <= > >= ( ) ,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;     // without quotes
  double number = 0;    // of kNumber
  std::size_t at = 0;   // first byte in the query
  std::size_t end = 0;  // behind its last byte
  bool double_quoted = false;
};

// Where and what: "The filter is wrong at character 17: expected a number, found 'x'".
Error QueryError(std::string_view query, std::string_view what, std::size_t at,
                 std::string_view problem);

// The tokens of `query`, with one of kind kEnd last. `what` is "filter" or "order".
Result<std::vector<QueryToken>> TokenizeQuery(std::string_view query, std::string_view what);

}  // namespace roost::spec
