#include "spec/run_query_tokens.h"

#include <charconv>

#include "base/strings.h"
#include "spec/text.h"

namespace roost::spec {
namespace {

constexpr std::size_t kMaxQueryBytes = 64 << 10;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool BeginsName(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsInName(char c) { return BeginsName(c) || IsDigit(c) || c == '-' || c == '/' || c == '.'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Tokenizer {
 public:
  Tokenizer(std::string_view query, std::string_view what) : query_(query), what_(what) {}

  Result<std::vector<QueryToken>> Run() {
    std::vector<QueryToken> tokens;
    do {
      while (at_ < query_.size() && IsBlank(query_[at_])) ++at_;
      QueryToken token;
      token.at = at_;
      ROOST_TRY(ReadOne(&token));
      token.end = at_;
      tokens.push_back(std::move(token));
    } while (tokens.back().kind != QueryToken::Kind::kEnd);
    return tokens;
  }

 private:
  Status ReadOne(QueryToken* token) {
    if (at_ == query_.size()) return {};
    const char c = query_[at_];
    if (BeginsName(c)) return ReadName(token);
    if (c == '\'' || c == '"' || c == '`') return ReadQuoted(token);
    if (IsDigit(c) || c == '-' || c == '+' || c == '.') return ReadNumber(token);
    return ReadSign(token);
  }

  Status ReadName(QueryToken* token) {
    token->kind = QueryToken::Kind::kName;
    while (at_ < query_.size() && IsInName(query_[at_])) token->text += query_[at_++];
    return {};
  }

  // A doubled quote stands for one.
  Status ReadQuoted(QueryToken* token) {
    const char quote = query_[at_++];
    token->kind = quote == '`' ? QueryToken::Kind::kQuoted : QueryToken::Kind::kText;
    token->double_quoted = quote == '"';
    for (; at_ < query_.size(); ++at_) {
      if (query_[at_] == quote) {
        ++at_;
        if (at_ == query_.size() || query_[at_] != quote) return {};
      }
      token->text += query_[at_];
    }
    return Wrong(token->at, std::string("the quote ") + quote + " is not closed");
  }

  Status ReadNumber(QueryToken* token) {
    token->kind = QueryToken::Kind::kNumber;
    if (query_[at_] == '+') ++at_;
    const char* begin = query_.data() + at_;
    const char* end = query_.data() + query_.size();
    const auto [rest, problem] = std::from_chars(begin, end, token->number);
    // from_chars knows "nan" and "inf", which cannot be reached: a number begins with a digit, a
    // sign or a point. "-inf" can, and is refused with the other words.
    const bool has_digits =
        problem != std::errc::invalid_argument && (IsDigit(rest[-1]) || rest[-1] == '.');
    if (!has_digits || (rest != end && IsInName(*rest))) {
      return Wrong(token->at, "this is no number");
    }
    if (problem == std::errc::result_out_of_range) {
      return Wrong(token->at, "this number does not fit into a double");
    }
    at_ += static_cast<std::size_t>(rest - begin);
    return {};
  }

  Status ReadSign(QueryToken* token) {
    token->kind = QueryToken::Kind::kSign;
    for (const std::string_view sign :
         {"!=", "<=", ">=", "==", "<>", "=", "<", ">", "(", ")", ","}) {
      if (!query_.substr(at_).starts_with(sign)) continue;
      if (sign == "==") return Wrong(at_, "write `=` for equal");
      if (sign == "<>") return Wrong(at_, "write `!=` for not equal");
      token->text = sign;
      at_ += sign.size();
      return {};
    }
    return Wrong(at_, "this character has no meaning here; quote texts with ' and names with `");
  }

  tl::unexpected<Error> Wrong(std::size_t at, std::string_view problem) const {
    return Fail(QueryError(query_, what_, at, problem));
  }

  std::string_view query_;
  std::string_view what_;
  std::size_t at_ = 0;
};

}  // namespace

Error QueryError(std::string_view query, std::string_view what, std::size_t at,
                 std::string_view problem) {
  const std::size_t character = CountCharacters(query.substr(0, at)) + 1;
  std::string message = "The " + std::string(what) + " is wrong at character " +
                        std::to_string(character) + ": " + std::string(problem);
  const std::string field = what == "filter" ? "filter" : "order_by";
  return {ErrorCode::kInvalidArgument, message, {{field, message}}};
}

Result<std::vector<QueryToken>> TokenizeQuery(std::string_view query, std::string_view what) {
  if (query.size() > kMaxQueryBytes) {
    return Fail(QueryError("", what, 0, "it is longer than " + FormatBytes(kMaxQueryBytes)));
  }
  if (!IsValidUtf8(query)) return Fail(QueryError("", what, 0, "it is no UTF-8 text"));
  if (HasNul(query)) {
    return Fail(QueryError(query, what, query.find('\0'), "NUL characters are not allowed"));
  }
  return Tokenizer(query, what).Run();
}

}  // namespace roost::spec
