// Steps of a tube → samples at the output rate: polyphase windowed sinc, the filter interpolated between its phases.
#pragma once

#include "simd/transpose.h"
#include "synthesis/tube_controls.h"

namespace {

// Lane i of the result is the sum of rows[i].
template <int C>
A2V_INLINE vec sums_of_rows(const vec rows[C]) {
  if constexpr (C == 1) {
    return rows[0];
  } else {
    vec halves[C / 2];
    A2V_UNROLL for (int i = 0; i < C / 2; i++) halves[i] =
        __builtin_shufflevector(rows[i], rows[i + C / 2], A2V_ZIP_LOW) +
        __builtin_shufflevector(rows[i], rows[i + C / 2], A2V_ZIP_HIGH);
    return sums_of_rows<C / 2>(halves);
  }
}

// Writes the samples of a tract from `done` on that the steps before `end` decide, and returns how many are written by
// then. y holds steps from `first` on; those before step 0 are zero.
template <int TAPS>
__attribute__((noinline)) long write_resampled(const audio2vec::Tract& t, const real* y, long first, long end,
                                               long done) {
  using namespace audio2vec;
  const double ratio = t.steps_per_sample;
  // Sample m lies at step m * ratio and reaches TAPS / 2 steps beyond.
  const auto decided = [&](long m) { return m < t.samples && long(double(m) * ratio) + TAPS / 2 < end; };
  while (decided(done)) {
    int here = 1;
    while (here < V && decided(done + here)) here++;
    vec sums[V];
    A2V_UNROLL for (int i = 0; i < V; i++) {
      const double at = double(done + (i < here ? i : here - 1)) * ratio;
      const long step = long(at);
      const double phase = (at - double(step)) * kRatePhases;
      const int row = int(phase);
      const real between = real(phase - row);
      const float* h = t.rate_filter + row * TAPS;
      const real* x = y + (step - TAPS / 2 + 1 - first);
      sums[i] = vec{};
      A2V_UNROLL for (int k = 0; k < TAPS; k += V) {
        const vec a = load_floats(h + k);
        sums[i] += (a + (load_floats(h + TAPS + k) - a) * between) * load(x + k);
      }
    }
    const vec total = sums_of_rows<V>(sums);
    for (int i = 0; i < here; i++) t.out[done + i] = float(total[i]);
    done += here;
  }
  return done;
}

inline long write_samples(const audio2vec::Tract& t, const real* y, long first, long end, long done) {
  switch (t.rate_filter ? t.rate_taps : 0) {
    case 32:
      return write_resampled<32>(t, y, first, end, done);
    case 48:
      return write_resampled<48>(t, y, first, end, done);
    case 64:
      return write_resampled<64>(t, y, first, end, done);
    case 80:
      return write_resampled<80>(t, y, first, end, done);
  }
  const long ready = end < t.samples ? end : t.samples;  // a step is a sample
  for (; done < ready; done++) t.out[done] = float(y[done - first]);
  return done;
}

}  // namespace
