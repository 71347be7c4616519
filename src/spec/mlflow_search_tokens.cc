#include "spec/mlflow_search_tokens.h"

#include "spec/run_query_fields.h"

namespace roost::spec {
namespace {

using Kind = MlflowToken::Kind;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Bytes of characters beyond ASCII belong to names.
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsOperator(char c) { return std::string_view("-+/*%@#").find(c) != std::string_view::npos; }

class Splitter {
 public:
  explicit Splitter(std::string_view input) : input_(input) {}

  std::vector<MlflowToken> Run() {
    std::vector<MlflowToken> tokens;
    while (true) {
      while (at_ < input_.size() && IsBlank(input_[at_])) ++at_;
      if (at_ == input_.size()) return tokens;
      const std::size_t begin = at_;
      const Kind kind = ReadOne();
      tokens.push_back({kind, input_.substr(begin, at_ - begin)});
    }
  }

 private:
  char Now(std::size_t ahead = 0) const {
    return at_ + ahead < input_.size() ? input_[at_ + ahead] : '\0';
  }

  Kind ReadOne() {
    const char c = Now();
    if (c == '\'' || c == '"') return Skip(EndOfQuoted(at_), Kind::kText);
    if (c == '(') return Skip(EndOfBrackets(), Kind::kList);
    if (IsLetter(c) || (c == '`' && EndOfQuoted(at_) != 0)) return ReadName();
    const char after_sign = c == '-' ? Now(1) : c;
    const char after_point = after_sign == '.' ? Now(c == '-' ? 2 : 1) : after_sign;
    if (IsDigit(after_point)) return ReadNumber();
    for (const std::string_view sign : {"==", "!=", "<>", "<=", ">=", "=", "<", ">"}) {
      if (input_.substr(at_).starts_with(sign)) return Skip(at_ + sign.size(), Kind::kComparator);
    }
    return Skip(at_ + 1, Kind::kOther);
  }

  // To `end`; 0 stands for something that is never closed: then it is its first character alone.
  Kind Skip(std::size_t end, Kind kind) {
    at_ = end == 0 ? at_ + 1 : end;
    return end == 0 ? Kind::kOther : kind;
  }

  // Behind the closing quote. A doubled quote, or one behind a backslash, does not close.
  std::size_t EndOfQuoted(std::size_t at) const {
    const char quote = input_[at];
    for (std::size_t i = at + 1; i < input_.size(); ++i) {
      if (input_[i] == '\\' && quote != '`' && i + 2 < input_.size() && input_[i + 1] == quote &&
          input_.find(quote, i + 2) != std::string_view::npos) {
        ++i;
        continue;
      }
      if (input_[i] != quote) continue;
      if (i + 1 == input_.size() || input_[i + 1] != quote) return i + 1;
      ++i;
    }
    return 0;
  }

  std::size_t EndOfBrackets() {
    // One bracket that is never closed makes the input wrong: no need to look for others, which
    // would take the square of its length.
    if (has_open_bracket_) return 0;
    has_open_bracket_ = true;
    int depth = 0;
    for (std::size_t i = at_; i < input_.size();) {
      const char c = input_[i];
      if (c == '\'' || c == '"' || c == '`') {
        const std::size_t end = EndOfQuoted(i);
        if (end == 0) return 0;
        i = end;
        continue;
      }
      ++i;
      if (c == '(') ++depth;
      if (c != ')' || --depth > 0) continue;
      has_open_bracket_ = false;
      return i;
    }
    return 0;
  }

  // Parts with points between them; a part may be quoted.
  Kind ReadName() {
    Kind kind = Kind::kName;
    bool begins_part = true;
    while (at_ < input_.size()) {
      const char c = Now();
      const bool follows_point = at_ > 0 && input_[at_ - 1] == '.';
      const bool is_quote = c == '`' || (follows_point && (c == '\'' || c == '"'));
      if (begins_part && is_quote) {
        const std::size_t end = EndOfQuoted(at_);
        if (end == 0) return kind;
        at_ = end;
        begins_part = false;
        continue;
      }
      if (IsOperator(c)) kind = Kind::kExpression;
      if (!IsLetter(c) && !IsDigit(c) && c != '.' && !IsOperator(c)) return kind;
      begins_part = c == '.';
      ++at_;
    }
    return kind;
  }

  Kind ReadNumber() {
    if (Now() == '-') ++at_;
    while (IsDigit(Now())) ++at_;
    if (Now() == '.') ++at_;
    while (IsDigit(Now())) ++at_;
    const bool has_exponent = Now() == 'e' || Now() == 'E';
    const std::size_t sign = Now(1) == '-' || Now(1) == '+' ? 1 : 0;
    if (has_exponent && IsDigit(Now(1 + sign))) {
      at_ += 1 + sign;
      while (IsDigit(Now())) ++at_;
    }
    if (!IsLetter(Now())) return Kind::kNumber;
    ReadName();  // 1and, 0x10
    return Kind::kExpression;
  }

  std::string_view input_;
  std::size_t at_ = 0;
  bool has_open_bracket_ = false;
};

}  // namespace

std::vector<MlflowToken> SplitMlflowSearch(std::string_view input) { return Splitter(input).Run(); }

bool IsKeyword(const MlflowToken& token, std::string_view keyword) {
  return token.kind == Kind::kName && token.text.size() == keyword.size() &&
         ToLower(token.text) == keyword;
}

}  // namespace roost::spec
