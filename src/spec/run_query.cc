#include "spec/run_query.h"

#include <array>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "spec/run_query_fields.h"
#include "spec/run_query_tokens.h"
#include "spec/run_state.h"

namespace roost::spec {
namespace {

using Kind = QueryToken::Kind;
using Value = std::variant<double, std::string>;

// Each condition costs the store a look-up; nobody writes this many by hand.
constexpr std::size_t kMaxConditions = 50;
constexpr std::size_t kMaxValues = 1000;

constexpr std::array<std::pair<std::string_view, Comparison>, 6> kSigns = {{
    {"=", Comparison::kEq},
    {"!=", Comparison::kNe},
    {"<", Comparison::kLt},
    {"<=", Comparison::kLe},
    {">", Comparison::kGt},
    {">=", Comparison::kGe},
}};

std::optional<Comparison> FindSign(std::string_view text) {
  for (const auto& [sign, comparison] : kSigns) {
    if (sign == text) return comparison;
  }
  return std::nullopt;
}

bool IsOrdering(Comparison comparison) {
  return comparison == Comparison::kLt || comparison == Comparison::kLe ||
         comparison == Comparison::kGt || comparison == Comparison::kGe;
}
bool IsForTexts(Comparison comparison) {
  return comparison == Comparison::kLike || comparison == Comparison::kILike ||
         comparison == Comparison::kIn || comparison == Comparison::kNotIn;
}

// A recursive descent over the tokens:
//   filter    = [condition {AND condition}]
//   condition = field (sign value | [I]LIKE value | [NOT] IN (value {, value}) | IS [NOT] NULL)
//   order     = field [ASC | DESC]
class Parser {
 public:
  Parser(std::string_view query, std::string_view what, std::vector<QueryToken> tokens)
      : query_(query), what_(what), tokens_(std::move(tokens)) {}

  Result<std::vector<Condition>> Filter() {
    std::vector<Condition> conditions;
    if (Now().kind == Kind::kEnd) return conditions;
    while (true) {
      if (conditions.size() == kMaxConditions) {
        return Wrong("there are more than " + std::to_string(kMaxConditions) + " conditions");
      }
      ROOST_ASSIGN(auto condition, ReadCondition());
      conditions.push_back(std::move(condition));
      if (Now().kind == Kind::kEnd) return conditions;
      if (IsWord("or")) return Wrong("OR is not supported; conditions are joined with AND");
      if (!TakeWord("and")) return Expected("AND or the end");
    }
  }

  Result<OrderBy> Order() {
    OrderBy order;
    ROOST_ASSIGN(order.field, ReadField());
    order.descending = TakeWord("desc");
    if (!order.descending) TakeWord("asc");
    if (Now().kind != Kind::kEnd) return Expected("ASC, DESC or the end");
    return order;
  }

 private:
  const QueryToken& Now() const { return tokens_[next_]; }
  const QueryToken& Take() { return tokens_[next_++]; }

  bool IsWord(std::string_view keyword) const {
    return Now().kind == Kind::kName && ToLower(Now().text) == keyword;
  }
  bool TakeWord(std::string_view keyword) {
    if (!IsWord(keyword)) return false;
    ++next_;
    return true;
  }
  bool TakeSign(std::string_view sign) {
    if (Now().kind != Kind::kSign || Now().text != sign) return false;
    ++next_;
    return true;
  }

  tl::unexpected<Error> Wrong(std::string_view problem) const { return WrongAt(Now(), problem); }
  tl::unexpected<Error> WrongAt(const QueryToken& token, std::string_view problem) const {
    return Fail(QueryError(query_, what_, token.at, problem));
  }
  tl::unexpected<Error> Expected(std::string_view expected) const {
    const std::string_view found = query_.substr(Now().at, Now().end - Now().at);
    return Wrong("expected " + std::string(expected) + ", found " +
                 (Now().kind == Kind::kEnd ? "the end" : std::string(found)));
  }

  Result<Field> ReadField() {
    if (Now().kind == Kind::kSign && Now().text == "(") {
      return Wrong("parentheses are for IN lists only; conditions are joined with AND");
    }
    if (Now().kind != Kind::kName) {
      return Expected("a field such as metrics.accuracy, tags.team or status");
    }
    const QueryToken& first = Take();
    const std::size_t dot = first.text.find('.');
    if (dot == std::string::npos) return ReadAttribute(first, first.text);
    const std::optional<FieldKind> kind = FindFieldPrefix(first.text.substr(0, dot));
    if (!kind) {
      return WrongAt(first, "`" + first.text.substr(0, dot) +
                                "` is no kind of field; use metrics, params, tags, properties or "
                                "attributes");
    }
    std::string name = first.text.substr(dot + 1);
    if (name.empty()) {
      const bool quoted = Now().kind == Kind::kQuoted || Now().double_quoted;
      if (!quoted || Now().at != first.end) return Expected("a name after the point");
      name = Take().text;
    }
    if (name.empty()) return WrongAt(first, "the name after the point is empty");
    if (*kind == FieldKind::kAttribute) return ReadAttribute(first, name);
    return Field{*kind, std::move(name)};
  }

