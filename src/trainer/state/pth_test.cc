#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>

#include "base/files.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

using namespace std::string_literals;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

StateTensor Floats(std::vector<std::int64_t> sizes, const std::vector<float>& values) {
  return StateTensor::Copy(DType::kFloat32, std::move(sizes), std::as_bytes(std::span(values)));
}

std::vector<float> ToFloats(const StateTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

Result<StateValue> Parse(const std::string& bytes) {
  auto owner = std::make_shared<std::string>(bytes);
  return ParsePth(*owner, owner);
}

class PthTest : public ::testing::Test {
 protected:
  std::string Written(const StateValue& value) {
    EXPECT_TRUE(WritePth(path, value));
    return *ReadFile(path);
  }
  // A file whose data.pkl is this one and that has one storage of four floats.
  Result<StateValue> ParsePickle(const std::string& pickle) {
    StateDict dict;
    dict.Set("pickle", std::string(pickle.size(), '?'));
    dict.Set("w", Floats({4}, {1, 2, 3, 4}));
    std::string bytes = Written(dict);
    const std::size_t at = bytes.find("\x80\x02}(");
    // Checksums of 0 are not compared; the pickle may end before its entry does.
    bytes.replace(at, pickle.size(), pickle);
    for (const char* header : {"PK\x03\x04", "PK\x01\x02"}) {
      const std::size_t crc_at =
          bytes.find(std::string_view(header, 4)) + (header[2] == '\x03' ? 14U : 16U);
      bytes.replace(crc_at, 4, 4, '\0');
    }
    return Parse(bytes);
  }
  std::string Refusal(const std::string& pickle) {
    const Result<StateValue> value = ParsePickle(pickle);
    return value ? "accepted" : value.error().message;
  }
  std::vector<std::string> FilesInFolder() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TempFolder folder;
  fs::path path = folder.path() / "model.pth";
};

TEST_F(PthTest, AStateDictComesBackInOrderAndMapped) {
  std::vector<NamedTensor> tensors{{"b", Floats({2, 1}, {1, -2})}, {"a", Floats({}, {0.5F})}};
  ASSERT_TRUE(WritePth(path, MakeStateDict(tensors)));
  auto read = ReadPth(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->As<StateDict>()->ordered);
  auto found = FindStateDict(*read);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].name, "b");
  EXPECT_THAT((*found)[0].tensor.sizes, ElementsAre(2, 1));
  EXPECT_THAT(ToFloats((*found)[0].tensor), ElementsAre(1, -2));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*found)[0].tensor.bytes.data()) % 64, 0U);
  EXPECT_EQ((*found)[1].tensor.Elements(), 1U);
  // The tensors hold the mapped file, whatever becomes of the tree and of the file's name.
  *read = StateValue();
  fs::remove(path);
  EXPECT_THAT(ToFloats((*found)[1].tensor), ElementsAre(0.5F));
}

TEST_F(PthTest, TheSameTreeGivesTheSameBytes) {
  const StateValue value = MakeStateDict({{"a", Floats({3}, {1, 2, 3})}});
  EXPECT_EQ(Written(value), Written(value));
}

TEST_F(PthTest, TensorsOfTheSameBytesShareAStorage) {
  const StateTensor tied = Floats({1000}, std::vector<float>(1000, 1));
  const std::size_t once = Written(MakeStateDict({{"a", tied}})).size();
  EXPECT_LT(Written(MakeStateDict({{"a", tied}, {"b", tied}})).size(), once + 1000);
}

TEST_F(PthTest, WhatCannotBeWrittenIsNamedAndLeavesTheOldFile) {
  const std::string old = Written(StateValue(7));
  StateValue deep(1);
  for (int i = 0; i < 100; ++i) deep = StateList{{deep}};
  for (const StateValue& bad :
       {StateValue(StateOther{"torch.float16"}), StateValue("\xFF"), deep}) {
    const Status status = WritePth(path, bad);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr(path.string()));
  }
  EXPECT_EQ(*ReadFile(path), old);
  EXPECT_FALSE(WritePth(folder.path() / "no" / "folder.pth", StateValue(7)));
}

TEST_F(PthTest, AFileThatCannotGrowLeavesTheOldOne) {
  const std::string old = Written(StateValue(7));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status =
      WritePth(path, MakeStateDict({{"a", Floats({100'000}, std::vector<float>(100'000))}}));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr(path.string()));
  EXPECT_EQ(*ReadFile(path), old);
  EXPECT_THAT(FilesInFolder(), ElementsAre("model.pth"));
}

