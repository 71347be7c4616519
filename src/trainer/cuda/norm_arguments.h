#pragma once

// What the kernels of norm_kernels.cuh are told. The program's compiler reads this file and so does
// the one at run time, which has no headers of its own: nothing is included here.
namespace roost::trainer::norm_kernels {

constexpr int kThreads = 256;      // of a block that walks over pixels
constexpr int kMostLanes = 32;     // threads side by side over the channels of a pixel
constexpr int kMapsOfLaunch = 16;  // feature maps side by side in one launch
constexpr int kFinishChannels =
    32;  // a block that adds up partial sums: channels x threads of each
constexpr int kFinishRows = 32;

// A feature map: a matrix, pixels x channels, without gaps between its rows.
struct FeatureMap {
  const void* x;
  void* gradient;  // of x, written by ApplyGradient
  int channels;
  int first_channel;  // where it stands among the channels of all
  int first_tile;     // blockIdx.x of its first block
  int lanes;          // threads side by side; each takes as many channels as the vector has
};

struct FeatureMaps {
  long long pixels;
  int channels;  // of all that stand side by side, in this launch or another
  int count;
  FeatureMap of[kMapsOfLaunch];
};

// Sums over pixels, [blocks along the pixels][2][channels].
struct SumMomentsArguments {
  FeatureMaps maps;
  float* partial;
};

struct RunningStatistics {
  float* mean;  // null: there are none to move
  float* variance;
  double momentum;
  double unbiased;  // pixels / (pixels - 1)
};

struct FinishMomentsArguments {
  const float* partial;
  int partials;
  int channels;
  const void* x;  // of the one feature map that was measured
  double inverse_pixels;
  float* mean;
  float* variance;
  RunningStatistics running;
};

struct MoveStatisticsArguments {
  int channels;
  const float* mean;
  const float* variance;
  RunningStatistics running;
};

// What makes y of x: (x - mean) * weight / sqrt(variance + epsilon) + bias. Per channel of all.
struct NormLine {
  const float* mean;
  const float* variance;
  const float* weight;
  const float* bias;
  float epsilon;
  int relu;
};

struct ApplyNormArguments {
  FeatureMaps maps;
  NormLine line;
  const void* residual;  // pixels x channels of all, or null
  void* y;               // likewise
};

struct SumGradientsArguments {
  FeatureMaps maps;
  NormLine line;
  const void* gradient;  // of y
  const void* y;         // given where a residual went into the ReLU, else null
  void* behind;          // the gradient behind the ReLU, written where y is given
  float* partial;
};

struct FinishGradientsArguments {
  const float* partial;
  int partials;
  int channels;
  NormLine line;
  double inverse_pixels;
  float* weight_gradient;
  float* bias_gradient;
  float* slope;  // coefficients of ApplyGradient
  float* offset;
};

// gradient of x = weight / sqrt(variance + epsilon) * g + slope * (x - mean) + offset, where g is
// the gradient behind the ReLU.
struct ApplyGradientArguments {
  FeatureMaps maps;
  NormLine line;  // relu: `gradient` is that of y, which is computed again from x
  const void* gradient;
  const float* slope;
  const float* offset;
};

}  // namespace roost::trainer::norm_kernels
