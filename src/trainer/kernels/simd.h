#pragma once

#include <cstddef>
#include <cstring>

// Loops over float vectors, written once and compiled for each kind of processor. A kernel is an
// always-inlined template over the vector type V; ROOST_FOR_EACH_PROCESSOR wraps it in functions
// for AVX-512, AVX2 and what every processor has, and chooses one when the program starts.

namespace roost::trainer::simd {

#define ROOST_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define ROOST_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define ROOST_TARGET_AVX2 __attribute__((target("avx2,fma")))
#endif

typedef float Float16 __attribute__((vector_size(64)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float4 __attribute__((vector_size(16)));

enum class Processor { kAny, kAvx2, kAvx512 };

inline Processor ThisProcessor() {
#if defined(__x86_64__)
  static const Processor found = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
      return Processor::kAvx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Processor::kAvx2
                                                                           : Processor::kAny;
  }();
  return found;
#else
  return Processor::kAny;
#endif
}

// Floats of a vector.
template <class V>
inline constexpr std::size_t kWidth = sizeof(V) / sizeof(float);

template <class V>
ROOST_INLINE V Load(const float* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}
template <class V>
ROOST_INLINE void Store(float* to, const V& value) {
  std::memcpy(to, &value, sizeof(V));
}
// Values that are no numbers stay, so that a broken training shows.
template <class V>
ROOST_INLINE V Relu(const V& value) {
  return value < 0 ? V{} : value;
}

}  // namespace roost::trainer::simd

// Defines `void NAME(ARGS)` that runs `BODY<V>(CALL)` with the widest V of this processor.
#if defined(__x86_64__)
#define ROOST_FOR_EACH_PROCESSOR(NAME, BODY, ARGS, CALL)                                     \
  namespace {                                                                                \
  ROOST_TARGET_AVX512 void NAME##Avx512 ARGS { BODY<::roost::trainer::simd::Float16> CALL; } \
  ROOST_TARGET_AVX2 void NAME##Avx2 ARGS { BODY<::roost::trainer::simd::Float8> CALL; }      \
  void NAME##Any ARGS { BODY<::roost::trainer::simd::Float4> CALL; }                         \
  }                                                                                          \
  void NAME ARGS {                                                                           \
    switch (::roost::trainer::simd::ThisProcessor()) {                                       \
      case ::roost::trainer::simd::Processor::kAvx512:                                       \
        return NAME##Avx512 CALL;                                                            \
      case ::roost::trainer::simd::Processor::kAvx2:                                         \
        return NAME##Avx2 CALL;                                                              \
      case ::roost::trainer::simd::Processor::kAny:                                          \
        return NAME##Any CALL;                                                               \
    }                                                                                        \
  }
#else
#define ROOST_FOR_EACH_PROCESSOR(NAME, BODY, ARGS, CALL) \
  void NAME ARGS { BODY<::roost::trainer::simd::Float4> CALL; }
#endif
