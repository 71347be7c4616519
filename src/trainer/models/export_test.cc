#include "trainer/models/export.h"

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Classifier> MakeModel() {
  return Classifier::Make({.name = "resnet18", .pretrained = true, .num_classes = 3}).value();
}

TEST(Export, TheFileHasTheWeightsUnderTheirNames) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.onnx";
  const auto model = MakeModel();
  const Status done = ExportOnnx(*model, path, {.metadata = {{"classes", "ant,bee,cat"}}});
  ASSERT_TRUE(done) << done.error().message;
  const std::string bytes = ReadFile(path, 1 << 28).value();
  std::size_t weights = 0;
  for (const auto& [name, tensor] : model->State()) {
    if (name.ends_with("num_batches_tracked")) continue;
    EXPECT_NE(bytes.find(name), std::string::npos) << name;
    weights += tensor.nbytes();
    if (tensor.dim() != 2) continue;  // for the others, the runtime's logits speak
    const auto* data = static_cast<const char*>(tensor.const_data_ptr());
    EXPECT_NE(bytes.find(std::string_view(data, tensor.nbytes())), std::string::npos) << name;
  }
  EXPECT_LT(bytes.size(), weights + 100'000);
  for (const char* text : {"input", "logits", "ant,bee,cat", "resnet18", "Gemm", "MaxPool"}) {
    EXPECT_THAT(bytes, HasSubstr(text));
  }
}

TEST(Export, ChannelsLastAndDoubleModelsGiveTheSameFile) {
  const TempFolder folder;
  const auto model = MakeModel();
  ASSERT_TRUE(ExportOnnx(*model, folder.path() / "plain.onnx", {}));
  model->ToChannelsLast();
  model->ToDtype(at::kDouble);
  ASSERT_TRUE(ExportOnnx(*model, folder.path() / "other.onnx", {}));
  EXPECT_TRUE(ReadFile(folder.path() / "plain.onnx", 1 << 28).value() ==
              ReadFile(folder.path() / "other.onnx", 1 << 28).value());
}

TEST(Export, NamesThatCannotBeAreRefused) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.onnx";
  const auto model = MakeModel();
  EXPECT_THAT(ExportOnnx(*model, path, {.input_name = "fc"}).error().message,
              HasSubstr("'fc' is a layer"));
  EXPECT_THAT(ExportOnnx(*model, path, {.output_name = "fc.bias"}).error().message,
              HasSubstr("'fc.bias' is a layer or a weight"));
  EXPECT_THAT(ExportOnnx(*model, path, {.input_name = ""}).error().message, HasSubstr("empty"));
  EXPECT_THAT(ExportOnnx(*model, path, {.input_name = "x", .output_name = "x"}).error().message,
              HasSubstr("both named 'x'"));
  EXPECT_THAT(ExportOnnx(*model, path, {.height = 0}).error().message, HasSubstr("empty"));
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace roost::trainer
