// How kernels reach a tensor's values.
#pragma once
#include "engine/prefetch.h"
#include "engine/step.h"
#include "simd/vec.h"

namespace {

// Frame 0, band 0 of unit n; of a tensor that holds a strip only, where that would be.
A2V_INLINE const real* at(const Tensor& t, const Range& r, long n) {
  const long index = t.group ? long(r.thread) * t.group + (n - r.n0) : n;
  const long before = t.strip ? first_row(t, r) * t.pitch : 0;
  return reinterpret_cast<const real*>(t.data) + index * t.unit_stride + t.origin - before;
}
A2V_INLINE real* at_mut(const Tensor& t, const Range& r, long n) { return const_cast<real*>(at(t, r, n)); }

// Where a phase's first run and first output stand, from the first row r0 on (counted in rows of one phase).
A2V_INLINE long first_run(const ConvShape& s, int phase, const Tensor& x, long r0) {
  return (r0 * s.x_row_step + s.x_row[phase]) * x.pitch + s.x_band[phase] * long(x.Cp);
}
A2V_INLINE long first_output(const ConvShape& s, int phase, const Tensor& y, long r0) {
  return (r0 * s.y_row_step + (s.y_row_step - 1) * phase) * y.pitch + (s.y_column_step - 1) * phase * long(y.column);
}

// Where in its row band f of channel c is.
A2V_INLINE long place(const Tensor& t, long f, long c) {
  return t.planar ? c * t.channel + f % t.columns * V + f / t.columns : f * t.Cp + c;
}

// Vectors of a row that share constants: those of lanes u … u + V - 1.
struct Run {
  long from, step, count;

  A2V_INLINE Run(const Tensor& t, long u)
      : from(t.planar ? u / V * t.channel : u), step(t.planar ? long(V) : t.column), count(t.columns) {}
};

// The channel of lane `lane` among those that `unit` counts; may be one that only pads.
A2V_INLINE int channel_of(int planar, int Cp, int lane) { return planar ? lane / V : lane % Cp; }

// Loads per-channel constants of the vectors of a row and calls fn(offset, constants); constants that all vectors share
// stay in registers.
template <typename Constants, typename Fn>
A2V_INLINE void each_vector_of_row(const Tensor& t, Constants constants, Fn fn) {
  const long unit = t.column, values = t.columns * unit;
  if (unit == V || sizeof(constants(0)) <= 1) {  // nothing in them
    const auto k = constants(0);
    for (long i = 0; i < values; i += V) fn(i, k);
  } else if (t.planar) {
    long i = 0;
    for (long u = 0; u < unit; u += V) {
      const auto k = constants(u);
      for (const long end = i + t.channel; i < end; i += V) fn(i, k);
    }
  } else {
    for (long i = 0; i < values; i += unit)
      for (long u = 0; u < unit; u += V) fn(i + u, constants(u));
  }
}

// y = fn(x, constants) over this range's rows.
template <typename Constants, typename Fn>
A2V_INLINE void map_vectors(const Tensor& x, const Tensor& y, const Range& r, Constants constants, Fn fn) {
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      each_vector_of_row(y, constants, [&](long i, const auto& k) { store(q + i, fn(load(p + i), k)); });
      prefetch_next(r.prefetch, 3 * y.pitch / V);
    }
}

// y = fn(x, b, constants)
template <typename Constants, typename Fn>
A2V_INLINE void map_pairs(const Tensor& x, const Tensor& b, const Tensor& y, const Range& r, Constants constants,
                          Fn fn) {
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      const real* o = at(b, r, n) + t * b.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      each_vector_of_row(y, constants, [&](long i, const auto& k) { store(q + i, fn(load(p + i), load(o + i), k)); });
      prefetch_next(r.prefetch, 5 * y.pitch / V);
    }
}

struct NoConstants {
  A2V_INLINE NoConstants operator()(long) const { return {}; }
};

// A number as a type.
template <int N>
struct Constant {
  static constexpr int value = N;
};

// Neighbouring bands as two vectors: even and odd ones. Where several neighbours lie in a vector (Cp < V) they are
// interleaved in two vectors and are shuffled apart; else each has vectors of its own.
struct BandPairs {
  int folded;
  long column;  // from one of the two vectors to the other
  mask even, odd, low, high;

  explicit BandPairs(const Tensor& t)
      : folded(!t.planar && t.Cp < V && t.column == V), column(t.planar ? long(V) : t.column) {
    if (!folded) return;
    const int width = t.Cp, bands = V / width;
    for (int l = 0; l < V; l++) {
      const int p = l / width, c = l % width;
      even[l] = 2 * p * width + c;
      odd[l] = (2 * p + 1) * width + c;
      low[l] = p / 2 * width + c + (p & 1) * V;
      high[l] = (p + bands) / 2 * width + c + (p & 1) * V;
    }
  }
  // p: lane of interest in the first of the two columns
  A2V_INLINE void split(const real* p, vec& e, vec& o) const { split(load(p), load(p + column), e, o); }
  A2V_INLINE void split(vec a, vec b, vec& e, vec& o) const {
    e = folded ? shuffle(a, b, even) : a;
    o = folded ? shuffle(a, b, odd) : b;
  }
  A2V_INLINE void join(vec e, vec o, vec& a, vec& b) const {
    a = folded ? shuffle(e, o, low) : e;
    b = folded ? shuffle(e, o, high) : o;
  }
  A2V_INLINE void join(real* p, vec e, vec o) const {
    vec a, b;
    join(e, o, a, b);
    store(p, a);
    store(p + column, b);
  }
};

// Whether a map and one of half its size can be walked in step, two columns of `large` for one of `small`.
A2V_INLINE bool halves(const Tensor& large, const Tensor& small) {
  return large.Cp == small.Cp && large.column == small.column && large.columns == 2 * small.columns;
}

}  // namespace
