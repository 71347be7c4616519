#include "trainer/onnx/onnx_writer.h"

#include <sys/mman.h>

#include <cstring>

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One field of a message, read by the rules of the wire format alone.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t varint = 0;
  float real = 0;
  std::string bytes{};
};

std::uint64_t TakeVarint(std::string_view* rest) {
  std::uint64_t value = 0;
  for (int shift = 0; !rest->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest->front());
    rest->remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  ADD_FAILURE() << "a varint is cut short";
  return value;
}

class Message {
 public:
  explicit Message(std::string_view rest) {
    while (!rest.empty()) {
      const std::uint64_t tag = TakeVarint(&rest);
      Field field{.number = tag >> 3};
      std::uint64_t length = 0;
      switch (tag & 7) {
        case 0:
          field.varint = TakeVarint(&rest);
          break;
        case 5:
          length = 4;
          break;
        case 2:
          length = TakeVarint(&rest);
          break;
        default:
          ADD_FAILURE() << "wire type " << (tag & 7);
          return;
      }
      if (length > rest.size()) {
        ADD_FAILURE() << "field " << field.number << " is cut short";
        return;
      }
      field.bytes = rest.substr(0, length);
      rest.remove_prefix(length);
      if ((tag & 7) == 5) std::memcpy(&field.real, field.bytes.data(), 4);
      fields_.push_back(std::move(field));
    }
  }
  std::vector<Field> All(std::uint64_t number) const {
    std::vector<Field> found;
    for (const Field& field : fields_) {
      if (field.number == number) found.push_back(field);
    }
    return found;
  }
  std::vector<std::string> Texts(std::uint64_t number) const {
    std::vector<std::string> texts;
    for (const Field& field : All(number)) texts.push_back(field.bytes);
    return texts;
  }
  std::vector<std::int64_t> Ints(std::uint64_t number) const {
    std::vector<std::int64_t> ints;
    for (const Field& field : All(number)) ints.push_back(static_cast<std::int64_t>(field.varint));
    return ints;
  }
  Message Inner(std::uint64_t number, std::size_t index = 0) const {
    return Message(All(number).at(index).bytes);
  }
  std::string Text(std::uint64_t number) const { return All(number).at(0).bytes; }

 private:
  std::vector<Field> fields_;
};

const std::vector<float> kWeight{1, 2, 3, 4, 5, 6, 7, 8};
const std::vector<float> kBias{0.5F, -0.5F};

OnnxGraph SmallGraph() {
  OnnxGraph graph("small");
  graph.SetMetadata("classes", "a,b");
  graph.AddInput("image", {"N", 2, 8, 8});
  graph.AddInitializer("conv.weight", {2, 2, 1, 2}, kWeight);
  graph.AddInitializer("conv.bias", {2}, kBias);
  graph.Conv("conv", "image", "conv.weight", "conv.bias",
             {.strides = {2, 1}, .padding = {0, 3}, .groups = 1});
  graph.AddOutput("conv", {"N", 2, 4, 13});
  return graph;
}

TEST(OnnxWriterTest, TheModelHasVersionsMetadataAndGraph) {
  const Message model(*SmallGraph().Serialize());
  EXPECT_THAT(model.Ints(1), ElementsAre(8));
  EXPECT_EQ(model.Text(2), "roost-trainer");
  EXPECT_THAT(model.Inner(8).Ints(2), ElementsAre(17));
  EXPECT_EQ(model.Inner(14).Text(1), "classes");
  EXPECT_EQ(model.Inner(14).Text(2), "a,b");
  EXPECT_EQ(model.Inner(7).Text(2), "small");
}

TEST(OnnxWriterTest, ValuesHaveTypeAndShapeWithADynamicBatch) {
  const Message graph = Message(*SmallGraph().Serialize()).Inner(7);
  const Message input = graph.Inner(11);
  EXPECT_EQ(input.Text(1), "image");
  const Message tensor_type = input.Inner(2).Inner(1);
  EXPECT_THAT(tensor_type.Ints(1), ElementsAre(1));  // float
  const Message shape = tensor_type.Inner(2);
  EXPECT_EQ(shape.Inner(1, 0).Text(2), "N");
  EXPECT_THAT(shape.Inner(1, 0).Ints(1), IsEmpty());
  EXPECT_THAT(shape.Inner(1, 3).Ints(1), ElementsAre(8));
  EXPECT_EQ(graph.Inner(12).Text(1), "conv");
}

TEST(OnnxWriterTest, WeightsAreRawLittleEndianNumbers) {
  OnnxGraph with_ints = SmallGraph();
  const std::vector<std::int64_t> shape{-1, 7};
  with_ints.AddInitializer("shape", {2}, shape);
  const Message graph = Message(*with_ints.Serialize()).Inner(7);
  const Message weight = graph.Inner(5, 0);
  EXPECT_THAT(weight.Ints(1), ElementsAre(2, 2, 1, 2));
  EXPECT_THAT(weight.Ints(2), ElementsAre(1));
  EXPECT_EQ(weight.Text(8), "conv.weight");
  ASSERT_EQ(weight.Text(9).size(), 32U);
  EXPECT_EQ(std::memcmp(weight.Text(9).data(), kWeight.data(), 32), 0);
  const Message ints = graph.Inner(5, 2);
  EXPECT_THAT(ints.Ints(2), ElementsAre(7));
  EXPECT_EQ(ints.Text(9).substr(0, 8), std::string(8, '\xFF'));
}

