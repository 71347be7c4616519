#include "store/rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace roost::store {
namespace {

// Texts come from clients; what is no UTF-8 must not make the server throw.
std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Digest ReadDigest(const Statement& row, int column) {
  const std::string_view bytes = row.Blob(column);
  Digest digest;
  ROOST_CHECK(bytes.size() == digest.bytes.size());
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

std::optional<Digest> ReadOptionalDigest(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return ReadDigest(row, column);
}

void BindOptionalDigest(Statement& statement, int index, const std::optional<Digest>& digest) {
  if (digest) {
    statement.BindBlob(index, BytesOf(*digest));
  } else {
    statement.BindNull(index);
  }
}

void BindTime(Statement& statement, int index, Micros time) {
  if (time == 0) {
    statement.BindNull(index);
  } else {
    statement.Bind(index, time);
  }
}

void BindOptionalText(Statement& statement, int index, const std::string& text) {
  if (text.empty()) {
    statement.BindNull(index);
  } else {
    statement.Bind(index, text);
  }
}

std::string JsonOf(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : fields) json[std::string(name)] = value;
  return Dump(json);
}

std::string JsonOf(const std::map<std::string, std::string>& fields) {
  return Dump(nlohmann::json(fields));
}

std::map<std::string, std::string> ReadJsonMap(std::string_view json) {
  std::map<std::string, std::string> fields;
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) return fields;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_string()) fields.emplace(name, value.get<std::string>());
  }
  return fields;
}

std::string KeysAsJson(const std::vector<RunKey>& runs) {
  std::string json = "[";
  for (const RunKey& run : runs) {
    if (json.size() > 1) json += ',';
    json += std::to_string(run.value());
  }
  return json + "]";
}

std::string UpperBoundOfPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty())
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace roost::store
