#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/http_types.h"
#include "api/services.h"

namespace roost::api {

// Who may call a route. A user's token may call all. Of a run's own token:
//   kUser   it may not
//   kOwn    when the path's first parameter is its run or a child of it, in its current attempt
//   kShared it may; the handler checks what the body or the query speaks of
enum class Access { kPublic, kUser, kOwn, kShared };

// Whose words a route speaks: requests are read and errors told in its way. MLflow's ignores query
// parameters that it does not know.
enum class Surface { kNative, kMlflow };

struct Route {
  using Blocking = Result<Response> (*)(Services&, Request&);
  using Async = void (*)(Services&, Request&, Responder);
  using Upload = Result<std::unique_ptr<BodySink>> (*)(Services&, Request&);

  Method method = Method::kGet;
  std::string_view pattern;  // "{name}" is one segment, "{name...}" all that follow
  Access access = Access::kUser;
  std::vector<std::string_view> query;  // the parameters it knows
  Blocking blocking = nullptr;          // exactly one of the three
  Async async = nullptr;
  Upload upload = nullptr;
  bool slow = false;
  Surface surface = Surface::kNative;
};

// The table: every route there is. api/openapi.yaml says the same of the native ones (a test
// compares).
std::span<const Route> Routes();
std::size_t RouteIndex(const Route& route);

struct RouteMatch {
  const Route* route = nullptr;  // none: 404, or 405 when `allowed` is not empty
  std::string allowed;           // "GET, POST"
  bool bad_escape = false;       // a broken %XX in the path
};
// HEAD is answered by GET's route where it has none of its own.
RouteMatch FindRoute(Method method, std::string_view path, std::vector<std::string>* parameters);

}  // namespace roost::api
