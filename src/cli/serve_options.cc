#include "cli/serve_options.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace roost::cli {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

fs::path ProgramFolder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

Result<fs::path> FindShim(const fs::path& program_folder) {
  const fs::path places[] = {program_folder / "roost-shim",
                             program_folder / "../libexec/roost/roost-shim", ROOST_BUILD_SHIM};
  std::vector<std::string> names;
  for (const fs::path& place : places) {
    const fs::path path = place.lexically_normal();
    if (::access(path.c_str(), X_OK) == 0) return path;
    names.push_back(path.string());
  }
  return Fail(ErrorCode::kInternal,
              "The program roost-shim, under which every run is started, is missing. Looked for " +
                  Join(names, ", ") + ". Install Roost again.");
}

fs::path FindSdk(const fs::path& program_folder) {
  for (const fs::path& place :
       {program_folder / "../share/roost/python", fs::path(ROOST_SOURCE_SDK)}) {
    const fs::path path = place.lexically_normal();
    if (fs::is_directory(path)) return path;
  }
  return {};
}

fs::path FindTrainer(const fs::path& program_folder) {
  for (const fs::path& place : {program_folder / "roost-trainer", fs::path(ROOST_BUILD_TRAINER)}) {
    if (::access(place.c_str(), X_OK) == 0) return place;
  }
  return {};
}

Result<LogLevel> ParseLogLevel(const std::string& text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  return Fail(ErrorCode::kInvalidArgument,
              "'" + text + "' is no log level: choose debug, info, warning or error.");
}

Result<std::vector<spec::VmSize>> ReadVmSizes(const std::string& file, const fs::path& data) {
  const fs::path path = file.empty() ? data / "vm-sizes.json" : fs::path(file);
  if (file.empty() && !fs::exists(path)) return spec::ShippedVmSizes();
  ROOST_ASSIGN(const std::string text, ReadFile(path));
  auto sizes = spec::ParseVmSizes(nlohmann::json::parse(text, nullptr, false));
  if (sizes) return sizes;
  Error error = sizes.error();
  error.message = "The file " + path.string() + " is not usable. " + error.message;
  return Fail(std::move(error));
}

bool IsLoopbackHost(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<int> CheckPort(const std::string& host, int port, bool port_given) {
  if (port < 0 || port > 65535) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is no port: choose one from 1 to 65535, or 0 for any free one.", port));
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failure != 0) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("The host '{}' is no address of this "
                                                         "machine: {}.",
                                                         host, ::gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(list);
  const Fd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Fail(ErrnoError("opening a socket", errno));
  // As the server does: connections of the last server that are still closing do not matter.
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(fd.get(), 1) != 0) {
    if (errno != EADDRINUSE) {
      return Fail(ErrnoError(fmt::format("listening on {} port {}", host, port), errno));
    }
    std::string message = fmt::format("Port {} of {} is taken by another program.", port, host);
    message += port_given ? " Choose another one with --port."
                          : " Choose another one with --port (it is kept for the next start; live "
                            "runs know the old one and report to it), or stop that program.";
    return Fail(ErrorCode::kUnavailable, message);
  }
  return PortOf(fd.get());
}

}  // namespace roost::cli
