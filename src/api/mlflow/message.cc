#include "api/mlflow/message.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "api/mlflow/errors.h"
#include "base/strings.h"

namespace roost::api::mlflow {
namespace {

using nlohmann::json;

constexpr std::string_view kSeeDocs =
    " See the API docs for more information about request parameters.";

// MLflow's server is a Python program, and its hints name Python's types.
std::string_view PythonTypeOf(const json& value) {
  switch (value.type()) {
    case json::value_t::string:
      return "str";
    case json::value_t::boolean:
      return "bool";
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return "int";
    case json::value_t::number_float:
      return "float";
    case json::value_t::array:
      return "list";
    case json::value_t::object:
      return "dict";
    default:
      return "NoneType";
  }
}

tl::unexpected<Error> WrongType(const std::string& path, const json& value) {
  const std::string hint = " Hint: Value was of type '" + std::string(PythonTypeOf(value)) + "'." +
                           std::string(kSeeDocs);
  return InvalidValue(path, value, hint);
}

std::optional<std::int64_t> WholeNumber(const json& value) {
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    constexpr double kLimit = 9.2e18;
    if (std::nearbyint(number) != number || std::abs(number) > kLimit) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = Trim(value.get_ref<const std::string&>());
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::optional<double> Number(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.get_ref<const std::string&>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::string CamelCase(std::string_view name) {
  std::string camel;
  bool upper = false;
  for (const char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    camel += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    upper = false;
  }
  return camel;
}

Status CheckContentType(const Request& request) {
  if (request.method != Method::kPost && request.method != Method::kPut) return {};
  const std::string& header = request.Header(HeaderName::kContentType);
  if (header.empty()) return Invalid("Bad Request. Content-Type header is missing.");
  const std::string_view type = Trim(std::string_view(header).substr(0, header.find(';')));
  if (type == "application/json") return {};
  return Invalid("Bad Request. Content-Type must be one of ['application/json'].");
}

// Python writes NaN and Infinity as bare words, and numbers may be larger than a double: they
// become the texts that stand for them.
std::string WithNumbersQuoted(std::string_view body) {
  std::string quoted;
  bool in_text = false;
  for (std::size_t i = 0; i < body.size();) {
    const char c = body[i];
    if (in_text || c == '"') {
      if (c == '"') in_text = !in_text;
      const std::size_t taken = c == '\\' && i + 1 < body.size() ? 2 : 1;
      quoted.append(body.substr(i, taken));
      i += taken;
      continue;
    }
    const std::size_t end = body.find_first_of(" \t\r\n,:[]{}\"", i);
    const std::string_view word = body.substr(i, end == i ? 1 : end - i);
    double number = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool is_word = word == "NaN" || word == "Infinity" || word == "-Infinity";
    if (is_word) {
      quoted.append("\"").append(word).append("\"");
    } else if (parsed.ec == std::errc::result_out_of_range && word.find_first_of("eE.") != 0) {
      quoted.append(word.starts_with('-') ? "\"-Infinity\"" : "\"Infinity\"");
    } else {
      quoted.append(word);
    }
    i += word.size();
  }
  return quoted;
}

Result<json> ParseBody(const std::string& body) {
  // What is no JSON is as if nothing came, and the first required field is missing.
  if (!IsValidUtf8(body)) return json::object();
  json parsed = json::parse(body, nullptr, false);
  if (parsed.is_discarded()) parsed = json::parse(WithNumbersQuoted(body), nullptr, false);
  // Old clients send their JSON as one JSON text.
  const bool is_text = parsed.is_string();
  if (is_text) parsed = json::parse(parsed.get<std::string>(), nullptr, false);
  if (parsed.is_null() || (parsed.is_discarded() && !is_text)) return json::object();
  if (!parsed.is_object()) {
    return Fail(Code::kBadRequest, "The request's body must be a JSON object.");
  }
  return parsed;
}

// A repeated field is a repeated key.
json ObjectOfQuery(const Query& query) {
  json object = json::object();
  for (const auto& [key, value] : query) {
    json& field = object[key];
    if (field.is_null()) {
      field = value;
    } else if (field.is_array()) {
      field.push_back(value);
    } else {
      field = json::array({field, value});
    }
  }
  return object;
}

}  // namespace

tl::unexpected<Error> MissingValue(std::string_view path) {
  return Invalid("Missing value for required parameter '" + std::string(path) + "'." +
                 std::string(kSeeDocs));
}

tl::unexpected<Error> InvalidValue(std::string_view path, const json& value, std::string_view why) {
  std::string message = "Invalid value " +
                        value.dump(-1, ' ', true, json::error_handler_t::replace) +
                        " for parameter '" + std::string(path) + "' supplied";
  message += why.empty() ? std::string(".") : ": " + std::string(why);
  return Invalid(std::move(message));
}

Result<Message> Message::Read(const Request& request) {
  const bool from_query = request.method == Method::kGet || request.method == Method::kHead;
  if (from_query) {
    Message message(ObjectOfQuery(request.query), "");
    message.from_query_ = true;
    return message;
  }
  ROOST_TRY(CheckContentType(request));
  ROOST_ASSIGN(json body, ParseBody(request.body));
  return Message(std::move(body), "");
}

std::string Message::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const json* Message::Find(std::string_view name) const {
  const auto look = [this](std::string_view key) -> const json* {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  };
  if (const json* found = look(name)) return found;
  if (name.find('_') != std::string_view::npos) {
    if (const json* found = look(CamelCase(name))) return found;
  }
  return name == "run_id" ? look("run_uuid") : nullptr;
}

Result<std::optional<std::string>> Message::Text(std::string_view name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return WrongType(PathOf(name), *value);
  return std::optional(value->get<std::string>());
}

Result<std::string> Message::TextOr(std::string_view name, std::string otherwise) const {
  ROOST_ASSIGN(std::optional<std::string> text, Text(name));
  return text ? std::move(*text) : std::move(otherwise);
}

Result<std::string> Message::RequiredText(std::string_view name, RunId run_id) const {
  if (run_id == RunId::kOnly && !object_.contains(name)) return MissingValue(PathOf(name));
  ROOST_ASSIGN(std::optional<std::string> text, Text(name));
  if (!text || text->empty()) return MissingValue(PathOf(name));
  return std::move(*text);
}

Result<std::optional<std::int64_t>> Message::Integer(std::string_view name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<std::int64_t>();
  const std::optional<std::int64_t> number = WholeNumber(*value);
  if (!number) return WrongType(PathOf(name), *value);
  return number;
}

Result<std::int64_t> Message::IntegerOr(std::string_view name, std::int64_t otherwise) const {
  ROOST_ASSIGN(const std::optional<std::int64_t> number, Integer(name));
  return number.value_or(otherwise);
}

Result<std::int64_t> Message::RequiredInteger(std::string_view name) const {
  ROOST_ASSIGN(const std::optional<std::int64_t> number, Integer(name));
  if (!number) return MissingValue(PathOf(name));
  return *number;
}

Result<double> Message::RequiredNumber(std::string_view name) const {
  const json* value = Find(name);
  if (value == nullptr) return MissingValue(PathOf(name));
  const std::optional<double> number = Number(*value);
  if (!number) return WrongType(PathOf(name), *value);
  return *number;
}

Result<bool> Message::BooleanOr(std::string_view name, bool otherwise) const {
  const json* value = Find(name);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  if (from_query_ && value->is_string()) {
    const std::string& text = value->get_ref<const std::string&>();
    if (text == "true" || text == "True") return true;
    if (text == "false" || text == "False") return false;
    return Invalid("Invalid boolean value: " + text + ", must be 'true' or 'false'.");
  }
  return WrongType(PathOf(name), *value);
}

Result<const json*> Message::FindArray(std::string_view name) const {
  const json* value = Find(name);
  if (value == nullptr || value->is_array()) return value;
  return WrongType(PathOf(name), *value);
}

Result<std::vector<std::string>> Message::Texts(std::string_view name) const {
  std::vector<std::string> texts;
  const json* single = Find(name);
  if (from_query_ && single != nullptr && single->is_string()) {
    texts.push_back(single->get<std::string>());
    return texts;
  }
  ROOST_ASSIGN(const json* list, FindArray(name));
  if (list == nullptr) return texts;
  for (const json& item : *list) {
    if (!item.is_string()) return WrongType(PathOf(name), *list);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<std::vector<Message>> Message::Messages(std::string_view name) const {
  ROOST_ASSIGN(const json* list, FindArray(name));
  std::vector<Message> messages;
  if (list == nullptr) return messages;
  messages.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    std::string path = PathOf(name) + "[" + std::to_string(i) + "]";
    if (!(*list)[i].is_object()) return WrongType(path, (*list)[i]);
    messages.emplace_back((*list)[i], std::move(path));
  }
  return messages;
}

Result<std::vector<Message::Pair>> Message::Pairs(std::string_view name) const {
  ROOST_ASSIGN(const std::vector<Message> items, Messages(name));
  std::vector<Pair> pairs;
  pairs.reserve(items.size());
  for (const Message& item : items) {
    ROOST_ASSIGN(std::string key, item.RequiredText("key"));
    ROOST_ASSIGN(std::string value, item.TextOr("value", ""));
    pairs.push_back({std::move(key), std::move(value)});
  }
  return pairs;
}

}  // namespace roost::api::mlflow
