#include "api/mlflow/run_tags.h"

#include "api/mlflow/limits.h"

namespace roost::api::mlflow {

void TakeTag(std::string key, std::string value, store::RunLog* log) {
  if (key == kRunNameTag) {
    if (!value.empty()) log->display_name = std::move(value);
  } else if (key == kNoteTag) {
    // An empty one is no description, and yet a tag.
    if (value.empty()) log->tags[std::move(key)] = "";
    log->description = std::move(value);
  } else if (key == kParentTag) {
    log->parent_id = std::move(value);
    log->parent_tag = kParentTag;
  } else {
    log->tags[std::move(key)] = std::move(value);
  }
}

store::RunLog TakeRunTags(std::vector<Message::Pair> pairs) {
  store::RunLog log;
  for (auto& [key, value] : pairs) TakeTag(std::move(key), std::move(value), &log);
  return log;
}

Result<store::RunLog> ReadRunTags(const std::vector<Message::Pair>& pairs, std::string_view path) {
  store::RunLog log;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ROOST_TRY(CheckKey(std::string(path) + "[" + std::to_string(i) + "].key", pairs[i].key));
    TakeTag(pairs[i].key, CutTo(pairs[i].value, kMaxTagValue), &log);
  }
  return log;
}

}  // namespace roost::api::mlflow
