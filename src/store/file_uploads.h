#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace roost::store {

class Database;

// A part of a file, kept as a blob of its own until the file is put together.
struct FilePart {
  std::int64_t number = 0;  // from 1
  Digest digest;
  std::uint64_t size = 0;
};

struct FileUpload {
  std::string path;             // where the file will be
  std::vector<FilePart> parts;  // by number
};

// Files that come in parts, perhaps over several connections at once. An upload that nobody goes on
// with is forgotten by garbage collection, its parts with it.
class FileUploads {
 public:
  explicit FileUploads(Database& database) : database_(database) {}

  // The upload's id: a secret, whoever knows it may send parts.
  Result<std::string> Begin(const std::string& path);
  // Requires: the blob is durable. A part that comes again replaces the earlier one.
  Status AddPart(const std::string& id, const FilePart& part);
  Result<FileUpload> Get(const std::string& id) const;
  Status Remove(const std::string& id);  // fine when it is gone

 private:
  Database& database_;
};

}  // namespace roost::store
