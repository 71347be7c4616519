// A batch norm in training with residual and ReLU on a GPU: images stored N x H x W x C, as
// matrices whose rows are pixels. Compiled at run time (norm_program.h) with ROOST_ELEMENT and
// ROOST_VECTOR defined, and by the tests as C++ with what emulated_gpu_test_support.h puts in place
// of a GPU.
//
// A thread owns ROOST_VECTOR channels that lie side by side (16 bytes; one channel where they do
// not come out even) and walks over the pixels. All sums have an order of their own that depends on
// sizes and the device alone.
#include "trainer/cuda/norm_arguments.h"

namespace roost::trainer::norm_kernels {

// ---- elements ----

struct Float16 {
  unsigned short bits;
};
struct BFloat16 {
  unsigned short bits;
};

#ifdef __CUDACC__
#define ROOST_PRAGMA(text) _Pragma(#text)

__device__ __forceinline__ float ToFloat(Float16 value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}
__device__ __forceinline__ float ToFloat(BFloat16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
__device__ __forceinline__ void Round(float wide, Float16& to) {
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(wide));
}
__device__ __forceinline__ void Round(float wide, BFloat16& to) {
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(wide));
#else
  const unsigned bits = __float_as_uint(wide);
  to.bits = wide != wide ? 0x7fff : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
#endif
}
#endif

__device__ __forceinline__ float ToFloat(float value) { return value; }
__device__ __forceinline__ void Round(float wide, float& to) { to = wide; }

// V elements that are read and written at once.
template <class T, int V>
struct alignas(sizeof(T) * V) Vector {
  T of[V];
};

template <class T, int V>
__device__ __forceinline__ Vector<T, V> Read(const void* base, long long element) {
  return *reinterpret_cast<const Vector<T, V>*>(static_cast<const T*>(base) + element);
}

template <class T, int V>
__device__ __forceinline__ void Write(void* base, long long element, const Vector<T, V>& values) {
  *reinterpret_cast<Vector<T, V>*>(static_cast<T*>(base) + element) = values;
}

// ---- which pixels and channels are a thread's ----

struct Place {
  const void* x;
  void* gradient;
  int stride;       // elements from pixel to pixel of x
  int own_channel;  // the first of the thread's, in x
  int channel;      // the same among the channels of all
  int lanes;
  int row;          // of the thread in its block
  int rows;         // that the block's threads make
  bool active;      // else there is nothing for the thread but to take part in sums
  long long first;  // pixel
  long long step;
  long long pixels;
};

template <int V>
__device__ __forceinline__ Place PlaceOf(const FeatureMaps& maps) {
  int map = 0;
  const int tile = static_cast<int>(blockIdx.x);
  while (map + 1 < maps.count && tile >= maps.of[map + 1].first_tile) ++map;
  const FeatureMap& own = maps.of[map];
  const int thread = static_cast<int>(threadIdx.x);
  Place place;
  place.x = own.x;
  place.gradient = own.gradient;
  place.stride = own.channels;
  place.lanes = own.lanes;
  place.rows = kThreads / own.lanes;
  place.row = thread / own.lanes;
  const int lane = thread - place.row * own.lanes;
  const int channel = ((tile - own.first_tile) * own.lanes + lane) * V;
  place.active = place.row < place.rows && channel < own.channels;
  place.own_channel = place.active ? channel : 0;  // of which reading does no harm
  place.channel = own.first_channel + place.own_channel;
  place.pixels = maps.pixels;
  place.step = static_cast<long long>(gridDim.y) * place.rows;
  place.first =
      place.active ? static_cast<long long>(blockIdx.y) * place.rows + place.row : place.pixels;
  return place;
}

// use(pixel, read(pixel)) for the thread's pixels, with several reads under way at a time.
template <int kAtOnce, class ReadPixel, class Use>
__device__ __forceinline__ void OverPixels(const Place& place, const ReadPixel& read,
                                           const Use& use) {
  long long pixel = place.first;
  ROOST_PRAGMA(unroll 1)
  for (; pixel + (kAtOnce - 1) * place.step < place.pixels; pixel += kAtOnce * place.step) {
    decltype(read(pixel)) values[kAtOnce];
    ROOST_PRAGMA(unroll)
    for (int i = 0; i < kAtOnce; ++i) values[i] = read(pixel + i * place.step);
    ROOST_PRAGMA(unroll)
    for (int i = 0; i < kAtOnce; ++i) use(pixel + i * place.step, values[i]);
  }
  ROOST_PRAGMA(unroll 1)
  for (; pixel < place.pixels; pixel += place.step) use(pixel, read(pixel));
}

