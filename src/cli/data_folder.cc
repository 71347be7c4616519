#include "cli/data_folder.h"

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/strings.h"

namespace roost::cli {
namespace {

constexpr const char* kServerFile = "server.json";
constexpr const char* kTokenFile = "token";
constexpr std::size_t kTokenBytes = 24;

std::string Variable(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

}  // namespace

fs::path DefaultDataFolder(const std::map<std::string, std::string>& environment) {
  const fs::path data_home = Variable(environment, "XDG_DATA_HOME");
  // The specification wants relative values to be ignored.
  if (data_home.is_absolute()) return data_home / "roost";
  const std::string home = Variable(environment, "HOME");
  return fs::path(home.empty() ? "/" : home) / ".local/share/roost";
}

Result<std::optional<ServerFile>> ReadServerFile(const fs::path& data_folder) {
  const fs::path path = data_folder / kServerFile;
  auto text = ReadFile(path, 1 << 20);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<ServerFile>{};
  if (!text) return Fail(text.error());
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const bool complete = json.is_object() && json.contains("address") &&
                        json["address"].is_string() && json.contains("port") &&
                        json["port"].is_number_integer();
  if (!complete) {
    return Fail(ErrorCode::kInternal, path.string() +
                                          " is damaged. Remove it; the next `roost serve` writes "
                                          "it anew.");
  }
  ServerFile server;
  server.address = json["address"].get<std::string>();
  server.port = json["port"].get<int>();
  if (json.contains("host") && json["host"].is_string()) server.host = json["host"];
  if (json.contains("pid") && json["pid"].is_number_integer()) server.pid = json["pid"];
  if (json.contains("version") && json["version"].is_string()) server.version = json["version"];
  return std::optional<ServerFile>(server);
}

Status WriteServerFile(const fs::path& data_folder, const ServerFile& server) {
  const nlohmann::json json{{"address", server.address},
                            {"host", server.host},
                            {"port", server.port},
                            {"pid", server.pid},
                            {"version", server.version}};
  return WriteFileAtomic(data_folder / kServerFile, json.dump(2) + "\n");
}

Result<std::string> ReadTokenFile(const fs::path& data_folder) {
  ROOST_ASSIGN(const std::string text, ReadFile(data_folder / kTokenFile, 4096));
  const std::string token(Trim(text));
  if (token.empty()) {
    return Fail(ErrorCode::kInternal, (data_folder / kTokenFile).string() +
                                          " is empty. Remove it; the next `roost serve` makes a "
                                          "new token.");
  }
  return token;
}

Result<std::string> ReadOrMakeToken(const fs::path& data_folder) {
  auto token = ReadTokenFile(data_folder);
  if (token || token.error().code != ErrorCode::kNotFound) return token;
  const std::string made = RandomHex(kTokenBytes);
  ROOST_TRY(WriteFileAtomic(data_folder / kTokenFile, made + "\n", 0600));
  return made;
}

}  // namespace roost::cli
