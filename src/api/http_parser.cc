#include "api/http_parser.h"

#include <boost/beast/http/basic_parser.hpp>

#include "api/http_url.h"

namespace roost::api {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

std::string_view View(string_view text) { return {text.data(), text.size()}; }

Method ToMethod(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::patch:
      return Method::kPatch;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

std::optional<HeaderName> ToHeader(http::field field, string_view name) {
  switch (field) {
    case http::field::accept_encoding:
      return HeaderName::kAcceptEncoding;
    case http::field::authorization:
      return HeaderName::kAuthorization;
    case http::field::content_encoding:
      return HeaderName::kContentEncoding;
    case http::field::content_type:
      return HeaderName::kContentType;
    case http::field::cookie:
      return HeaderName::kCookie;
    case http::field::expect:
      return HeaderName::kExpect;
    case http::field::host:
      return HeaderName::kHost;
    case http::field::if_none_match:
      return HeaderName::kIfNoneMatch;
    case http::field::if_range:
      return HeaderName::kIfRange;
    case http::field::origin:
      return HeaderName::kOrigin;
    case http::field::sec_fetch_site:
      return HeaderName::kSecFetchSite;
    case http::field::range:
      return HeaderName::kRange;
    case http::field::transfer_encoding:
      return HeaderName::kTransferEncoding;
    case http::field::unknown:
      break;
    default:
      return std::nullopt;
  }
  if (boost::beast::iequals(name, "X-Forwarded-Proto")) return HeaderName::kForwardedProto;
  if (boost::beast::iequals(name, "Idempotency-Key")) return HeaderName::kIdempotencyKey;
  if (boost::beast::iequals(name, "Last-Event-ID")) return HeaderName::kLastEventId;
  return std::nullopt;
}

// Writes what Beast recognises straight into the request: no container of fields, no copies.
class Parser final : public http::basic_parser<true> {
 public:
  Parser(Request& request, std::size_t max_header) : request_(request) {
    header_limit(static_cast<std::uint32_t>(max_header));
    body_limit(boost::none);  // the connection counts the body itself
  }

 private:
  void on_request_impl(http::verb verb, string_view, string_view target, int version,
                       error_code& ec) override {
    request_.method = ToMethod(verb);
    request_.target.assign(target.data(), target.size());
    request_.http_1_1 = version >= 11;
    if (!ParseTarget(request_.target, &request_.path, &request_.query)) {
      ec = http::error::bad_target;
    }
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field field, string_view name, string_view value, error_code&) override {
    const auto header = ToHeader(field, name);
    if (!header) return;
    if (*header == HeaderName::kHost) ++request_.host_headers;
    std::string& kept = request_.headers[static_cast<std::size_t>(*header)];
    if (!kept.empty()) kept.append(*header == HeaderName::kCookie ? "; " : ", ");
    kept.append(View(value));
  }
  void on_header_impl(error_code& ec) override {
    request_.keep_alive = keep_alive();
    const auto length = content_length();
    if (length) request_.content_length = *length;
    request_.has_body = chunked() || (length && *length > 0);
    // A transfer coding that is not understood hides where the next request begins.
    if (!request_.Header(HeaderName::kTransferEncoding).empty() && !chunked()) {
      ec = http::error::bad_transfer_encoding;
    }
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    request_.body.append(View(body));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    request_.body.append(View(body));
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Request& request_;
};

Error ParseError(const error_code& ec) {
  if (ec == http::error::header_limit) {
    return {ErrorCode::kTooLarge, "The request's head is longer than the server takes.", {}};
  }
  return {ErrorCode::kInvalidArgument, "The request is not valid HTTP: " + ec.message() + ".", {}};
}

}  // namespace

struct RequestParser::State {
  Request& request;
  std::size_t max_header;
  std::optional<Parser> parser;
};

RequestParser::RequestParser(Request& request, std::size_t max_header)
    : state_(new State{request, max_header, {}}) {
  StartNext();
}
RequestParser::~RequestParser() = default;

void RequestParser::StartNext() { state_->parser.emplace(state_->request, state_->max_header); }
bool RequestParser::HasHead() const { return state_->parser->is_header_done(); }
bool RequestParser::IsDone() const { return state_->parser->is_done(); }

Result<std::size_t> RequestParser::FeedHead(std::string_view bytes) {
  error_code ec;
  const std::size_t used =
      state_->parser->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (ec && ec != http::error::need_more) return tl::unexpected<Error>(ParseError(ec));
  return used;
}

Result<std::size_t> RequestParser::FeedBody(std::string_view bytes) {
  state_->parser->eager(true);
  return FeedHead(bytes);
}

}  // namespace roost::api