  Result<Field> ReadAttribute(const QueryToken& at, const std::string& name) const {
    auto attribute = FindAttribute(name);
    if (attribute) return Field{FieldKind::kAttribute, *std::move(attribute)};
    return WrongAt(at, "`" + name + "` is no attribute of runs; there are " + KnownAttributes() +
                           "; write metrics., params., tags. or properties. before other names");
  }

  Result<Condition> ReadCondition() {
    const QueryToken& start = Now();
    Condition condition;
    ROOST_ASSIGN(condition.field, ReadField());
    const QueryToken& comparison_at = Now();
    ROOST_ASSIGN(condition.comparison, ReadComparison());
    ROOST_TRY(CheckComparison(condition, start, comparison_at));
    switch (condition.comparison) {
      case Comparison::kIsNull:
      case Comparison::kIsNotNull:
        return condition;
      case Comparison::kIn:
      case Comparison::kNotIn:
        ROOST_TRY(ReadList(&condition));
        return condition;
      default: {
        ROOST_ASSIGN(auto value, ReadValue(condition));
        condition.values.push_back(std::move(value));
        return condition;
      }
    }
  }

  Result<Comparison> ReadComparison() {
    if (Now().kind == Kind::kSign) {
      if (const auto sign = FindSign(Now().text)) {
        ++next_;
        return *sign;
      }
    }
    if (TakeWord("like")) return Comparison::kLike;
    if (TakeWord("ilike")) return Comparison::kILike;
    if (TakeWord("in")) return Comparison::kIn;
    if (TakeWord("not")) {
      if (TakeWord("in")) return Comparison::kNotIn;
      return Expected("IN after NOT");
    }
    if (TakeWord("is")) {
      const bool negated = TakeWord("not");
      if (!TakeWord("null")) return Expected("NULL");
      return negated ? Comparison::kIsNotNull : Comparison::kIsNull;
    }
    return Expected("a comparison (=, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL)");
  }

  // Whether the field's values can be compared that way.
  Status CheckComparison(const Condition& condition, const QueryToken& field_at,
                         const QueryToken& comparison_at) const {
    const FieldType type = TypeOf(condition.field);
    const bool is_number = type == FieldType::kNumber || type == FieldType::kTime;
    const std::string field(query_.substr(field_at.at, comparison_at.at - field_at.at));
    if (is_number && IsForTexts(condition.comparison)) {
      return WrongAt(comparison_at,
                     std::string(Trim(field)) + " is compared with =, !=, <, <=, > and >= only");
    }
    if (!is_number && IsOrdering(condition.comparison)) {
      return WrongAt(
          comparison_at,
          std::string(Trim(field)) +
              " is a text, which is compared with =, !=, LIKE, ILIKE, IN and NOT IN only");
    }
    return {};
  }

  Status ReadList(Condition* condition) {
    if (!TakeSign("(")) return Expected("( and a list of texts");
    do {
      if (condition->values.size() == kMaxValues) {
        return Wrong("there are more than " + std::to_string(kMaxValues) + " values");
      }
      ROOST_ASSIGN(auto value, ReadValue(*condition));
      condition->values.push_back(std::move(value));
    } while (TakeSign(","));
    if (!TakeSign(")")) return Expected(", or )");
    return {};
  }

  Result<Value> ReadValue(const Condition& condition) {
    const FieldType type = TypeOf(condition.field);
    const bool is_number = Now().kind == Kind::kNumber;
    const bool is_text = Now().kind == Kind::kText;
    switch (type) {
      case FieldType::kNumber:
        if (!is_number) return Expected("a number");
        break;
      case FieldType::kTime:
        if (!is_number && !is_text) return Expected("a time: ISO 8601 in quotes, or milliseconds");
        if (is_text && !ParseTime(Now().text)) {
          return Expected("a time such as '2026-11-21T07:35:28Z'");
        }
        break;
      case FieldType::kText:
      case FieldType::kState:
      case FieldType::kRunKind:
        if (!is_text) return Expected("a text in quotes");
        break;
    }
    const bool is_pattern =
        condition.comparison == Comparison::kLike || condition.comparison == Comparison::kILike;
    if (type == FieldType::kState && !is_pattern) {
      auto state = FindStateName(Now().text);
      if (!state) return Expected("one of " + StateNames());
      ++next_;
      return Value(*std::move(state));
    }
    if (type == FieldType::kRunKind && !is_pattern && !ParseRunKind(Now().text)) {
      return Expected("'managed' or 'tracked'");
    }
    const QueryToken& token = Take();
    return is_number ? Value(token.number) : Value(token.text);
  }

  static std::string StateNames() {
    std::vector<std::string> names;
    for (const RunState state : AllRunStates()) names.emplace_back(ToString(state));
    return Join(names, ", ");
  }

  std::string_view query_;
  std::string_view what_;
  std::vector<QueryToken> tokens_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::vector<Condition>> ParseFilter(std::string_view text) {
  ROOST_ASSIGN(auto tokens, TokenizeQuery(text, "filter"));
  return Parser(text, "filter", std::move(tokens)).Filter();
}

Result<OrderBy> ParseOrderBy(std::string_view text) {
  ROOST_ASSIGN(auto tokens, TokenizeQuery(text, "order"));
  return Parser(text, "order", std::move(tokens)).Order();
}

}  // namespace roost::spec
