#include "spec/mlflow_search.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>

#include "spec/mlflow_search_fields.h"
#include "spec/mlflow_search_tokens.h"

namespace roost::spec {
namespace {

using Kind = MlflowToken::Kind;
using Tokens = std::span<const MlflowToken>;
using Value = std::variant<double, std::string>;

// What the store can take: each condition is a look-up, each value of a list a variable. A pattern
// grows up to three times on its way, and SQLite takes 50,000 bytes of it.
constexpr std::size_t kMaxConditions = 100;
constexpr std::size_t kMaxListValues = 10'000;
constexpr std::size_t kMaxPatternBytes = 10'000;

// --- Comparisons ---

// A comparison as it is written, before anything is known of its field.
struct Clause {
  MlflowToken left;
  std::string sign;   // "=", "NOT LIKE", "IS NOT NULL": in capitals
  MlflowToken right;  // without a meaning behind IS [NOT] NULL
  bool IsNullCheck() const { return sign.starts_with("IS "); }
};

bool IsOperatorWord(const MlflowToken& token) {
  for (const std::string_view word : {"and", "or", "not", "in", "is", "like", "ilike"}) {
    if (IsKeyword(token, word)) return true;
  }
  return false;
}

// The clause that begins at tokens[*next], which is moved behind it; none if there is no such.
class ClauseReader {
 public:
  ClauseReader(Tokens tokens, std::size_t* next) : tokens_(tokens), next_(*next), end_(next) {}

  std::optional<Clause> Read() {
    Clause clause;
    if (!CanBeLeft()) return std::nullopt;
    clause.left = tokens_[next_++];
    if (!ReadSign(&clause)) return std::nullopt;
    if (!clause.IsNullCheck() && !ReadRight(&clause)) return std::nullopt;
    *end_ = next_;
    return clause;
  }

 private:
  bool HasMore() const { return next_ < tokens_.size(); }
  bool Take(std::string_view keyword) {
    if (!HasMore() || !IsKeyword(tokens_[next_], keyword)) return false;
    ++next_;
    return true;
  }
  bool CanBeLeft() const {
    const Kind kind = tokens_[next_].kind;
    return kind != Kind::kComparator && kind != Kind::kList && kind != Kind::kOther &&
           !IsOperatorWord(tokens_[next_]);
  }

  bool ReadSign(Clause* clause) {
    if (HasMore() && tokens_[next_].kind == Kind::kComparator) {
      clause->sign = tokens_[next_++].text;
      return true;
    }
    if (Take("is")) {
      clause->sign = Take("not") ? "IS NOT NULL" : "IS NULL";
      return Take("null");
    }
    if (Take("not")) clause->sign = "NOT ";
    if (Take("like"))
      clause->sign += "LIKE";
    else if (Take("ilike"))
      clause->sign += "ILIKE";
    else if (Take("in"))
      clause->sign += "IN";
    else
      return false;
    return true;
  }

  bool ReadRight(Clause* clause) {
    if (!HasMore()) return false;
    const MlflowToken& token = tokens_[next_];
    if (token.kind == Kind::kComparator || token.kind == Kind::kOther || IsOperatorWord(token)) {
      return false;
    }
    if (clause->sign.ends_with("IN") && token.kind != Kind::kList) return false;
    clause->right = token;
    ++next_;
    return true;
  }

