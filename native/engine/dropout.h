// Dropout (Srivastava et al. 2014), scaled so that the mean stays: y = x m / (1 - p), m = 0 with probability p. The
// same step takes the gradient back. Which values go follows from a seed and from where they stand, by a hash: no mask
// is stored, and layout, vector length and threads do not matter.
#pragma once
#include "engine/operands.h"

namespace {

typedef unsigned hashes __attribute__((vector_size(V * sizeof(unsigned)), may_alias));

// A bijection of 32 bits that leaves no pattern (constants by C. Wellons, "hash-prospector").
template <typename T>
A2V_INLINE T scrambled(T x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

// What seed, layer and unit give.
A2V_INLINE unsigned unit_key(double seed, unsigned layer, long unit) {
  unsigned long long bits;
  __builtin_memcpy(&bits, &seed, sizeof bits);
  unsigned key = scrambled(unsigned(bits) + 0x9e3779b9u);
  key = scrambled(key ^ unsigned(bits >> 32));
  key = scrambled(key + layer);
  return scrambled(key ^ unsigned(unit));
}

// number: p; scalar: the seed; first: tells layers of the same seed apart
void step_dropout(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &y = *s.y;
  const Columns columns(y);
  const double share = s.number * 4294967296.0;
  const hashes least = hashes{} + (share >= 4294967295.0 ? 4294967295u : unsigned(share));
  const vec scale = splat(real(s.number < 1 ? 1 / (1 - s.number) : 0));
  hashes lane;  // values from the first of a column, in T, F, C order
  for (int l = 0; l < V; l++) lane[l] = unsigned(columns.band(0, l) * y.C + (y.planar ? 0 : l % columns.width));
  for (long n = r.n0; n < r.n1; n++) {
    const unsigned key = unit_key(s.scalar ? *s.scalar : 0, unsigned(s.first), n), key2 = scrambled(key + 1);
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long j = 0; j < columns.count; j++)
        for (long v = 0; v < columns.vectors; v++) {
          const long i = j * columns.step + v * columns.next;
          const unsigned first = unsigned((t * y.F + columns.band(j, 0)) * y.C + v * (y.planar ? 1 : V));
          const hashes h = scrambled(scrambled((lane + first) ^ key) + key2);
          const mask stays = __builtin_convertvector(h >= least, mask);
          write(q + i, only(stays, load(p + i) * scale), s.accumulate);
        }
      prefetch_next(r.prefetch, 20 * y.pitch / V);
    }
  }
}

}  // namespace
