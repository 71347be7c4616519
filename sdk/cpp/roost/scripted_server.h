#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/strings.h"

namespace roost::client {

// A server for tests: answers each request with what the test's function makes of it, as raw bytes,
// one request for each connection. "" closes the connection without an answer.
class ScriptedServer {
 public:
  struct Request {
    std::string method, target, head, body;
    int number = 0;  // 0 for the first one
    bool HasHeader(const std::string& line) const {
      return head.find("\r\n" + line + "\r\n") != std::string::npos;
    }
  };
  using Handler = std::function<std::string(const Request&)>;

  explicit ScriptedServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length);
    ::listen(listener_.get(), 16);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& url() const { return url_; }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  // A whole answer; `promised` makes Content-Length say more than is sent.
  static std::string Answer(int status, const std::string& body, const std::string& headers = "",
                            std::size_t promised = 0) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nConnection: close\r\nContent-Length: " +
           std::to_string(promised == 0 ? body.size() : promised) + "\r\n" + headers + "\r\n" +
           body;
  }

 private:
  void Serve() {
    while (!stopping_) {
      const Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection.valid()) return;
      Request request;
      if (!Read(connection.get(), request)) continue;
      {
        const std::lock_guard lock(mutex_);
        request.number = static_cast<int>(requests_.size());
        requests_.push_back(request);
      }
      (void)WriteAll(connection.get(), handler_(request), "the test's connection");
    }
  }

  static bool Read(int fd, Request& request) {
    std::string text;
    std::size_t head_end = std::string::npos;
    std::size_t wanted = 0;
    char buffer[65536];
    while (head_end == std::string::npos || text.size() < head_end + 4 + wanted) {
      const ssize_t got = ::read(fd, buffer, sizeof buffer);
      if (got <= 0) return false;
      text.append(buffer, static_cast<std::size_t>(got));
      if (head_end != std::string::npos) continue;
      head_end = text.find("\r\n\r\n");
      if (head_end == std::string::npos) continue;
      const auto length = text.find("Content-Length: ");
      if (length < head_end) wanted = std::strtoull(text.c_str() + length + 16, nullptr, 10);
    }
    request.head = text.substr(0, head_end + 2);
    request.body = text.substr(head_end + 4);
    const auto words = Split(request.head.substr(0, request.head.find("\r\n")), ' ');
    request.method = words[0];
    request.target = words[1];
    return true;
  }

  Handler handler_;
  Fd listener_;
  std::string url_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards requests_
  std::vector<Request> requests_;
  std::thread thread_;
};

}  // namespace roost::client
