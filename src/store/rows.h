#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "store/database.h"

// Small translations between rows and values that several tables share.
namespace roost::store {

inline std::string_view BytesOf(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}
Digest ReadDigest(const Statement& row, int column);  // Requires: 32 bytes
std::optional<Digest> ReadOptionalDigest(const Statement& row, int column);
void BindOptionalDigest(Statement& statement, int index, const std::optional<Digest>& digest);

// 0 stands for "not yet" in values and NULL in rows.
void BindTime(Statement& statement, int index, Micros time);
void BindOptionalText(Statement& statement, int index, const std::string& text);  // empty: NULL

// {"run_id": "...", "status": "..."}: an event's body, or a map of tags.
std::string JsonOf(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);
std::string JsonOf(const std::map<std::string, std::string>& fields);
std::map<std::string, std::string> ReadJsonMap(std::string_view json);

// A JSON array of the keys: with json_each any number of runs is one statement in the cache.
std::string KeysAsJson(const std::vector<RunKey>& runs);

// What starts with `prefix` lies in [prefix, UpperBoundOfPrefix(prefix)) of an index. Empty: there
// is no upper bound.
std::string UpperBoundOfPrefix(std::string prefix);

}  // namespace roost::store