// Adds up what the threads of a block have of each channel, in pairs, for its row of `partial`.
template <int V>
__device__ __forceinline__ void WritePartial(const Place& place, int channels,
                                             const float (&first)[V], const float (&second)[V],
                                             float* partial) {
  __shared__ float shared[2 * V][kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  ROOST_PRAGMA(unroll)
  for (int v = 0; v < V; ++v) {
    shared[v][thread] = first[v];
    shared[V + v][thread] = second[v];
  }
  __syncthreads();
  for (int rows = place.rows; rows > 1;) {
    const int half = (rows + 1) / 2;
    if (place.row < rows - half) {
      ROOST_PRAGMA(unroll)
      for (int v = 0; v < 2 * V; ++v) shared[v][thread] += shared[v][thread + half * place.lanes];
    }
    __syncthreads();
    rows = half;
  }
  if (place.active && place.row == 0) {
    float* const to = partial + 2LL * static_cast<int>(blockIdx.y) * channels + place.channel;
    ROOST_PRAGMA(unroll)
    for (int v = 0; v < V; ++v) {
      to[v] = shared[v][thread];
      to[channels + v] = shared[V + v][thread];
    }
  }
}

// The rest of the sums: finish(channel, first, second) once for each channel.
template <class Finish>
__device__ __forceinline__ void AddPartials(const float* partial, int partials, int channels,
                                            const Finish& finish) {
  __shared__ double shared[2][kFinishRows][kFinishChannels];
  const int lane = static_cast<int>(threadIdx.x) % kFinishChannels;
  const int row = static_cast<int>(threadIdx.x) / kFinishChannels;
  const int channel = static_cast<int>(blockIdx.x) * kFinishChannels + lane;
  double first = 0;
  double second = 0;
  if (channel < channels) {
    ROOST_PRAGMA(unroll 4)
    for (int i = row; i < partials; i += kFinishRows) {
      first += static_cast<double>(partial[2LL * i * channels + channel]);
      second += static_cast<double>(partial[(2LL * i + 1) * channels + channel]);
    }
  }
  shared[0][row][lane] = first;
  shared[1][row][lane] = second;
  __syncthreads();
  for (int half = kFinishRows / 2; half > 0; half /= 2) {
    if (row < half) {
      shared[0][row][lane] += shared[0][row + half][lane];
      shared[1][row][lane] += shared[1][row + half][lane];
    }
    __syncthreads();
  }
  if (row == 0 && channel < channels) finish(channel, shared[0][0][lane], shared[1][0][lane]);
}

// ---- the norm itself ----

// The processor's own estimate and a step of Newton's method: as good as a division by sqrtf,
// without its branches, which would make the channels of a thread wait for each other.
__device__ __forceinline__ float InverseRoot(float value) {
  const float estimate = rsqrtf(value);
  return estimate * fmaf(-0.5F * value * estimate, estimate, 1.5F);
}

// Both directions compute y by this, so the backward pass finds the same zeros.
template <int V>
struct Line {
  float mean[V], scale[V], bias[V];
  __device__ __forceinline__ Line(const NormLine& line, int channel) {
    ROOST_PRAGMA(unroll)
    for (int v = 0; v < V; ++v) {
      mean[v] = line.mean[channel + v];
      scale[v] = line.weight[channel + v] * InverseRoot(line.variance[channel + v] + line.epsilon);
      bias[v] = line.bias[channel + v];
    }
  }
  __device__ __forceinline__ float Of(float x, int v) const {
    return fmaf(x - mean[v], scale[v], bias[v]);
  }
};

__device__ __forceinline__ void Move(const RunningStatistics& running, int channel, double mean,
                                     double variance) {
  const double momentum = running.momentum;
  running.mean[channel] = static_cast<float>(
      (1 - momentum) * static_cast<double>(running.mean[channel]) + momentum * mean);
  running.variance[channel] =
      static_cast<float>((1 - momentum) * static_cast<double>(running.variance[channel]) +
                         momentum * variance * running.unbiased);
}

// Sums of x and x^2 about the channel's first value: about zero, the variance of a channel far
// from zero would be lost in float.
template <class T, int V>
__device__ __forceinline__ void SumMoments(const SumMomentsArguments& a) {
  const Place place = PlaceOf<V>(a.maps);
  const Vector<T, V> first = Read<T, V>(place.x, place.own_channel);
  float origin[V], sums[V], squares[V];
  ROOST_PRAGMA(unroll)
  for (int v = 0; v < V; ++v) {
    origin[v] = ToFloat(first.of[v]);
    sums[v] = 0;
    squares[v] = 0;
  }
  OverPixels<4>(
      place,
      [&](long long pixel) {
        return Read<T, V>(place.x, pixel * place.stride + place.own_channel);
      },
      [&](long long, const Vector<T, V>& x) {
        ROOST_PRAGMA(unroll)
        for (int v = 0; v < V; ++v) {
          const float d = ToFloat(x.of[v]) - origin[v];
          sums[v] += d;
          squares[v] = fmaf(d, d, squares[v]);
        }
      });
  WritePartial<V>(place, a.maps.channels, sums, squares, a.partial);
}

template <class T>
__device__ __forceinline__ void FinishMoments(const FinishMomentsArguments& a) {
  AddPartials(a.partial, a.partials, a.channels, [&](int channel, double sum, double square) {
    const double offset = sum * a.inverse_pixels;
    const double mean = static_cast<double>(ToFloat(static_cast<const T*>(a.x)[channel])) + offset;
    double variance = square * a.inverse_pixels - offset * offset;
    if (variance < 0) variance = 0;  // what is no number stays
    a.mean[channel] = static_cast<float>(mean);
    a.variance[channel] = static_cast<float>(variance);
    if (a.running.mean != nullptr) Move(a.running, channel, mean, variance);
  });
}

__device__ __forceinline__ void MoveStatistics(const MoveStatisticsArguments& a) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (channel >= a.channels) return;
  Move(a.running, channel, static_cast<double>(a.mean[channel]),
       static_cast<double>(a.variance[channel]));
}

