// What this x86 processor and its operating system run, asked of the processor itself: __builtin_cpu_supports needs a
// runtime library that clang-cl and Zig come without. Bits: Intel's manual, volume 2A, CPUID, and volume 1, 13.3.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace audio2vec {

struct CpuFeatures {
  bool avx2_fma = false;     // AVX2 and FMA
  bool avx512_fvdb = false;  // AVX-512 F, VL, DQ and BW

  CpuFeatures() {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool saves_state = c >> 27 & 1, fma = c >> 12 & 1, avx = c >> 28 & 1;
    if (!saves_state || !avx) return;
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    constexpr unsigned kYmm = 0x06, kZmm = 0xe6;  // registers that the system saves between threads
    if ((low & kYmm) != kYmm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    avx2_fma = fma && (b >> 5 & 1);
    constexpr unsigned kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    avx512_fvdb = avx2_fma && (low & kZmm) == kZmm && (b & kAvx512) == kAvx512;
  }
};

}  // namespace audio2vec
#endif
