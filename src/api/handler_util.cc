#include "api/handler_util.h"

#include <charconv>

#include "base/strings.h"
#include "spec/run_definition.h"

namespace roost::api {

Result<Json> ReadJsonObject(const Request& request) {
  if (request.body.empty()) return Json::object();
  if (!IsValidUtf8(request.body)) {
    return Fail(ErrorCode::kInvalidArgument, "The request's body is not UTF-8.");
  }
  Json json = Json::parse(request.body, nullptr, false);
  if (json.is_discarded()) {
    return Fail(ErrorCode::kInvalidArgument, "The request's body is not valid JSON.");
  }
  if (!json.is_object()) {
    return Fail(ErrorCode::kInvalidArgument, "The request's body must be a JSON object.");
  }
  return json;
}

Result<std::optional<std::int64_t>> OptionalQueryInteger(const Request& request,
                                                         std::string_view name, std::int64_t min,
                                                         std::int64_t max) {
  const auto text = request.QueryValue(name);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, value);
  if (text->empty() || parsed.ec != std::errc() || parsed.ptr != end || value < min ||
      value > max) {
    return BadField(std::string(name), "must be a whole number from " + std::to_string(min) +
                                           " to " + std::to_string(max));
  }
  return std::optional<std::int64_t>(value);
}

Result<std::int64_t> QueryInteger(const Request& request, std::string_view name,
                                  std::int64_t otherwise, std::int64_t min, std::int64_t max) {
  ROOST_ASSIGN(const auto value, OptionalQueryInteger(request, name, min, max));
  return value.value_or(otherwise);
}

Result<bool> QueryBool(const Request& request, std::string_view name) {
  const auto text = request.QueryValue(name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return BadField(std::string(name), "must be true or false");
}

Result<std::size_t> QueryLimit(const Request& request, std::int64_t otherwise, std::int64_t max) {
  ROOST_ASSIGN(const auto limit, QueryInteger(request, "limit", otherwise, 1, max));
  return static_cast<std::size_t>(limit);
}

Result<std::string> QueryText(const Request& request, std::string_view name) {
  auto text = request.QueryValue(name);
  if (!text || text->empty()) {
    return BadField(std::string(name), "is needed as a query parameter");
  }
  return std::move(*text);
}

Result<std::optional<spec::Lifecycle>> QueryLifecycle(const Request& request) {
  const auto text = request.QueryValue("lifecycle");
  if (!text) return std::optional<spec::Lifecycle>(spec::Lifecycle::kActive);
  if (*text == "all") return std::optional<spec::Lifecycle>();
  if (const auto lifecycle = spec::ParseLifecycle(*text)) return lifecycle;
  return BadField("lifecycle", "must be active, archived, deleted or all");
}

std::string PageToken(const std::string& last_name) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string token = "n";
  for (const char c : last_name) {
    const auto byte = static_cast<unsigned char>(c);
    token.push_back(kDigits[byte >> 4]);
    token.push_back(kDigits[byte & 15]);
  }
  return token;
}

Result<std::string> ReadPageToken(const Request& request) {
  const auto token = request.QueryValue("page_token");
  if (!token) return std::string();
  const auto bad = BadField("page_token", "must be a page's next_page_token");
  if (token->size() % 2 != 1 || token->front() != 'n') return bad;
  std::string name;
  for (std::size_t i = 1; i < token->size(); i += 2) {
    unsigned value = 0;
    const char* begin = token->data() + i;
    const auto parsed = std::from_chars(begin, begin + 2, value, 16);
    if (parsed.ec != std::errc() || parsed.ptr != begin + 2) return bad;
    name.push_back(static_cast<char>(value));
  }
  if (!IsValidUtf8(name)) return bad;
  return name;
}

Result<store::Run> RequireRun(Services& services, const Request& request) {
  return services.store.runs().Get(RunId(request.parameters[0]));
}

Result<store::Run> RequireLiveRun(Services& services, const Request& request) {
  ROOST_ASSIGN(store::Run run, RequireRun(services, request));
  if (run.lifecycle == spec::Lifecycle::kDeleted) {
    return Fail(ErrorCode::kConflict,
                "Run " + run.id.value() + " is deleted; restore it before changing it.");
  }
  return run;
}

Result<std::string> ReadIdempotencyKey(const Request& request) {
  const std::string& key = request.Header(HeaderName::kIdempotencyKey);
  bool visible = key.size() <= 200;
  for (const char c : key) visible = visible && c > ' ' && c < 127;
  if (!visible) {
    return BadField("Idempotency-Key", "must be up to 200 visible characters");
  }
  return key;
}

void ReadTagsField(spec::JsonReader& reader, NullTags nulls,
                   std::map<std::string, std::optional<std::string>>* tags) {
  if (!reader.OptionalStringMap("tags", tags)) return;
  for (const auto& [key, value] : *tags) {
    if (!value && nulls == NullTags::kRefused) {
      reader.AddProblem("tags." + key, "must be a text");
    } else if (auto checked = spec::CheckTag(key, value); !checked) {
      reader.AddProblems("tags." + key, checked.error());
    }
  }
}

std::map<std::string, std::string> PlainTags(
    const std::map<std::string, std::optional<std::string>>& tags) {
  std::map<std::string, std::string> plain;
  for (const auto& [key, value] : tags) plain.emplace(key, value.value_or(""));
  return plain;
}

std::optional<Digest> ReadSnapshot(spec::JsonReader& reader) {
  std::string text;
  if (!reader.String("snapshot", &text)) return std::nullopt;
  const auto digest = Digest::Parse(text);
  if (digest) return *digest;
  reader.AddProblem("snapshot", digest.error().message);
  return std::nullopt;
}

TextChange ReadTextFields(spec::JsonReader& reader) {
  TextChange change;
  std::string description;
  if (reader.String("description", &description, {.max_length = spec::kMaxDescription})) {
    change.description = std::move(description);
  }
  ReadTagsField(reader, NullTags::kAllowed, &change.tags);
  return change;
}

Result<TextChange> ReadTextChange(const Request& request) {
  ROOST_ASSIGN(const Json body, ReadJsonObject(request));
  spec::JsonReader reader(body);
  TextChange change = ReadTextFields(reader);
  ROOST_TRY(reader.Finish("The change is not valid"));
  return change;
}

Status CheckFilePath(const std::string& path) {
  auto checked = spec::CheckArtifactPath(path);
  if (checked) return {};
  return BadField("path", checked.error().message);
}

tl::unexpected<Error> BadField(const std::string& field, const std::string& problem) {
  return Fail(
      {ErrorCode::kInvalidArgument, "`" + field + "` " + problem + ".", {{field, problem}}});
}

}  // namespace roost::api
