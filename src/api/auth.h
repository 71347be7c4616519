#pragma once

#include <string>
#include <string_view>

#include "api/http_types.h"
#include "store/tokens.h"

namespace roost::api {

// Pure checks of a request's origin and identity; the tokens themselves are the store's.

inline constexpr std::string_view kTokenCookie = "roost_token";

// The token that the request carries: the Bearer header, the password of a Basic one, else the
// cookie. Empty: none.
struct Credentials {
  std::string secret;
  bool from_cookie = false;
};
Credentials ReadCredentials(const Request& request);

// A page of another site can make a browser send our cookie; it cannot forge these headers.
bool IsSameOrigin(const Request& request);

// "localhost", 127.0.0.0/8 or ::1, with or without a port: what a browser on this machine says when
// nobody plays tricks with names (DNS rebinding).
bool IsLoopbackHost(std::string_view host);
bool IsLoopbackAddress(std::string_view host);  // of a listening address

// 0.0.0.0 or an address of a private network, with or without a port: no name, so no trick with
// names either.
bool IsPrivateAddressHost(std::string_view host);

// The value of the Set-Cookie header that keeps a token in a browser.
std::string TokenCookie(const std::string& secret);

}  // namespace roost::api