TEST_F(PthTest, EveryCutIsAnError) {
  StateDict dict = MakeStateDict({{"a", Floats({3}, {1, 2, 3})}});
  dict.Set("n", StateList{{1, 2.5, "x", StateNone{}}});
  const std::string whole = Written(dict);
  ASSERT_TRUE(Parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Parse(whole.substr(0, size))) << size;
  }
}

TEST_F(PthTest, EveryChangedByteOfAContentIsNoticed) {
  std::string bytes = Written(MakeStateDict({{"a", Floats({3}, {1, 2, 3})}}));
  const std::vector<float> values{1, 2, 3};
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(values.data()), 12));
  ASSERT_NE(at, std::string::npos);
  for (std::size_t i = 0; i < 12; ++i) {
    std::string changed = bytes;
    changed[at + i] = static_cast<char>(changed[at + i] ^ 1);
    const auto read = Parse(changed);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("checksum"));
  }
}

TEST_F(PthTest, PlainPicklesAreRead) {
  const auto value = ParsePickle("\x80\x02}X\x01\x00\x00\x00nK\x05s."s);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(*value->Find("n")->As<std::int64_t>(), 5);
  // A key that is set twice has the later value.
  const auto twice = ParsePickle("\x80\x02}(X\x01\x00\x00\x00nK\x05X\x01\x00\x00\x00nK\x06u."s);
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->As<StateDict>()->entries.size(), 1U);
  EXPECT_EQ(*twice->Find("n")->As<std::int64_t>(), 6);
  EXPECT_EQ(*ParsePickle("\x80\x02\x8a\x01\xff."s)->As<std::int64_t>(), -1);
  EXPECT_EQ(*ParsePickle("\x80\x02\x8a\x00."s)->As<std::int64_t>(), 0);
  EXPECT_NE(ParsePickle("\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s)->As<StateOther>(),
            nullptr);
}

TEST_F(PthTest, HostilePicklesAreRefusedInWords) {
  EXPECT_THAT(Refusal("\x80\x02"
                      "cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."s),
              HasSubstr("this file asks to run posix.system"));
  EXPECT_THAT(Refusal("\x80\x04\x8c\x08"
                      "builtins\x8c\x04"
                      "eval\x93."s),
              HasSubstr("builtins.eval"));
  EXPECT_THAT(Refusal("\x80\x02"
                      "cto\x1brch\nx\n."s),
              HasSubstr("to?rch.x"));
  for (const std::string& malformed : {
           "."s,                 // nothing on the stack
           "\x80\x01N."s,        // protocol 1
           "\x80\x02h\x07."s,    // memo that was never set
           "\x80\x02q\x00."s,    // remembers nothing
           "\x80\x02Nt."s,       // no mark
           "\x80\x02N(a."s,      // item is below the mark
           "\x80\x02]N\x86s."s,  // sets a key in a list
           "\x80\x02}(Nu."s,     // a key without value
           "\x80\x02NNe."s,      // no mark
           "\x80\x02NN\x93."s,   // names that are no texts
           "\x80\x02NQ."s,       // persistent id that is no tuple
           "\x80\x02N)R."s,      // calls None
           "\x80\x02}}b."s,      // state of a dict
           "\x80\x02"
           "ctorch\nSize\nNR."s,  // arguments that are no tuple
           "\x80\x02"
           "ctorch\nSize\n)R."s,  // none
           "\x80\x02"
           "c_codecs\nencode\n)R)R."s,     // calls bytes
           "\x80\x02I5\n."s,               // an opcode of protocol 0
           "\x80\x02X\xff\xff\xff\x7f."s,  // a text longer than the file
       }) {
    EXPECT_THAT(Refusal(malformed), HasSubstr("pickle is malformed")) << malformed;
  }
}

