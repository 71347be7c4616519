#include "api/mlflow/file_answer.h"

#include <algorithm>
#include <array>

#include "api/http_url.h"

namespace roost::api::mlflow {
namespace {

// Shown as plain text, by ending or by the whole name.
constexpr std::array<std::string_view, 25> kTextEndings = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",     "cf",       "ini", "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",     "json",     "js",  "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "MLmodel", "MLproject"};

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Plain names as MLflow writes them; what would break the header goes in the extended form.
std::string Disposition(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  });
  if (plain) return "attachment; filename=" + std::string(name);
  return "attachment; filename*=UTF-8''" + PercentEncodePath(name);
}

}  // namespace

std::string_view MimeTypeOf(std::string_view path) {
  const std::string_view name = NameOf(path);
  const std::size_t point = name.rfind('.');
  const bool has_ending = point != std::string_view::npos && point > 0;
  const std::string_view ending = has_ending ? name.substr(point + 1) : name;
  if (std::find(kTextEndings.begin(), kTextEndings.end(), ending) != kTextEndings.end()) {
    return "text/plain";
  }
  const std::string_view type = ContentTypeOf(name);
  return type.substr(0, type.find(';'));
}

Result<Response> AnswerAttachment(const Request& request, const FileAnswer& file) {
  ROOST_ASSIGN(Response response, AnswerFile(request, file));
  if (response.status >= 400) return response;
  response.content_type = MimeTypeOf(file.name);
  response.headers.emplace_back("Content-Disposition", Disposition(NameOf(file.name)));
  return response;
}

Answer FilesAnswer(const std::vector<FolderEntry>& entries, const std::string& folder) {
  Answer answer = Answer::object();
  if (entries.empty()) return answer;
  Answer files = Answer::array();
  for (const FolderEntry& entry : entries) {
    Answer file = {{"path", folder.empty() ? entry.name : folder + "/" + entry.name},
                   {"is_dir", entry.is_folder}};
    // An empty file has no size on MLflow's wire either.
    if (entry.size > 0) file["file_size"] = entry.size;
    files.push_back(std::move(file));
  }
  answer["files"] = std::move(files);
  return answer;
}

}  // namespace roost::api::mlflow
