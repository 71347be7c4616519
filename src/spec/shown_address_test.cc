#include "spec/shown_address.h"

#include <gtest/gtest.h>

namespace roost::spec {
namespace {

TEST(ShownAddress, HasNoSecrets) {
  EXPECT_EQ(ShownAddress("https://h:8/a/b.csv"), "https://h:8/a/b.csv");
  EXPECT_EQ(ShownAddress("https://u:p@h/a@b.csv?sig=x#y"), "https://h/a@b.csv");
  EXPECT_EQ(ShownAddress("http://u:p@q@h"), "http://h");
  EXPECT_EQ(ShownAddress("http://h?sig=x/y@z"), "http://h");
  EXPECT_EQ(ShownAddress("http://"), "http://");
}

}  // namespace
}  // namespace roost::spec
