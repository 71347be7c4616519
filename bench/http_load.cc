// Sends requests from a file over keep-alive connections, one outstanding request each, as fast as
// the server answers; prints one JSON object with the rate and the latencies.
//
//   http_load --port 7070 --token T --connections 8 FILE
//
// Each line of FILE is `METHOD PATH BODY` (the body may be empty and holds no newline). One thread
// and epoll, so the client takes as little as it can of the cores that it shares with the server.
// Every answer is acknowledged at once: a server that sends one in two parts does not wait 40 ms.

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  int fd = -1;
  std::string received;
  std::string_view unsent;
  Clock::time_point sent_at;
  bool busy = false;
};

[[noreturn]] void Die(const std::string& sentence) {
  std::cerr << "http_load: " << sentence << "\n";
  std::exit(1);
}

std::vector<std::string> ReadRequests(const std::string& file, int port, const std::string& token) {
  std::ifstream lines(file);
  if (!lines) Die("cannot read " + file);
  std::vector<std::string> requests;
  std::string line;
  while (std::getline(lines, line)) {
    const auto first = line.find(' ');
    const auto second = line.find(' ', first + 1);
    if (first == std::string::npos) Die("a line without a path: " + line);
    const std::string body = second == std::string::npos ? "" : line.substr(second + 1);
    requests.push_back(
        fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    line.substr(0, first), line.substr(first + 1, second - first - 1), port, token,
                    body.size(), body));
  }
  return requests;
}

// Holds for what is received next only, so it is asked for again and again.
void AcknowledgeAtOnce(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

int Connect(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Die(fmt::format("cannot connect to port {}: {}", port, std::strerror(errno)));
  }
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  AcknowledgeAtOnce(fd);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

// Where the digits of Content-Length begin, whatever its case.
std::size_t FindLength(std::string_view head) {
  constexpr std::string_view kName = "\r\ncontent-length: ";
  const auto found =
      std::search(head.begin(), head.end(), kName.begin(), kName.end(),
                  [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
  if (found == head.end()) Die("an answer without Content-Length");
  return static_cast<std::size_t>(found - head.begin()) + kName.size();
}

// The status of the answer at the front of `received` once it is all there; 0 before. Erases it.
int TakeAnswer(std::string* received) {
  const auto end = received->find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  const std::string_view head = std::string_view(*received).substr(0, end);
  std::size_t length = 0;
  std::from_chars(head.data() + FindLength(head), head.data() + head.size(), length);
  if (received->size() < end + 4 + length) return 0;
  int status = 0;
  std::from_chars(head.data() + 9, head.data() + 12, status);
  received->erase(0, end + 4 + length);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Sends requests from a file over keep-alive connections");
  int port = 0;
  int connections = 8;
  std::string token;
  std::string file;
  app.add_option("--port", port)->required();
  app.add_option("--token", token)->required();
  app.add_option("--connections", connections)->check(CLI::Range(1, 1000));
  app.add_option("file", file)->required();
  CLI11_PARSE(app, argc, argv);

  const auto requests = ReadRequests(file, port, token);
  std::vector<double> latencies_ms;
  latencies_ms.reserve(requests.size());
  std::vector<Connection> all(static_cast<std::size_t>(connections));
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::size_t next = 0;
  std::size_t errors = 0;
  int first_error = 0;

  auto send = [&](Connection& connection) {
    while (!connection.unsent.empty()) {
      const auto count =
          ::send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) break;
      if (count < 0) Die(std::string("sending: ") + std::strerror(errno));
      connection.unsent.remove_prefix(static_cast<std::size_t>(count));
    }
    epoll_event event{};
    event.events = EPOLLIN | (connection.unsent.empty() ? 0U : static_cast<unsigned>(EPOLLOUT));
    event.data.ptr = &connection;
    ::epoll_ctl(poll, EPOLL_CTL_MOD, connection.fd, &event);
  };
  auto start = [&](Connection& connection) {
    connection.busy = next < requests.size();
    if (!connection.busy) return;
    connection.unsent = requests[next++];
    connection.sent_at = Clock::now();
    send(connection);
  };

  for (auto& connection : all) {
    connection.fd = Connect(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, connection.fd, &event);
  }
  const auto began = Clock::now();
  for (auto& connection : all) start(connection);
  std::vector<epoll_event> events(all.size());
  std::vector<char> buffer(1 << 20);
  while (std::any_of(all.begin(), all.end(), [](const Connection& c) { return c.busy; })) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 120'000);
    if (count == 0) Die("the server did not answer for 120 s");
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.unsent.empty()) send(connection);
      const auto size = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EAGAIN) continue;
      if (size <= 0) Die("the server closed a connection");
      AcknowledgeAtOnce(connection.fd);
      connection.received.append(buffer.data(), static_cast<std::size_t>(size));
      const int status = TakeAnswer(&connection.received);
      if (status == 0) continue;
      if (status >= 300) {
        ++errors;
        first_error = first_error == 0 ? status : first_error;
      }
      latencies_ms.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - connection.sent_at).count());
      start(connection);
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::sort(latencies_ms.begin(), latencies_ms.end());
  auto quantile = [&](double q) {
    return latencies_ms.empty()
               ? 0.0
               : latencies_ms[std::min(
                     latencies_ms.size() - 1,
                     static_cast<std::size_t>(q * static_cast<double>(latencies_ms.size())))];
  };
  std::cout << fmt::format(
      R"({{"requests": {}, "errors": {}, "first_error": {}, "seconds": {:.4f}, "per_second": {:.1f}, "p50_ms": {:.4f}, "p95_ms": {:.4f}, "p99_ms": {:.4f}}})"
      "\n",
      latencies_ms.size(), errors, first_error, seconds,
      static_cast<double>(latencies_ms.size()) / seconds, quantile(0.5), quantile(0.95),
      quantile(0.99));
  return errors == 0 ? 0 : 1;
}
