#pragma once

#include <string>
#include <vector>

#include "spec/run_query.h"

namespace roost::store {

// What is asked of the tables that search_noun.h searches.
struct NounSearch {
  std::vector<spec::Condition> filter;  // of attributes and tags
  std::vector<spec::OrderBy> order;     // of attributes; the last one must tell all rows apart
  int limit = 100;
  std::string page_token;  // from next_page_token; another search's token is kInvalidArgument
};

}  // namespace roost::store