TEST(OnnxWriterTest, NodesHaveInputsOutputsAndAttributes) {
  OnnxGraph built = SmallGraph();
  built.AddNode("split", "Split", {"conv", ""}, {"left", "right"},
                {{"axis", std::int64_t{-1}},
                 {"ratio", 0.25F},
                 {"mode", "floor"},
                 {"scales", std::vector<float>{1.5F, 2.5F}}});
  built.Conv("plain", "left", "conv.weight", "", {});
  const Message graph = Message(*built.Serialize()).Inner(7);
  const Message conv = graph.Inner(1, 0);
  EXPECT_THAT(conv.Texts(1), ElementsAre("image", "conv.weight", "conv.bias"));
  EXPECT_THAT(conv.Texts(2), ElementsAre("conv"));
  EXPECT_EQ(conv.Text(3), "conv");
  EXPECT_EQ(conv.Text(4), "Conv");
  std::map<std::string, std::vector<std::int64_t>> attributes;
  for (std::size_t i = 0; i < conv.All(5).size(); ++i) {
    const Message attribute = conv.Inner(5, i);
    attributes[attribute.Text(1)] =
        attribute.Ints(8).empty() ? attribute.Ints(3) : attribute.Ints(8);
    EXPECT_THAT(attribute.Ints(20), ElementsAre(attribute.Ints(8).empty() ? 2 : 7));
  }
  EXPECT_THAT(attributes["kernel_shape"], ElementsAre(1, 2));
  EXPECT_THAT(attributes["strides"], ElementsAre(2, 1));
  EXPECT_THAT(attributes["pads"], ElementsAre(0, 3, 0, 3));
  EXPECT_THAT(attributes["dilations"], ElementsAre(1, 1));
  EXPECT_THAT(attributes["group"], ElementsAre(1));

  const Message split = graph.Inner(1, 1);
  EXPECT_THAT(split.Texts(1), ElementsAre("conv"));
  EXPECT_THAT(split.Texts(2), ElementsAre("left", "right"));
  EXPECT_THAT(split.Inner(5, 0).Ints(3), ElementsAre(-1));
  EXPECT_EQ(split.Inner(5, 1).All(2).at(0).real, 0.25F);
  EXPECT_THAT(split.Inner(5, 1).Ints(20), ElementsAre(1));
  EXPECT_EQ(split.Inner(5, 2).Text(4), "floor");
  EXPECT_THAT(split.Inner(5, 2).Ints(20), ElementsAre(3));
  EXPECT_EQ(split.Inner(5, 3).All(7).at(1).real, 2.5F);
  EXPECT_THAT(split.Inner(5, 3).Ints(20), ElementsAre(6));
  EXPECT_THAT(graph.Inner(1, 2).Texts(1), ElementsAre("left", "conv.weight"));
}

TEST(OnnxWriterTest, FilesOf2GiBAreRefusedBeforeMemoryIsTaken) {
  const std::size_t count = 600'000'000;
  // Never touched, so it takes no memory.
  void* data = mmap(nullptr, count * sizeof(float), PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(data, MAP_FAILED);
  OnnxGraph graph = SmallGraph();
  graph.AddInitializer("large", {static_cast<std::int64_t>(count)},
                       {static_cast<const float*>(data), count});
  const auto bytes = graph.Serialize();
  munmap(data, count * sizeof(float));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(bytes.error().message, HasSubstr("2 GiB"));
}

TEST(OnnxWriterTest, MetadataMustBeUtf8) {
  OnnxGraph graph = SmallGraph();
  graph.SetMetadata("classes", "\xFF");
  const auto bytes = graph.Serialize();
  ASSERT_FALSE(bytes);
  EXPECT_THAT(bytes.error().message, HasSubstr("'classes'"));
}

TEST(OnnxWriterTest, TheFileHasTheBytes) {
  const TempFolder folder;
  const OnnxGraph graph = SmallGraph();
  ASSERT_TRUE(graph.Write(folder.path() / "a.onnx"));
  EXPECT_EQ(*ReadFile(folder.path() / "a.onnx"), *graph.Serialize());
  const Status status = graph.Write(folder.path() / "no" / "a.onnx");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
}

TEST(OnnxWriterDeathTest, MistakesOfTheCallerEndTheProgram) {
  OnnxGraph graph = SmallGraph();
  EXPECT_DEATH(graph.Relu("relu", "nowhere"), "defined");
  EXPECT_DEATH(graph.Relu("conv", "image"), "fresh");
  EXPECT_DEATH(graph.AddInitializer("w", {3}, kBias), "expected");
}

}  // namespace
}  // namespace roost::trainer
