#pragma once

#include <map>
#include <string>

#include "base/result.h"

namespace roost::cli {

// The interpreter for a run: `given` made absolute (a bare name is looked up in PATH), else that of
// the active virtual or conda environment, else PATH's python3; "" when there is none.
Result<std::string> ChoosePython(const std::string& given,
                                 const std::map<std::string, std::string>& environment);

}  // namespace roost::cli