  Tokens tokens_;
  std::size_t next_;
  std::size_t* end_;
};

// As Python shows a text in its errors.
std::string PythonText(std::string_view text) {
  const bool is_double = text.find('\'') != text.npos && text.find('"') == text.npos;
  const std::string quote = is_double ? "\"" : "'";
  return quote + std::string(text) + quote;
}

// Words that belong to no comparison.
tl::unexpected<Error> NoComparisons(MlflowNoun noun, std::string_view filter,
                                    const std::vector<std::string_view>& words) {
  if (noun == MlflowNoun::kLoggedModel) {
    return RefuseSearch(
        "Invalid filter string: \"" + std::string(filter) +
        "\". Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > "
        "0.1 AND params.lr = 0.01').");
  }
  const bool is_quoted = noun == MlflowNoun::kRun;
  return RefuseSearch("Invalid clause(s) in filter string: " +
                      (is_quoted ? QuotedList(words) : Join({words.begin(), words.end()}, ", ")));
}

Result<std::vector<Clause>> ReadClauses(MlflowNoun noun, std::string_view filter) {
  const std::vector<MlflowToken> tokens = SplitMlflowSearch(filter);
  std::vector<Clause> clauses;
  std::vector<std::string_view> left_over;
  for (std::size_t next = 0; next < tokens.size();) {
    if (IsKeyword(tokens[next], "and")) {
      ++next;
    } else if (auto clause = ClauseReader(tokens, &next).Read()) {
      clauses.push_back(*std::move(clause));
    } else {
      const bool ends_statement = tokens[next].text == ";" && next + 1 < tokens.size();
      if (ends_statement && noun != MlflowNoun::kLoggedModel) {
        return RefuseSearch("Search filter contained multiple expression " + PythonText(filter) +
                            ". Provide AND-ed expression list.");
      }
      left_over.push_back(tokens[next++].text);
    }
  }
  if (!left_over.empty()) return NoComparisons(noun, filter, left_over);
  if (clauses.size() > kMaxConditions) {
    return RefuseSearch("The filter has " + std::to_string(clauses.size()) +
                        " comparisons; it may have at most " + std::to_string(kMaxConditions) +
                        ".");
  }
  return clauses;
}

// --- Values ---

Result<Value> ReadNumber(const MlflowField& field, const MlflowToken& token) {
  double number = 0;
  const char* end = token.text.data() + token.text.size();
  const auto [rest, problem] = std::from_chars(token.text.data(), end, number);
  const bool is_number = token.kind == Kind::kNumber && problem != std::errc::invalid_argument;
  if (!is_number || rest != end) {
    const std::string what = field.field.kind == FieldKind::kMetric
                                 ? "metric"
                                 : "numeric attribute: " + field.field.name;
    return RefuseSearch("Expected numeric value type for " + what + ". Found " +
                        std::string(token.text));
  }
  if (problem == std::errc::result_out_of_range) {
    // Too large or too small for a double; the exponent's sign tells which.
    const bool is_small = token.text.find("e-") != std::string_view::npos ||
                          token.text.find("E-") != std::string_view::npos;
    number = is_small ? 0 : std::numeric_limits<double>::infinity();
    if (token.text.starts_with("-")) number = -number;
  }
  return Value(number);
}

// (1, 'a')
std::string ListText(Tokens items) {
  std::vector<std::string> texts;
  for (const MlflowToken& item : items) {
    if (item.text != ",") texts.emplace_back(item.text);
  }
  return "(" + Join(texts, ", ") + (texts.size() == 1 ? ",)" : ")");
}

// Our own limits of lists and patterns are the store's; MLflow's fail in the database.
Result<std::vector<Value>> ReadList(MlflowNoun noun, const MlflowToken& token) {
  const std::string problem = "While parsing a list in the query, expected ";
  std::vector<Value> values;
  bool wants_comma = false;
  const auto items = SplitMlflowSearch(token.text.substr(1, token.text.size() - 2));
  for (const MlflowToken& item : items) {
    const bool is_comma = item.text == ",";
    if (is_comma != wants_comma) {
      return RefuseSearch(problem + "a non-empty list of string values, but got ill-formed list.");
    }
    wants_comma = !is_comma;
    if (is_comma) continue;
    const bool takes_numbers = noun == MlflowNoun::kLoggedModel;
    if (item.kind != Kind::kText && !(takes_numbers && item.kind == Kind::kNumber)) {
      return RefuseSearch(
          problem + "string value, punctuation, or whitespace, but got different type in list: " +
          ListText(items));
    }
    values.emplace_back(std::string(WithoutQuotes(item.text, "'\"")));
  }
  if (values.empty()) {
    return RefuseSearch(problem + "a non-empty list of string values, but got empty list");
  }
  if (values.size() > kMaxListValues) {
    return RefuseSearch("The list in the filter has " + std::to_string(values.size()) +
                        " values; it may have at most " + std::to_string(kMaxListValues) + ".");
  }
  return values;
}

Result<Value> ReadText(MlflowNoun noun, const Field& field, const MlflowToken& token) {
  if (token.kind == Kind::kText) return Value(std::string(WithoutQuotes(token.text, "'\"")));
  const bool is_name = token.kind == Kind::kName && !IsKeyword(token, "null");
  if (noun == MlflowNoun::kLoggedModel && (is_name || token.kind == Kind::kNumber)) {
    return Value(std::string(token.text));
  }
  if (is_name) {
    return RefuseSearch(
        "Parameter value is either not quoted or unidentified quote types used for string value " +
        std::string(token.text) + ". Use either single or double quotes.");
  }
  const std::string got = " Got value " + std::string(token.text);
  if (field.kind == FieldKind::kAttribute) {
    return RefuseSearch("Expected a quoted string value for attributes." + got);
  }
  if (field.kind == FieldKind::kDataset) {
    return RefuseSearch("Expected a quoted string value for dataset attributes." + got);
  }
  return RefuseSearch("Expected a quoted string value for " + std::string(MlflowWord(field.kind)) +
                      " (e.g. 'my-value')." + got);
}

bool TakesLists(MlflowNoun noun, const MlflowField& field) {
  if (noun == MlflowNoun::kLoggedModel) return !field.is_number;
  return field.field.kind == FieldKind::kDataset ||
         (field.field.kind == FieldKind::kAttribute && field.field.name == "run_id");
}

Result<std::vector<Value>> ReadValues(MlflowNoun noun, const MlflowField& field,
                                      const Clause& clause) {
  const MlflowToken& token = clause.right;
  const bool is_list = token.kind == Kind::kList && clause.sign.ends_with("IN");
  if (is_list && TakesLists(noun, field)) return ReadList(noun, token);
  if (token.kind == Kind::kList && !field.is_number && field.field.kind == FieldKind::kAttribute) {
    return RefuseSearch(
        "Only the 'run_id' attribute supports comparison with a list of quoted string values.");
  }
  MlflowToken number = token;
  if (field.field.name == "version_number" && token.kind == Kind::kText) {
    number = {Kind::kNumber, WithoutQuotes(token.text, "'\"")};  // the one that may be quoted
  }
  ROOST_ASSIGN(Value value,
               field.is_number ? ReadNumber(field, number) : ReadText(noun, field.field, token));
  std::vector<Value> values;
  values.push_back(std::move(value));
  return values;
}

// --- Which comparison a field has ---

constexpr std::array<std::string_view, 6> kNumberSigns = {"=", "!=", ">", ">=", "<", "<="};
constexpr std::array<std::string_view, 6> kTextSigns = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"};
constexpr std::array<std::string_view, 6> kKeyedSigns = {"=",     "!=",      "LIKE",
                                                         "ILIKE", "IS NULL", "IS NOT NULL"};

struct SignComparison {
  std::string_view sign;
  Comparison comparison;
};
constexpr std::array kComparisons = {
    SignComparison{"=", Comparison::kEq},
    SignComparison{"!=", Comparison::kNe},
    SignComparison{"<", Comparison::kLt},
    SignComparison{"<=", Comparison::kLe},
    SignComparison{">", Comparison::kGt},
    SignComparison{">=", Comparison::kGe},
    SignComparison{"LIKE", Comparison::kLike},
    SignComparison{"ILIKE", Comparison::kILike},
    SignComparison{"IN", Comparison::kIn},
    SignComparison{"NOT IN", Comparison::kNotIn},
    SignComparison{"IS NULL", Comparison::kIsNull},
    SignComparison{"IS NOT NULL", Comparison::kIsNotNull},
};

bool HasOpenNullCheck(MlflowNoun noun, FieldKind kind) {
  if (noun == MlflowNoun::kExperiment) return kind == FieldKind::kTag;
  return noun == MlflowNoun::kRun && (kind == FieldKind::kTag || kind == FieldKind::kParam);
}

std::span<const std::string_view> SignsOf(MlflowNoun noun, const MlflowField& field) {
  if (field.is_number) return kNumberSigns;
  const FieldKind kind = field.field.kind;
  const bool is_keyed = kind == FieldKind::kTag || kind == FieldKind::kParam;
  if (noun == MlflowNoun::kLoggedModel || !is_keyed) return kTextSigns;
  const std::span<const std::string_view> signs = kKeyedSigns;
  return HasOpenNullCheck(noun, kind) ? signs : signs.first(4);
}

tl::unexpected<Error> WrongSign(MlflowNoun noun, const MlflowField& field, const std::string& sign,
                                std::span<const std::string_view> known) {
  const FieldKind kind = field.field.kind;
  if (noun == MlflowNoun::kLoggedModel) {
    return RefuseSearch("Invalid comparison operator for " + std::string(LoggedModelPrefix(kind)) +
                        "." + field.field.name + ": '" + sign + "'. Expected one of (" +
                        QuotedList(known) + ").");
  }
  const bool is_list_of_signs = noun == MlflowNoun::kRun ||
                                (noun == MlflowNoun::kExperiment && kind == FieldKind::kAttribute);
  if (is_list_of_signs) {
    return RefuseSearch("Invalid comparator '" + sign + "' not one of '{" + QuotedList(known) +
                        "}'");
  }
  return RefuseSearch("Invalid comparator for " + std::string(MlflowWord(kind)) +
                      (field.is_number ? " " + field.field.name : "") + ": " + sign);
}

Result<Comparison> FindComparison(MlflowNoun noun, const MlflowField& field,
                                  const std::string& sign) {
  const auto known = SignsOf(noun, field);
  const bool is_list = sign == "IN" || sign == "NOT IN";
  // Of model versions' run_id there is IN alone.
  const bool is_refused = (is_list && !TakesLists(noun, field)) ||
                          (noun == MlflowNoun::kModelVersion && sign == "NOT IN");
  if (is_refused || std::find(known.begin(), known.end(), sign) == known.end()) {
    return WrongSign(noun, field, sign, known);
  }
  for (const SignComparison& each : kComparisons) {
    if (each.sign == sign) return each.comparison;
  }
  return WrongSign(noun, field, sign, known);
}

Status CheckNullCheck(MlflowNoun noun, const MlflowField& field, const Clause& clause) {
  const FieldKind kind = field.field.kind;
  if (!clause.IsNullCheck() || HasOpenNullCheck(noun, kind)) return {};
  const std::string name = " '" + field.field.name + "'";
  if (noun == MlflowNoun::kRun) {
    return RefuseSearch("IS NULL / IS NOT NULL is only supported for tags and params, not for '" +
                        std::string(MlflowWord(kind)) + "'" + name);
  }
  if (noun == MlflowNoun::kLoggedModel) {
    return RefuseSearch("Invalid comparison: " + std::string(clause.left.text) + " " + clause.sign +
                        ". Expected a comparison with 3 tokens.");
  }
  return RefuseSearch(
      std::string("IS NULL / IS NOT NULL is ") +
      (noun == MlflowNoun::kExperiment ? "only supported for tags, not" : "not supported") +
      " for " + std::string(MlflowWord(kind)) + name);
}

Result<Condition> MakeCondition(MlflowNoun noun, const Clause& clause) {
  const MlflowToken& left = clause.left;
  const bool is_name =
      left.kind == Kind::kName || (left.kind == Kind::kText && left.text.front() == '"');
  if (!is_name) {
    return RefuseSearch("Invalid comparison clause. Expected 'Identifier' found '" +
                        std::string(left.text) + "'");
  }
  ROOST_ASSIGN(const MlflowField field, FindMlflowField(noun, left.text, MlflowUse::kFilter));
  ROOST_TRY(CheckNullCheck(noun, field, clause));
  Condition condition;
  condition.field = field.field;
  if (!clause.IsNullCheck()) {
    // MLflow looks at the value first, and its clients' users know those texts; with logged models
    // at the operator.
    if (noun == MlflowNoun::kLoggedModel) {
      ROOST_TRY(FindComparison(noun, field, clause.sign));
    }
    ROOST_ASSIGN(condition.values, ReadValues(noun, field, clause));
  }
  ROOST_ASSIGN(condition.comparison, FindComparison(noun, field, clause.sign));
  const bool is_pattern =
      condition.comparison == Comparison::kLike || condition.comparison == Comparison::kILike;
  if (is_pattern && std::get<std::string>(condition.values[0]).size() > kMaxPatternBytes) {
    return RefuseSearch("The pattern for '" + std::string(left.text) + "' is longer than " +
                        std::to_string(kMaxPatternBytes) + " bytes.");
  }
  return condition;
}

}  // namespace

Result<std::vector<Condition>> ParseMlflowFilter(MlflowNoun noun, std::string_view filter) {
  ROOST_TRY(CheckSearchText(filter, "filter"));
  ROOST_ASSIGN(const std::vector<Clause> clauses, ReadClauses(noun, filter));
  std::vector<Condition> conditions;
  for (const Clause& clause : clauses) {
    ROOST_ASSIGN(Condition condition, MakeCondition(noun, clause));
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

}  // namespace roost::spec