template <class T, int V, bool kResidual>
__device__ __forceinline__ void ApplyNormTo(const ApplyNormArguments& a) {
  struct Values {
    Vector<T, V> x, residual;
  };
  const Place place = PlaceOf<V>(a.maps);
  const Line<V> line(a.line, place.channel);
  const bool relu = a.line.relu != 0;
  // From the last pixel to the first: the cache still holds what the sums read last.
  const auto slice = [&](long long pixel) {
    return (place.pixels - 1 - pixel) * a.maps.channels + place.channel;
  };
  OverPixels<kResidual ? 2 : 4>(
      place,
      [&](long long pixel) {
        Values values;
        values.x =
            Read<T, V>(place.x, (place.pixels - 1 - pixel) * place.stride + place.own_channel);
        if constexpr (kResidual) values.residual = Read<T, V>(a.residual, slice(pixel));
        return values;
      },
      [&](long long pixel, const Values& values) {
        Vector<T, V> y;
        ROOST_PRAGMA(unroll)
        for (int v = 0; v < V; ++v) {
          float value = line.Of(ToFloat(values.x.of[v]), v);
          if constexpr (kResidual) value += ToFloat(values.residual.of[v]);
          if (relu && value < 0) value = 0;
          Round(value, y.of[v]);
        }
        Write<T, V>(a.y, slice(pixel), y);
      });
}

template <class T, int V>
__device__ __forceinline__ void ApplyNorm(const ApplyNormArguments& a) {
  if (a.residual != nullptr) {
    ApplyNormTo<T, V, true>(a);
  } else {
    ApplyNormTo<T, V, false>(a);
  }
}

// How the gradient behind the ReLU is had: it is given as it is, it is zero where y, computed again
// from x, is, or zero where the y that is given is.
enum class Mask { kNone, kFromX, kFromY };

template <class T, int V, Mask kMask>
__device__ __forceinline__ void SumMaskedGradients(const SumGradientsArguments& a) {
  struct Values {
    Vector<T, V> gradient, x, y;
  };
  const Place place = PlaceOf<V>(a.maps);
  const Line<V> line(a.line, place.channel);
  float sums[V], products[V];
  ROOST_PRAGMA(unroll)
  for (int v = 0; v < V; ++v) {
    sums[v] = 0;
    products[v] = 0;
  }
  const auto slice = [&](long long pixel) { return pixel * a.maps.channels + place.channel; };
  OverPixels<2>(
      place,
      [&](long long pixel) {
        Values values;
        values.gradient = Read<T, V>(a.gradient, slice(pixel));
        values.x = Read<T, V>(place.x, pixel * place.stride + place.own_channel);
        if constexpr (kMask == Mask::kFromY) values.y = Read<T, V>(a.y, slice(pixel));
        return values;
      },
      [&](long long pixel, const Values& values) {
        Vector<T, V> behind = values.gradient;
        ROOST_PRAGMA(unroll)
        for (int v = 0; v < V; ++v) {
          const float x = ToFloat(values.x.of[v]);
          bool zero = false;
          if constexpr (kMask == Mask::kFromX) zero = line.Of(x, v) <= 0;
          if constexpr (kMask == Mask::kFromY) zero = ToFloat(values.y.of[v]) <= 0;
          if (zero) Round(0, behind.of[v]);
          const float g = ToFloat(behind.of[v]);
          sums[v] += g;
          products[v] = fmaf(g, x - line.mean[v], products[v]);
        }
        if constexpr (kMask == Mask::kFromY) Write<T, V>(a.behind, slice(pixel), behind);
      });
  WritePartial<V>(place, a.maps.channels, sums, products, a.partial);
}

