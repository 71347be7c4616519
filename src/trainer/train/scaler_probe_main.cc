// Takes a GradScaler through a script, for the comparison with Python in
// tests/trainer/test_precision.py. Reads one gradient (a number, "inf" or "nan") a line, multiplied
// by the scale as a backward pass would have left it; writes a line for each: the unscaled
// gradient, 1 for a step that is made, the scale and the count of good steps after it.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "trainer/train/grad_scaler.h"

int main() {
  roost::trainer::GradScaler scaler(true);
  for (std::string line; std::getline(std::cin, line);) {
    const at::Tensor gradient =
        scaler.Scaled(at::full({2}, std::strtod(line.c_str(), nullptr), at::kFloat));
    const bool finite = scaler.Unscale({gradient});
    if (const roost::Status updated = scaler.Update(finite); !updated) {
      std::printf("%s\n", updated.error().message.c_str());
      return 1;
    }
    std::printf("%.9g %d %.17g %lld\n", gradient[1].item<double>(), finite ? 1 : 0,
                scaler.state().scale, static_cast<long long>(scaler.state().good_steps));
  }
  return 0;
}
