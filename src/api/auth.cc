#include "api/auth.h"

#include <sodium.h>

#include <boost/asio/ip/address.hpp>

#include "base/strings.h"

namespace roost::api {
namespace {

bool StartsWithNoCase(std::string_view text, std::string_view lower_prefix) {
  if (text.size() < lower_prefix.size()) return false;
  for (std::size_t i = 0; i < lower_prefix.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower_prefix[i]) return false;
  }
  return true;
}

std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.rfind(':'));
}

bool IsDigitsAndDots(std::string_view text) {
  return text.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The password; with none, the user's name. MLflow's clients are given both.
std::string SecretOfBasic(std::string_view encoded) {
  std::string plain(encoded.size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  const int failed = sodium_base642bin(reinterpret_cast<unsigned char*>(plain.data()), plain.size(),
                                       encoded.data(), encoded.size(), nullptr, &size, &end,
                                       sodium_base64_VARIANT_ORIGINAL);
  if (failed != 0 || end != encoded.data() + encoded.size()) return "";
  plain.resize(size);
  const std::size_t colon = plain.find(':');
  if (colon == std::string::npos || colon + 1 == plain.size()) return plain.substr(0, colon);
  return plain.substr(colon + 1);
}

}  // namespace

Credentials ReadCredentials(const Request& request) {
  const std::string& authorization = request.Header(HeaderName::kAuthorization);
  if (StartsWithNoCase(authorization, "basic ")) {
    return {SecretOfBasic(Trim(std::string_view(authorization).substr(6))), false};
  }
  if (StartsWithNoCase(authorization, "bearer ")) {
    return {std::string(Trim(std::string_view(authorization).substr(7))), false};
  }
  std::string_view cookies = request.Header(HeaderName::kCookie);
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    const std::string_view cookie = Trim(cookies.substr(0, end));
    cookies = end == std::string_view::npos ? std::string_view() : cookies.substr(end + 1);
    const std::size_t equals = cookie.find('=');
    if (equals != std::string_view::npos && cookie.substr(0, equals) == kTokenCookie) {
      return {std::string(cookie.substr(equals + 1)), true};
    }
  }
  return {};
}

bool IsSameOrigin(const Request& request) {
  const std::string& site = request.Header(HeaderName::kSecFetchSite);
  if (!site.empty()) return site == "same-origin";
  const std::string& origin = request.Header(HeaderName::kOrigin);
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string::npos) return false;
  return origin.substr(scheme + 3) == request.Header(HeaderName::kHost);
}

bool IsLoopbackAddress(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" ||
         (host.starts_with("127.") && IsDigitsAndDots(host));
}

bool IsLoopbackHost(std::string_view host) { return IsLoopbackAddress(WithoutPort(host)); }

bool IsPrivateAddressHost(std::string_view host) {
  boost::system::error_code bad;
  std::string_view name = WithoutPort(host);
  if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  const auto address = boost::asio::ip::make_address(std::string(name), bad);
  if (bad) return false;
  if (address.is_v6()) return (address.to_v6().to_bytes()[0] & 0xfe) == 0xfc;
  const std::uint32_t number = address.to_v4().to_uint();
  return number == 0 || number >> 24 == 10 || number >> 20 == 0xac1 || number >> 16 == 0xc0a8;
}

std::string TokenCookie(const std::string& secret) {
  // A year; the token itself can be deleted at any time.
  return std::string(kTokenCookie) + "=" + secret +
         "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict";
}

}  // namespace roost::api
