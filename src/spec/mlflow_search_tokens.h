#pragma once

#include <string_view>
#include <vector>

namespace roost::spec {

// One word of MLflow's search language; `text` is a part of the input, quotes and all.
struct MlflowToken {
  enum class Kind {
    kName,        // tags.`a b`, `run name`, status; keywords too
    kExpression,  // tags.a-b: what SQL would compute; no name
    kText,        // in ' or "
    kNumber,
    kComparator,  // = == != <> < <= > >=
    kList,        // (...), brackets within and all
    kOther,       // a character without a meaning, or a quote or bracket that is never closed
  };
  Kind kind = Kind::kOther;
  std::string_view text;
};

// Splits anything: there is no input that is refused here.
std::vector<MlflowToken> SplitMlflowSearch(std::string_view input);

// Whether a token is this keyword, in capitals or not. `keyword` is in small letters.
bool IsKeyword(const MlflowToken& token, std::string_view keyword);

}  // namespace roost::spec
