#include "api/auth.h"
#include "api/embedded.h"
#include "api/handlers.h"

namespace roost::api {

// The page's shell. The link that the server prints carries a token: it moves into a cookie, and
// out of the address, so that neither history nor a copied address gives it away.
Result<Response> GetPage(Services& services, Request& request) {
  if (const auto token = request.QueryValue("token")) {
    ROOST_TRY(services.store.tokens().Find(*token));
    Response response(303, "");
    response.headers.emplace_back("Location", "/");
    response.headers.emplace_back("Set-Cookie", TokenCookie(*token));
    response.headers.emplace_back("Cache-Control", "no-store");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
    return response;
  }
  Response response(200, std::string(EmbeddedPage()));
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'self'; script-src 'self' 'unsafe-inline'; "
                                "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
                                "frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
  return response;
}

Result<Response> GetOpenApi(Services&, Request&) {
  Response response(200, std::string(EmbeddedContract()));
  response.content_type = "application/yaml";
  return response;
}

}  // namespace roost::api
