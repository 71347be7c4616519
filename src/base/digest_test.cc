#include "base/digest.h"

#include <gtest/gtest.h>

#include <set>

#include "base/files.h"

namespace roost {
namespace {

// What Python's hashlib.blake2b(..., digest_size=32) says of "" and "abc".
constexpr std::string_view kOfNothing =
    "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";
constexpr std::string_view kOfAbc =
    "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";

TEST(DigestTest, IsBlake2bWith256Bits) {
  EXPECT_EQ(DigestOf("").Hex(), kOfNothing);
  EXPECT_EQ(DigestOf("abc").Hex(), kOfAbc);
  EXPECT_EQ(DigestOf("abc").ToText(), "b2:" + std::string(kOfAbc));
}

TEST(DigestTest, PiecesMakeTheSameDigestAsTheWhole) {
  Hasher hasher;
  hasher.Update("a");
  hasher.Update("");
  Hasher moved = std::move(hasher);
  moved.Update("bc");
  EXPECT_EQ(moved.Finish(), DigestOf("abc"));
  EXPECT_EQ(Hasher().Finish().Hex(), kOfNothing);
}

TEST(DigestTest, AFileHasTheDigestOfItsContent) {
  const TempFolder folder;
  std::string content(1'000'003, 'x');
  content[500'000] = '\0';
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "file", content));
  EXPECT_EQ(DigestOfFile(folder.path() / "file").value(), DigestOf(content));
  EXPECT_EQ(DigestOfFile(folder.path() / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(DigestOfFile(folder.path()).error().code, ErrorCode::kInvalidArgument);
}

TEST(DigestTest, ReadsItsOwnTextAndNothingElse) {
  const Digest digest = DigestOf("abc");
  EXPECT_EQ(Digest::Parse(digest.ToText()).value(), digest);

  const std::string hex(kOfAbc);
  std::string upper = hex;
  upper[0] = 'B';
  const std::string rows[] = {"",
                              "b2:",
                              hex,
                              "sha256:" + hex,
                              "b2:" + hex + "0",
                              "b2:" + hex.substr(1),
                              "b2:" + upper,
                              "b2:g" + hex.substr(1),
                              "B2:" + hex,
                              "b2: " + hex.substr(1)};
  for (const std::string& text : rows) {
    ASSERT_FALSE(Digest::Parse(text)) << text;
    EXPECT_EQ(Digest::Parse(text).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(DigestTest, HashesInContainersByItsBytes) {
  EXPECT_EQ(std::hash<Digest>()(DigestOf("a")), std::hash<Digest>()(DigestOf("a")));
  EXPECT_NE(std::hash<Digest>()(DigestOf("a")), std::hash<Digest>()(DigestOf("b")));
}

TEST(RandomHexTest, IsLongEnoughAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = RandomHex(8);
    EXPECT_EQ(text.size(), 16U);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), text.npos) << text;
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 100U);
  EXPECT_EQ(RandomHex(0), "");
}

}  // namespace
}  // namespace roost
