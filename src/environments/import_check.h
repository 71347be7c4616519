#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::environments {

// A Python script (3.6 and newer) that imports the modules of named distributions and writes down
// what is installed. Arguments: a JSON file {"names": [...], "if_there": [...]} and the file for
// the answer {"python": "3.11.7", "packages": {"torch": "2.1.0", ...}}. It exits with 1 when a
// distribution of `names` is not installed or a module cannot be imported, and says which.
extern const std::string_view kImportCheckScript;

// The script's question and answer.
std::string ImportCheckQuestion(const std::vector<std::string>& names,
                                const std::vector<std::string>& if_there);
struct ImportCheckAnswer {
  std::string python_version;                   // "3.11.7"
  std::map<std::string, std::string> packages;  // by normalized name
};
Result<ImportCheckAnswer> ReadImportCheckAnswer(std::string_view text);

}  // namespace roost::environments
