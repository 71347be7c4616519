// The route table is the contract, and the contract is the route table.
#include "api/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

namespace roost::api {
namespace {

std::set<std::string> OfTable() {
  std::set<std::string> routes;
  for (const Route& route : Routes()) {
    if (route.surface != Surface::kNative) continue;
    std::string pattern(route.pattern);
    if (const std::size_t dots = pattern.find("..."); dots != std::string::npos) {
      pattern.erase(dots, 3);
    }
    routes.insert(std::string(ToString(route.method)) + " " + pattern);
  }
  return routes;
}

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}

const std::set<std::string> kMethods = {"get", "head", "post", "put", "patch", "delete"};

YAML::Node Resolve(const YAML::Node& root, const YAML::Node& node) {
  if (!node["$ref"]) return node;
  std::string path = node["$ref"].as<std::string>().substr(2);
  YAML::Node at = YAML::Clone(root);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    at = at[path.substr(0, slash)];
    path = slash == std::string::npos ? "" : path.substr(slash + 1);
  }
  return at;
}

TEST(RoutesTest, TableAndContractNameTheSameRoutes) {
  const YAML::Node contract = YAML::LoadFile(ROOST_OPENAPI_FILE);
  std::set<std::string> documented;
  for (const auto& path : contract["paths"]) {
    for (const auto& operation : path.second) {
      const std::string method = operation.first.as<std::string>();
      if (kMethods.contains(method)) {
        documented.insert(Upper(method) + " " + path.first.as<std::string>());
      }
    }
  }
  EXPECT_EQ(OfTable(), documented);
}

TEST(RoutesTest, TableAndContractNameTheSameQueryParameters) {
  const YAML::Node contract = YAML::LoadFile(ROOST_OPENAPI_FILE);
  for (const Route& route : Routes()) {
    if (route.surface != Surface::kNative) continue;
    std::string pattern(route.pattern);
    if (const std::size_t dots = pattern.find("..."); dots != std::string::npos) {
      pattern.erase(dots, 3);
    }
    std::string method(ToString(route.method));
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const YAML::Node operation = contract["paths"][pattern][method];
    std::set<std::string> documented;
    for (const auto& parameter : operation["parameters"]) {
      const YAML::Node resolved = Resolve(contract, parameter);
      if (resolved["in"].as<std::string>() == "query") {
        documented.insert(resolved["name"].as<std::string>());
      }
    }
    EXPECT_EQ(documented, std::set<std::string>(route.query.begin(), route.query.end()))
        << method << " " << pattern;
  }
}

TEST(RoutesTest, EveryRouteHasOneHandler) {
  for (const Route& route : Routes()) {
    EXPECT_EQ((route.blocking ? 1 : 0) + (route.async ? 1 : 0) + (route.upload ? 1 : 0), 1)
        << route.pattern;
    if (route.access == Access::kOwn) {
      EXPECT_TRUE(route.pattern.starts_with("/api/v1/runs/{run_id}")) << route.pattern;
    }
  }
}

TEST(RoutesTest, PathsAreMatchedAndDecodedOnce) {
  std::vector<std::string> parameters;
  EXPECT_TRUE(FindRoute(Method::kGet, "/api/v1/runs/a%2Fb", &parameters).route);
  EXPECT_THAT(parameters, testing::ElementsAre("a/b"));
  parameters.clear();
  const auto file = FindRoute(Method::kGet, "/api/v1/runs/x/files/a/b%20c/%252e", &parameters);
  EXPECT_TRUE(file.route);
  EXPECT_THAT(parameters, testing::ElementsAre("x", "a/b c/%2e"));
  parameters.clear();
  EXPECT_EQ(FindRoute(Method::kPost, "/api/v1/runs/tracked", &parameters).route->pattern,
            "/api/v1/runs/tracked");
  EXPECT_TRUE(FindRoute(Method::kGet, "/api/v1/runs/%zz", &parameters).bad_escape);
  EXPECT_FALSE(FindRoute(Method::kGet, "/api/v1/runs/", &parameters).route);
  EXPECT_FALSE(FindRoute(Method::kGet, "/api/v1/runs/x/", &parameters).route);
  EXPECT_EQ(FindRoute(Method::kPut, "/api/v1/runs/x/archive", &parameters).allowed, "GET, POST");
}

}  // namespace
}  // namespace roost::api
