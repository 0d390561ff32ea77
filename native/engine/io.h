// Values into and out of the engine's layout.
#pragma once
#include <algorithm>

#include "engine/tensor.h"
#include "simd/exp.h"
#include "simd/log.h"
#include "simd/transpose.h"

namespace {

// Two powers added, given and returned as logarithms: ln(e^a + e^b). Where they are so far apart that the lesser cannot
// be seen, how far does not matter.
A2V_INLINE vec ln_sum(vec a, vec b) {
  const vec high = vmax(a, b), low = -vmax(-a, -b);
  return high + vlog(vexp(vmax(low - high, splat(real(-40)))) + 1);
}

// V floats, or the `count` that there are.
A2V_INLINE vec load_floats(const float* p, long count) {
  typedef float floats __attribute__((vector_size(V * sizeof(float)), aligned(sizeof(float)), may_alias));
  if (count >= V) return __builtin_convertvector(*reinterpret_cast<const floats*>(p), vec);
  vec x{};
  for (long l = 0; l < count; l++) x[l] = p[l];
  return x;
}

// Slice `slice` of a store, augmented and normalised: bands to out[0], out[step] …, frames `pitch` apart. V bands at a
// time through all frames, so that what belongs to a band is read once.
void write_slice(const float* p, long slice, const Tensor& t, const InputArgs& a, real* out, long pitch, long step) {
  const AugmentArgs& g = a.augment;
  const float silence = -__builtin_inff();
  const float *mixed = nullptr, *gain = g.gain ? g.gain + slice * t.F : nullptr;
  const real mix_gain = g.mix_starts ? g.mix_gain[slice] : silence;
  if (mix_gain > silence) mixed = a.store + long(g.mix_starts[slice]) * t.F;
  for (long f = 0; f < t.F; f += V) {
    const long count = std::min(t.F - f, long(V));
    const vec shift = gain ? load_floats(gain + f, count) : vec{};
    const vec mean = load_floats(a.mean + f, count), inverse_std = load_floats(a.inverse_std + f, count);
    for (long row = 0; row < t.T; row++) {
      vec x = load_floats(p + row * t.F + f, count);
      if (mixed) x = ln_sum(x, load_floats(mixed + row * t.F + f, count) + mix_gain);
      x = (x + shift - mean) * inverse_std;
      real* to = out + row * pitch + f * step;
      if (step == 1 && count == V)
        store(to, x);  // bands side by side fill whole vectors (layout.cc)
      else
        for (long l = 0; l < count; l++) to[l * step] = x[l];
    }
  }
  if (!g.mask) return;
  const short* mask = g.mask + 4 * slice;
  for (long row = 0; row < t.T; row++) {
    const bool whole = row >= mask[0] && row < mask[1];
    const long from = whole ? 0 : mask[2], to = whole || mask[3] > t.F ? t.F : mask[3];
    for (long f = from; f < to; f++) out[row * pitch + f * step] = 0;
  }
}

// Turns rows of neighbouring bands, of one channel (from q on), into what a planar map has.
void interleave_rows(const Tensor& t, real* q) {
  vec bands[kMostColumns];
  for (long row = 0; row < t.T; row++, q += t.pitch) {
    for (long c = 0; c < t.columns; c++) bands[c] = load(q + c * V);
    const real* from = reinterpret_cast<const real*>(bands);
    if (t.columns == 4) {
      separate<4>(bands);
      for (long c = 0; c < 4; c++) store(q + c * V, bands[c]);
    } else {
      for (long c = 0; c < t.columns; c++)
        for (long l = 0; l < V; l++) q[c * V + l] = from[l * t.columns + c];
    }
  }
}

void write_input(const Tensor& t, const Range& r, const InputArgs& a) {
  const long size = long(t.T) * t.F * t.C, step = t.planar ? 1 : t.Cp;
  for (long n = r.n0; n < r.n1; n++)
    for (long c = 0; c < t.C; c++) {
      real* q = at_mut(t, r, n) + c * t.channel;
      if (a.values) {
        const float* p = a.values + n * size + c;
        for (long row = 0; row < t.T; row++, p += long(t.F) * t.C)
          for (long f = 0; f < t.F; f++) q[row * t.pitch + f * step] = p[f * t.C];
      } else if (a.frames == t.T) {
        write_slice(a.store + long(a.starts[n * t.C + c]) * t.F, n * t.C + c, t, a, q, t.pitch, step);
      } else {  // frames of one band, which the tensor has as bands
        Tensor line = t;
        line.T = t.F;
        line.F = 1;
        write_slice(a.store + long(a.starts[n * t.C + c]), n * t.C + c, line, a, q, step, line.Cp);
      }
      if (t.planar) interleave_rows(t, q);
    }
}

// out: [units][T][F][C]
void read_output(const Tensor& t, const Range& r, float* out) {
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(t, r, n);
    for (long row = 0; row < t.T; row++)
      for (long f = 0; f < t.F; f++)
        for (long c = 0; c < t.C; c++) *out++ = float(p[row * t.pitch + place(t, f, c)]);
  }
}

void doubles_from_reals(double* to, const void* from, long n) {
  for (long i = 0; i < n; i++) to[i] = static_cast<const real*>(from)[i];
}
void reals_from_doubles(void* to, const double* from, long n) {
  for (long i = 0; i < n; i++) static_cast<real*>(to)[i] = real(from[i]);
}

}  // namespace
