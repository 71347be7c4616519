#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/noun_search.h"
#include "store/search_fields.h"
#include "store/search_sql.h"

// Search of the tables that are small beside runs (experiments, models and their versions): one
// statement with conditions, order and keyset paging. Runs have a planner of their own, see
// run_search.cc.
namespace roost::store {

// What is searched. '@' in columns stands for the row's alias and a point, as in Attribute.
struct Noun {
  std::string_view table;                 // "experiments"
  std::string_view key;                   // of the row: "@id"
  std::span<const Attribute> attributes;  // may not be NULL if they are in an order
  std::string_view tags;  // the row's tags: "SELECT key, value FROM ... WHERE experiment = @id"
};

struct NounPage {
  std::vector<std::string> keys;  // of the rows; whole numbers as text
  std::string next_page_token;    // empty: no more
};

// `only` is a test of row `n` beside the filter ("n.lifecycle = ?"); empty: all.
Result<NounPage> SearchNoun(Connection& db, const Noun& noun, const SqlText& only,
                            const NounSearch& search);

}  // namespace roost::store
