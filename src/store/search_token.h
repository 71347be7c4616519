#pragma once

#include <string>

#include "store/runs.h"
#include "store/search_order.h"

// Page tokens: the position of the last run of a page, with a digest of the search that it belongs
// to. Made of letters, digits, '.' and '-', so that they travel in an address as they are.
namespace roost::store {

std::string WritePageToken(const RunSearch& search, const Position& position);
// kInvalidArgument for a text that is no token, and for the token of another search.
Result<Position> ReadPageToken(const RunSearch& search);

// The same for any search, which `canonical` tells from others; `values` is how many its order has.
std::string WriteToken(const std::string& canonical, const Position& position);
Result<Position> ReadToken(const std::string& token, const std::string& canonical,
                           std::size_t values);
std::string CanonicalSearch(const std::vector<spec::Condition>& filter,
                            const std::vector<spec::OrderBy>& order);

}  // namespace roost::store
