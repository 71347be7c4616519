#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "trainer/distributed/process_group.h"

namespace roost::trainer {

// A port that is free at this moment.
inline std::uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(fd, plain, size), 0);
  EXPECT_EQ(getsockname(fd, plain, &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

class GroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ProcessGroup::Available()) GTEST_SKIP() << "built without Gloo";
  }

  // Runs `work` in two threads as the two ranks of a group.
  static void WithTwoRanks(const std::function<void(ProcessGroup&)>& work) {
    const std::uint16_t port = FreePort();
    const auto run = [&](int rank) {
      const Launch launch{.rank = rank,
                          .world_size = 2,
                          .source = "the test",
                          .master_addr = "127.0.0.1",
                          .master_port = port};
      auto group = ProcessGroup::Connect(launch, std::chrono::seconds(60));
      ASSERT_TRUE(group) << group.error().message;
      work(**group);
    };
    std::thread other(run, 1);
    run(0);
    other.join();
  }
};

}  // namespace roost::trainer
