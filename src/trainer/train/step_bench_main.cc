// Steps of training on one random batch, for bench/bench_step.py:
//   step_bench MODEL [--batch N] [--side N] [--steps N] [--contiguous] [--memory-efficient]
//   [--winograd]
// Prints one JSON object: wall and processor seconds of each step after the first, the largest
// resident memory in MiB, and the last loss.
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/models/cpu_memory.h"
#include "trainer/models/layers.h"
#include "trainer/models/model.h"
#include "trainer/train/optimizer.h"

namespace roost::trainer {
namespace {

struct Words {
  std::string model;
  std::int64_t batch = 16;
  std::int64_t side = 224;
  std::int64_t steps = 5;
  bool channels_last = true;
  bool memory_efficient = false;
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

Status Run(const Words& words) {
  at::manual_seed(1);
  ROOST_ASSIGN(const auto model, Classifier::Make({.name = words.model,
                                                   .memory_efficient = words.memory_efficient,
                                                   .num_classes = 1000}));
  if (words.channels_last) model->ToChannelsLast();
  TrainOptions options;
  Optimizer optimizer(model->Parameters(), options);
  const at::Tensor images = at::randn({words.batch, 3, words.side, words.side})
                                .contiguous(words.channels_last ? at::MemoryFormat::ChannelsLast
                                                                : at::MemoryFormat::Contiguous);
  const at::Tensor labels = at::randint(1000, {words.batch}, at::kLong);
  std::vector<double> wall;
  std::vector<double> processor;
  double loss_value = 0;
  for (std::int64_t step = 0; step <= words.steps; ++step) {
    const auto start = std::chrono::steady_clock::now();
    const double processor_start = ProcessorSeconds();
    const at::Tensor loss = at::cross_entropy_loss(model->Forward(images), labels);
    loss_value = loss.item<double>();
    loss.backward();
    optimizer.Step(options.learning_rate);
    optimizer.ZeroGradients();
    if (step == 0) continue;
    processor.push_back(ProcessorSeconds() - processor_start);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    wall.push_back(seconds.count());
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"wall\": %s, \"processor\": %s, \"peak_mib\": %ld, \"loss\": %.6f}\n",
              List(wall).c_str(), List(processor).c_str(), usage.ru_maxrss / 1024, loss_value);
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
