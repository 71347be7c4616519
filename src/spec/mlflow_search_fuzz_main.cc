// Parses searches that chance has made: `mlflow_search_fuzz --inputs 5000000 --seed 1`. Starts from
// valid filters and orders and changes, cuts and doubles bytes and words, or puts words together
// at random. A crash, a sanitizer's report, an error of another kind than "the request is wrong" or
// a condition that its field does not have ends it with an error. The same seed gives the same
// inputs.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "base/check.h"
#include "spec/mlflow_search.h"

namespace roost::spec {
namespace {

constexpr std::array<std::string_view, 12> kFilters = {
    "metrics.acc > 0.5 AND params.lr = '0.1' and tags.`a b` LIKE '%x_'",
    "run_id NOT IN ('a', \"b\") AND status != 'FAILED'",
    "tags.a IS NOT NULL AND params.b IS NULL",
    "dataset.name IN ('x') AND datasets.context ILIKE 'tr%'",
    "`Run name` = 'x' and start_time >= -1.5e3",
    "name ILIKE 'a%' AND tags.k != 'v'",
    "creation_time < 17 AND last_update_time >= 1",
    "version_number > 3 AND source_path LIKE 's3://%'",
    "attributes.model_type = 'x' AND metrics.\"m\" <= .5",
    "metrics.acc DESC",
    "params.`lr` ASC",
    "tags.mlflow.runName = 'it''s' AND tags.x = \"it\\\"s\"",
};
constexpr std::array<std::string_view, 40> kWords = {
    "metrics.", "params.", "tags.", "attributes.", "dataset.", "run_id", "status", "name",
    "`",        "\"",      "'",     "(",           ")",        ",",      ";",      "=",
    "!=",       "<>",      "==",    ">=",          "<",        "LIKE",   "ILIKE",  "IN",
    "NOT",      "IS",      "NULL",  "AND",         "OR",       "DESC",   "1",      "-1.5e3",
    ".",        "--",      "\\",    "\xd0\xba",    "\xff",     " ",      "\t",     "'x'"};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::size_t Below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  std::string Make() {
    std::string text;
    if (Below(4) == 0) {
      for (std::size_t i = 0, count = Below(14); i < count; ++i) text += Word();
    } else {
      text = kFilters[Below(kFilters.size())];
    }
    for (std::size_t i = 0, count = Below(5); i < count && !text.empty(); ++i) Change(&text);
    return text;
  }

 private:
  std::string Word() {
    std::string word(kWords[Below(kWords.size())]);
    if (Below(3) == 0) word += " ";
    return word;
  }

  void Change(std::string* text) {
    const std::size_t at = Below(text->size());
    switch (Below(6)) {
      case 0:
        (*text)[at] = static_cast<char>(Below(256));
        break;
      case 1:
        text->erase(at, 1 + Below(6));
        break;
      case 2:
        text->resize(at);
        break;
      case 3:
        text->insert(at, text->substr(Below(text->size()), 1 + Below(12)));
        break;
      default:
        text->insert(at, Word());
    }
  }

  std::mt19937_64 random_;
};

void CheckCondition(const Condition& condition) {
  const bool is_null_check =
      condition.comparison == Comparison::kIsNull || condition.comparison == Comparison::kIsNotNull;
  const bool is_list =
      condition.comparison == Comparison::kIn || condition.comparison == Comparison::kNotIn;
  ROOST_CHECK(condition.values.empty() == is_null_check);
  ROOST_CHECK(is_list || condition.values.size() <= 1);
  ROOST_CHECK(condition.field.kind != FieldKind::kProperty);
  for (const auto& value : condition.values) {
    const bool is_number = std::holds_alternative<double>(value);
    ROOST_CHECK(is_number || condition.field.kind != FieldKind::kMetric);
    ROOST_CHECK(!is_number || condition.comparison <= Comparison::kGe);
  }
}

template <class T>
bool CheckRefusal(const Result<T>& parsed) {
  if (parsed) return true;
  ROOST_CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
  ROOST_CHECK(!parsed.error().message.empty());
  return false;
}

// Whether any of the languages takes it.
bool ParseOne(const std::string& text) {
  bool is_taken = false;
  for (const MlflowNoun noun :
       {MlflowNoun::kRun, MlflowNoun::kExperiment, MlflowNoun::kRegisteredModel,
        MlflowNoun::kModelVersion, MlflowNoun::kLoggedModel}) {
    const auto filter = ParseMlflowFilter(noun, text);
    is_taken = CheckRefusal(filter) || is_taken;
    if (filter) {
      for (const Condition& condition : *filter) CheckCondition(condition);
    }
    is_taken = CheckRefusal(ParseMlflowOrder(noun, {text})) || is_taken;
  }
  return CheckRefusal(ParseLoggedModelOrder(text)) || is_taken;
}

int Run(std::uint64_t inputs, std::uint64_t seed) {
  Maker maker(seed);
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i < inputs; ++i) taken += ParseOne(maker.Make()) ? 1 : 0;
  std::printf("%llu inputs, %llu of them valid in some language\n",
              static_cast<unsigned long long>(inputs), static_cast<unsigned long long>(taken));
  // Both kinds must come, or the inputs are no test.
  return taken > inputs / 100 && taken < inputs * 99 / 100 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace roost::spec

int main(int argc, char** argv) {
  std::uint64_t inputs = 100'000;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--inputs") inputs = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  return roost::spec::Run(inputs, seed);
}
