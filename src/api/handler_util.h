#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "api/http_types.h"
#include "api/json.h"
#include "api/services.h"
#include "spec/json_reader.h"
#include "store/runs.h"

namespace roost::api {

// The small vocabulary of the handlers.

// The body as a JSON object; anything else is kInvalidArgument. An empty body is an empty object.
Result<Json> ReadJsonObject(const Request& request);

// A query parameter as a number; kInvalidArgument names it.
Result<std::int64_t> QueryInteger(const Request& request, std::string_view name,
                                  std::int64_t otherwise, std::int64_t min, std::int64_t max);
Result<std::optional<std::int64_t>> OptionalQueryInteger(const Request& request,
                                                         std::string_view name, std::int64_t min,
                                                         std::int64_t max);
Result<bool> QueryBool(const Request& request, std::string_view name);
Result<std::size_t> QueryLimit(const Request& request, std::int64_t otherwise = 100,
                               std::int64_t max = 1000);
// A required one.
Result<std::string> QueryText(const Request& request, std::string_view name);
// "active", "archived", "deleted" or "all"; none in the query: active. nullopt: all but deleted.
Result<std::optional<spec::Lifecycle>> QueryLifecycle(const Request& request);

// Tokens of pages are opaque to clients; ours are the last name in hex.
std::string PageToken(const std::string& last_name);
Result<std::string> ReadPageToken(const Request& request);

// The run of the path's first parameter.
Result<store::Run> RequireRun(Services& services, const Request& request);
// The same, for changes: a deleted run is kConflict.
Result<store::Run> RequireLiveRun(Services& services, const Request& request);
// The Idempotency-Key header: visible characters, at most 200.
Result<std::string> ReadIdempotencyKey(const Request& request);

// The field `tags` {key: text or null}. In a change null removes the tag; a new thing's tag needs
// a text.
enum class NullTags { kAllowed, kRefused };
void ReadTagsField(spec::JsonReader& reader, NullTags nulls,
                   std::map<std::string, std::optional<std::string>>* tags);
std::map<std::string, std::string> PlainTags(
    const std::map<std::string, std::optional<std::string>>& tags);

// The field `snapshot`, a digest; none when it is not given, or not valid.
std::optional<Digest> ReadSnapshot(spec::JsonReader& reader);

// The body of a PATCH of what has a description and tags: {description, tags}, both optional.
struct TextChange {
  std::optional<std::string> description;                  // none: stays
  std::map<std::string, std::optional<std::string>> tags;  // no value: the tag is removed
};
Result<TextChange> ReadTextChange(const Request& request);
// The two fields of a body that has more.
TextChange ReadTextFields(spec::JsonReader& reader);

// A file's path out of a request's path; the error is a sentence.
Status CheckFilePath(const std::string& path);
// kInvalidArgument about one part of a request: "`limit` must be 1 to 1000".
tl::unexpected<Error> BadField(const std::string& field, const std::string& problem);

}  // namespace roost::api
