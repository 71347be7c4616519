#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http_types.h"
#include "base/result.h"

namespace roost::api::mlflow {

// One request of MLflow's REST API, read as its server reads it: fields of the query (GET) or of a
// JSON body, which may be JSON inside a JSON text; unknown fields are ignored, null is as if it
// were not there, whole numbers may be texts, names may be camelCase, and run_uuid stands in for
// run_id. A field of the wrong type is INVALID_PARAMETER_VALUE with MLflow's words.
class Message {
 public:
  static Result<Message> Read(const Request& request);
  // An object inside a message; `path` names it in errors ("metrics[3]").
  Message(nlohmann::json object, std::string path)
      : object_(std::move(object)), path_(std::move(path)) {}

  bool Has(std::string_view name) const { return Find(name) != nullptr; }

  Result<std::optional<std::string>> Text(std::string_view name) const;
  Result<std::string> TextOr(std::string_view name, std::string otherwise) const;
  // Missing, null or "" is an error. Nearly all calls take run_uuid for run_id.
  enum class RunId { kOrUuid, kOnly };
  Result<std::string> RequiredText(std::string_view name, RunId run_id = RunId::kOrUuid) const;

  Result<std::optional<std::int64_t>> Integer(std::string_view name) const;
  Result<std::int64_t> IntegerOr(std::string_view name, std::int64_t otherwise) const;
  Result<std::int64_t> RequiredInteger(std::string_view name) const;

  // "NaN", "Infinity" and "-Infinity" are numbers.
  Result<double> RequiredNumber(std::string_view name) const;
  Result<bool> BooleanOr(std::string_view name, bool otherwise) const;

  // A repeated field; empty when it is missing.
  Result<std::vector<std::string>> Texts(std::string_view name) const;
  Result<std::vector<Message>> Messages(std::string_view name) const;

  // {key, value} objects: tags and parameters.
  struct Pair {
    std::string key;
    std::string value;
  };
  Result<std::vector<Pair>> Pairs(std::string_view name) const;

  // As it is named in errors: "metrics[3].key".
  std::string PathOf(std::string_view name) const;
  // nullptr: not there, or null.
  const nlohmann::json* Find(std::string_view name) const;

 private:
  Result<const nlohmann::json*> FindArray(std::string_view name) const;

  nlohmann::json object_;
  std::string path_;
  bool from_query_ = false;
};

// "Missing value for required parameter 'x'. See the API docs..."
tl::unexpected<Error> MissingValue(std::string_view path);
// "Invalid value 12 for parameter 'x' supplied: <why>"
tl::unexpected<Error> InvalidValue(std::string_view path, const nlohmann::json& value,
                                   std::string_view why);

}  // namespace roost::api::mlflow
