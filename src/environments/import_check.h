#pragma once

#include <string_view>

namespace roost::environments {

// A Python script (3.6 and newer) that imports the modules of named distributions and writes down
// what is installed. Arguments: a JSON file {"names": [...], "if_there": [...]} and the file for
// the answer {"python": "3.11.7", "packages": {"torch": "2.1.0", ...}}. It exits with 1 when a
// distribution of `names` is not installed or a module cannot be imported, and says which.
extern const std::string_view kImportCheckScript;

}  // namespace roost::environments
