#include "api/mlflow/run_tags.h"

#include "api/mlflow/limits.h"

namespace roost::api::mlflow {

void TakeTag(std::string key, std::string value, store::RunLog* log) {
  if (key == kRunNameTag) {
    log->display_name = std::move(value);
  } else if (key == kNoteTag) {
    log->description = std::move(value);
  } else if (key == kParentTag) {
    log->parent_id = std::move(value);
    log->parent_tag = kParentTag;
  } else {
    log->tags[std::move(key)] = std::move(value);
  }
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