TEST_F(PthTest, TensorsStayInTheirStorage) {
  const auto tensor = [](const std::string& elements, const std::string& offset,
                         const std::string& sizes, const std::string& strides) {
    return "\x80\x02"
           "ctorch._utils\n_rebuild_tensor\n((X\x07\x00\x00\x00storage"
           "ctorch\nFloatStorage\nX\x01\x00\x00\x00"
           "0X\x03\x00\x00\x00"
           "cpu"s +
           elements + "tQ" + offset + "(" + sizes + "t(" + strides + "ttR.";
  };
  const std::string four = "K\x04"s;
  const std::string zero = "K\x00"s;
  const std::string one = "K\x01"s;
  const std::string two = "K\x02"s;
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  const std::string minus = "J\xff\xff\xff\xff"s;
  auto read = ParsePickle(tensor(four, zero, two + two, one + two));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(ToFloats(*read->As<StateTensor>()), ElementsAre(1, 3, 2, 4));
  read = ParsePickle(tensor(four, one, two, two));
  ASSERT_TRUE(read);
  EXPECT_THAT(ToFloats(*read->As<StateTensor>()), ElementsAre(2, 4));
  // The stride of a dimension with one index is never walked.
  read = ParsePickle(tensor(four, zero, one + two + one + two, huge + one + huge + two));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(ToFloats(*read->As<StateTensor>()), ElementsAre(1, 3, 2, 4));
  read = ParsePickle(tensor(four, huge, zero + one, huge + huge));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->As<StateTensor>()->bytes.empty());

  EXPECT_THAT(Refusal(tensor(four, one, four, one)), HasSubstr("past the end"));
  EXPECT_THAT(Refusal(tensor(four, zero, two, four)), HasSubstr("past the end"));
  EXPECT_THAT(Refusal(tensor(four, zero, huge + huge, one + one)), HasSubstr("impossible sizes"));
  EXPECT_THAT(Refusal(tensor(four, huge, two, huge)), HasSubstr("impossible sizes"));
  EXPECT_THAT(Refusal(tensor(four, zero, huge, zero)), HasSubstr("far more memory"));
  EXPECT_THAT(Refusal(tensor(two, zero, one, one)), HasSubstr("storage 0 has 16 bytes"));
  EXPECT_THAT(Refusal(tensor(huge, zero, one, one)), HasSubstr("storage 0 has 16 bytes"));
  EXPECT_THAT(Refusal(tensor(four, minus, one, one)), HasSubstr("negative"));
  EXPECT_THAT(Refusal(tensor(four, zero, minus, one)), HasSubstr("negative"));
  EXPECT_THAT(Refusal(tensor(four, zero, one, minus)), HasSubstr("negative"));
  EXPECT_THAT(Refusal(tensor(four, zero, one, "")), HasSubstr("as many strides"));
}

TEST_F(PthTest, ArchivesWithTrapsAreRefused) {
  const std::string good = Written(MakeStateDict({{"a", Floats({3}, {1, 2, 3})}}));
  const auto parse = [](const std::string& bytes) {
    const auto read = Parse(bytes);
    return read ? std::string("accepted") : read.error().message;
  };
  std::string twice = Written(MakeStateDict({{"a", Floats({1}, {1})}, {"b", Floats({1}, {2})}}));
  for (std::size_t at; (at = twice.find("archive/data/1")) != std::string::npos;) {
    twice.replace(at, 14, "archive/data/0");
  }
  EXPECT_THAT(parse(twice), HasSubstr("archive/data/0 is there twice"));
  std::string outside = good;  // the directory's offset
  outside.replace(outside.size() - 6, 4, "\xF0\xFF\xFF\x7F");
  EXPECT_THAT(parse(outside), HasSubstr("directory lies outside"));
  std::string many = good;  // more entries than the directory has
  many.replace(many.size() - 12, 2, "\xF0\x00"s);
  EXPECT_THAT(parse(many), HasSubstr("is missing in its directory"));
  std::string large = good;  // an entry larger than the file
  large.replace(large.rfind("PK\x01\x02") + 20, 8, "\xF0\xFF\xFF\x7F\xF0\xFF\xFF\x7F");
  EXPECT_THAT(parse(large), HasSubstr("larger than the file"));
}

TEST(StateDictTest, WeightsAreFoundAndPrefixesTakenOff) {
  const StateTensor one = Floats({}, {1});
  StateDict inner = MakeStateDict({{"module._orig_mod.w", one}, {"module._orig_mod.b", one}});
  inner.Set("module._orig_mod.note", "no tensor");
  StateDict outer;
  outer.Set("epoch", 3);
  outer.Set("state_dict", inner);
  const auto found = FindStateDict(outer);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].name, "w");
  // A prefix that not all have is part of the names.
  const auto mixed = FindStateDict(MakeStateDict({{"module.w", one}, {"b", one}}));
  EXPECT_EQ((*mixed)[0].name, "module.w");
  StateDict none;
  none.Set("epoch", 3);
  EXPECT_THAT(FindStateDict(none).error().message, HasSubstr("'epoch'"));
  EXPECT_THAT(FindStateDict(one).error().message, HasSubstr("a tensor"));
}

}  // namespace
}  // namespace roost::trainer
