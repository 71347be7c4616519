// Steps of training on one random batch, for bench/bench_step.py and bench/bench_gpu.py:
//   step_bench MODEL [--batch N] [--side N] [--steps N] [--contiguous] [--memory-efficient]
//   [--winograd] [--whole] [--device D] [--precision fp32|bf16|fp16]
// --whole takes steps as the training does on a GPU: bytes that lie there already are normalised,
// and the step is recorded and launched as a whole (of the CPU: called).
// Prints one JSON object: wall and processor seconds of each step after the first (with --whole
// after the first five), the largest resident memory in MiB, and the last loss.
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/models/cpu_memory.h"
#include "trainer/models/layers.h"
#include "trainer/models/model.h"
#include "trainer/train/device.h"
#include "trainer/train/optimizer.h"
#include "trainer/train/whole_step.h"

namespace roost::trainer {
namespace {

struct Words {
  std::string model;
  std::int64_t batch = 16;
  std::int64_t side = 224;
  std::int64_t steps = 5;
  bool channels_last = true;
  bool memory_efficient = false;
  bool whole = false;
  std::string device = "cpu";
  std::string precision = "fp32";
};

struct Times {
  std::vector<double> wall{};
  std::vector<double> processor{};
  double loss = 0;
};

double ProcessorSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string List(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return "[" + text + "]";
}

// step() gives the loss.
template <class Step>
Times Measure(std::int64_t warm_ups, std::int64_t steps, const Step& step) {
  Times times;
  for (std::int64_t i = -warm_ups; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double processor_start = ProcessorSeconds();
    times.loss = step();
    if (i < 0) continue;
    times.processor.push_back(ProcessorSeconds() - processor_start);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    times.wall.push_back(seconds.count());
  }
  return times;
}

Times OneByOne(Classifier& model, const TrainOptions& options, const Words& words) {
  Optimizer optimizer(model.Parameters(), options);
  const at::Tensor images = at::randn({words.batch, 3, words.side, words.side})
                                .contiguous(words.channels_last ? at::MemoryFormat::ChannelsLast
                                                                : at::MemoryFormat::Contiguous);
  const at::Tensor labels = at::randint(1000, {words.batch}, at::kLong);
  return Measure(1, words.steps, [&] {
    const at::Tensor loss = at::cross_entropy_loss(model.Forward(images), labels);
    const double value = loss.item<double>();
    loss.backward();
    optimizer.Step(options.learning_rate);
    optimizer.ZeroGradients();
    return value;
  });
}

Times AsAWhole(Classifier& model, const TrainOptions& options, const Words& words,
               const at::Device& device) {
  Optimizer optimizer(model.Parameters(), options);
  WholeStep step({.model = model, .optimizer = optimizer, .options = options}, device, words.side,
                 words.side);
  const DeviceBatch batch{
      .bytes = at::randint(256, {words.batch, words.side, words.side, 3}, at::kByte).to(device),
      .classes = at::randint(1000, {words.batch}, at::kLong).to(device)};
  const WholeStep::Settings settings{
      .learning_rate = options.learning_rate,
      .loss_scale = options.precision == Precision::kFp16 ? 1024.0 : 1.0};
  return Measure(5, words.steps, [&] {
    step.Start(batch, settings);
    return step.Finish().loss;
  });
}

Status Run(const Words& words) {
  const std::map<std::string, Precision> precisions = {
      {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp16", Precision::kFp16}};
  const auto precision = precisions.find(words.precision);
  if (precision == precisions.end() ||
      (!words.whole && (words.device != "cpu" || words.precision != "fp32"))) {
    return Fail(ErrorCode::kInvalidArgument, "--device and --precision go with --whole.");
  }
  TrainOptions options;
  options.batch_size = words.batch;
  options.precision = precision->second;
  options.channels_last = words.channels_last;
  ROOST_ASSIGN(const at::Device device, ChooseDevice(words.device));
  at::manual_seed(1);
  ROOST_ASSIGN(const auto model, Classifier::Make({.name = words.model,
                                                   .memory_efficient = words.memory_efficient,
                                                   .num_classes = 1000}));
  if (words.channels_last) model->ToChannelsLast();
  PrepareDevice(device, /*deterministic=*/false);
  model->ToDevice(device);
  const Times times =
      words.whole ? AsAWhole(*model, options, words, device) : OneByOne(*model, options, words);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"wall\": %s, \"processor\": %s, \"peak_mib\": %ld, \"loss\": %.6f}\n",
              List(times.wall).c_str(), List(times.processor).c_str(), usage.ru_maxrss / 1024,
              times.loss);
  return {};
}

int Main(int argc, char** argv) {
  Words words;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::atoll(argv[++i]) : 0; };
    if (word == "--batch") {
      words.batch = number();
    } else if (word == "--side") {
      words.side = number();
    } else if (word == "--steps") {
      words.steps = number();
    } else if (word == "--contiguous") {
      words.channels_last = false;
    } else if (word == "--memory-efficient") {
      words.memory_efficient = true;
    } else if (word == "--whole") {
      words.whole = true;
    } else if (word == "--device" && i + 1 < argc) {
      words.device = argv[++i];
    } else if (word == "--precision" && i + 1 < argc) {
      words.precision = argv[++i];
    } else if (word == "--winograd") {
      UseWinograd(Winograd::kWhereItPays);
    } else {
      words.model = word;
    }
  }
  KeepCpuMemory();
  const Status outcome = Run(words);
  if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().message.c_str());
  return outcome ? 0 : 1;
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) { return roost::trainer::Main(argc, argv); }