template <class T, int V>
__device__ __forceinline__ void SumGradients(const SumGradientsArguments& a) {
  if (a.y != nullptr) {
    SumMaskedGradients<T, V, Mask::kFromY>(a);
  } else if (a.line.relu != 0) {
    SumMaskedGradients<T, V, Mask::kFromX>(a);
  } else {
    SumMaskedGradients<T, V, Mask::kNone>(a);
  }
}

__device__ __forceinline__ void FinishGradients(const FinishGradientsArguments& a) {
  AddPartials(a.partial, a.partials, a.channels, [&](int channel, double sum, double product) {
    const double inverse = 1 / sqrt(static_cast<double>(a.line.variance[channel]) +
                                    static_cast<double>(a.line.epsilon));
    const double scale = inverse * static_cast<double>(a.line.weight[channel]) * a.inverse_pixels;
    a.bias_gradient[channel] = static_cast<float>(sum);
    a.weight_gradient[channel] = static_cast<float>(product * inverse);
    a.slope[channel] = static_cast<float>(-scale * inverse * inverse * product);
    a.offset[channel] = static_cast<float>(-scale * sum);
  });
}

template <class T, int V, Mask kMask>
__device__ __forceinline__ void ApplyMaskedGradient(const ApplyGradientArguments& a) {
  struct Values {
    Vector<T, V> gradient, x;
  };
  const Place place = PlaceOf<V>(a.maps);
  const Line<V> line(a.line, place.channel);
  float slope[V], offset[V];
  ROOST_PRAGMA(unroll)
  for (int v = 0; v < V; ++v) {
    slope[v] = a.slope[place.channel + v];
    offset[v] = a.offset[place.channel + v];
  }
  const auto own = [&](long long pixel) {  // from the last, as in ApplyNorm
    return (place.pixels - 1 - pixel) * place.stride + place.own_channel;
  };
  OverPixels<2>(
      place,
      [&](long long pixel) {
        Values values;
        values.gradient =
            Read<T, V>(a.gradient, (place.pixels - 1 - pixel) * a.maps.channels + place.channel);
        values.x = Read<T, V>(place.x, own(pixel));
        return values;
      },
      [&](long long pixel, const Values& values) {
        Vector<T, V> to;
        ROOST_PRAGMA(unroll)
        for (int v = 0; v < V; ++v) {
          const float x = ToFloat(values.x.of[v]);
          float g = ToFloat(values.gradient.of[v]);
          if constexpr (kMask == Mask::kFromX) {
            if (line.Of(x, v) <= 0) g = 0;
          }
          Round(fmaf(g, line.scale[v], fmaf(x - line.mean[v], slope[v], offset[v])), to.of[v]);
        }
        Write<T, V>(place.gradient, own(pixel), to);
      });
}

template <class T, int V>
__device__ __forceinline__ void ApplyGradient(const ApplyGradientArguments& a) {
  if (a.line.relu != 0) {
    ApplyMaskedGradient<T, V, Mask::kFromX>(a);
  } else {
    ApplyMaskedGradient<T, V, Mask::kNone>(a);
  }
}

#ifdef ROOST_ELEMENT
// The blocks of a multiprocessor are as many as the launches reckon with (norm_plan.h), hence their
// registers.
#define ROOST_WALKING_KERNEL extern "C" __global__ void __launch_bounds__(kThreads, ROOST_BLOCKS)
#define ROOST_FINISHING_KERNEL \
  extern "C" __global__ void __launch_bounds__(kFinishChannels* kFinishRows)

ROOST_WALKING_KERNEL RoostSumMoments(const __grid_constant__ SumMomentsArguments a) {
  SumMoments<ROOST_ELEMENT, ROOST_VECTOR>(a);
}
ROOST_FINISHING_KERNEL RoostFinishMoments(const __grid_constant__ FinishMomentsArguments a) {
  FinishMoments<ROOST_ELEMENT>(a);
}
ROOST_FINISHING_KERNEL RoostMoveStatistics(const __grid_constant__ MoveStatisticsArguments a) {
  MoveStatistics(a);
}
ROOST_WALKING_KERNEL RoostApplyNorm(const __grid_constant__ ApplyNormArguments a) {
  ApplyNorm<ROOST_ELEMENT, ROOST_VECTOR>(a);
}
ROOST_WALKING_KERNEL RoostSumGradients(const __grid_constant__ SumGradientsArguments a) {
  SumGradients<ROOST_ELEMENT, ROOST_VECTOR>(a);
}
ROOST_FINISHING_KERNEL RoostFinishGradients(const __grid_constant__ FinishGradientsArguments a) {
  FinishGradients(a);
}
ROOST_WALKING_KERNEL RoostApplyGradient(const __grid_constant__ ApplyGradientArguments a) {
  ApplyGradient<ROOST_ELEMENT, ROOST_VECTOR>(a);
}
#endif

}  // namespace roost::trainer::norm_kernels
