#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/file_source.h"
#include "api/mlflow/call.h"
#include "api/mlflow/file_place.h"

namespace roost::api::mlflow {

// "text/plain" for "a/MLmodel": what MLflow's server tells of a file of this name; a literal.
std::string_view MimeTypeOf(std::string_view path);

// The file as an attachment, so that no browser shows it as a page of this server.
Result<Response> AnswerAttachment(const Request& request, const FileAnswer& file);

// {"files": [{path, is_dir, file_size}]}; paths begin with `folder`, unless it is empty.
Answer FilesAnswer(const std::vector<FolderEntry>& entries, const std::string& folder);

}  // namespace roost::api::mlflow
