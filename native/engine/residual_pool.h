// The end of an encoder block in one step: max-pool(ReLU(norm(b)) + ReLU(norm(r))), b and r being the raw convolutions
// of the two branches. It computes what norm, norm, add and max_pool compute one after the other; together they pass
// over memory once instead of four times, forward, and twice instead of twelve times, backward.
#pragma once
#include "engine/batch_norm.h"
#include "engine/max_pool.h"

namespace {

// Four values of a branch under one pooled value: rows 2t and 2t + 1, two columns each.
struct Quad {
  vec v[4];

  A2V_INLINE Quad(const real* p, long pitch, long unit)
      : v{load(p), load(p + unit), load(p + pitch), load(p + pitch + unit)} {}
  // Even and odd bands apart: e0, o0, e1, o1.
  A2V_INLINE Quad(const Quad& q, const BandPairs& pairs) {
    pairs.split(q.v[0], q.v[1], v[0], v[1]);
    pairs.split(q.v[2], q.v[3], v[2], v[3]);
  }
  // ReLU(norm(q)).
  A2V_INLINE Quad(const Quad& q, const ScaleShift& k) {
    A2V_UNROLL for (int i = 0; i < 4; i++) v[i] = relu_of(q.v[i] * k.scale + k.shift);
  }
  A2V_INLINE Quad(const Quad& a, const Quad& b) { A2V_UNROLL for (int i = 0; i < 4; i++) v[i] = a.v[i] + b.v[i]; }
  A2V_INLINE vec largest() const { return larger_of(larger_of(v[0], v[1]), larger_of(v[2], v[3])); }
};

// Of the values under each pooled one, all with even and odd bands apart, those where `sum` has its first largest.
A2V_INLINE void pick(const Quad& sum, const Quad& b, const Quad& r, vec& vb, vec& vr) {
  const vec m = sum.largest();
  vb = b.v[3];
  vr = r.v[3];
  A2V_UNROLL for (int i = 2; i >= 0; i--) {
    vb = sum.v[i] == m ? b.v[i] : vb;
    vr = sum.v[i] == m ? r.v[i] : vr;
  }
}

// Sends g to the first largest value of `sum` (even and odd bands apart); out: its gradient, in the order of memory.
A2V_INLINE void route(const Quad& sum, vec g, const BandPairs& pairs, vec out[4]) {
  const vec m = sum.largest(), none{};
  vec to[4];
  A2V_UNROLL for (int i = 0; i < 3; i++) {
    to[i] = sum.v[i] == m ? g : none;
    g = sum.v[i] == m ? none : g;
  }
  to[3] = g;
  pairs.join(to[0], to[1], out[0], out[1]);
  pairs.join(to[2], to[3], out[2], out[3]);
}

// The same for one channel of one window, for maps whose layouts don't match (see halves() in tensor.h).
struct ScalarWindow {
  long places[4];
  int best = 0;
  real largest = 0;

  ScalarWindow(const Tensor& x, const real* b, const real* r, const Scales& sb, const Scales& sr, long f, long c) {
    for (int i = 0; i < 4; i++) {
      places[i] = i / 2 * x.pitch + (2 * f + i % 2) * x.Cp + c;
      const real vb = b[places[i]] * sb.scale[c] + sb.shift[c], vr = r[places[i]] * sr.scale[c] + sr.shift[c];
      const real value = (vb > 0 ? vb : 0) + (vr > 0 ? vr : 0);
      if (i == 0 || value > largest) {
        largest = value;
        best = i;
      }
    }
  }
};

// The branch at the side. Where it is a convolution of a single channel (single_channel.h; 1×1, y = w x) it is not
// computed: its input x stands in for it, w becomes part of the norm's scale, and all channels read the same run.
class Side {
 public:
  explicit Side(const Step& s) : w_(nullptr), channel_(s.x->channel) {
    if (s.norm2->tap_gradients) w_ = static_cast<const real*>(s.norm2->single->packed);
  }
  bool single() const { return w_; }
  // From a place in the other branch's row to the same band and channel in this one's.
  A2V_INLINE long shift(long u) const { return w_ ? -(u / V * channel_) : 0; }
  A2V_INLINE ScaleShift of(const ScaleShift& k, long u) const {
    return w_ ? ScaleShift{k.scale * w_[u / V], k.shift} : k;
  }

 private:
  const real* w_;
  long channel_;
};

struct BothScales {
  struct Values {
    ScaleShift b, r;
    long shift;
  };
  const Scales &b, &r;
  const Side& side;
  A2V_INLINE Values operator()(long u) const { return {b(u), side.of(r(u), u), side.shift(u)}; }
};

// x, b: the branches; y: the pooled map. norm, norm2: of x and of b
void step_residual_pool(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &y = *s.y;
  const Scales sb(*s.norm), sr(*s.norm2);
  const Side branch(s);
  const BandPairs pairs(b);
  const bool vectors = b.planar || halves(b, y);
  const BothScales scales{sb, sr, branch};
  const auto pooled = [&](const real* p, const real* o, const BothScales::Values& k) {
    const Quad qb(p, b.pitch, pairs.column), qr(o + k.shift, side.pitch, pairs.column);
    return Quad(Quad(Quad(qb, k.b), Quad(qr, k.r)), pairs).largest();
  };
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      Prefetch::Lines next = next_lines(r.prefetch, 8 * b.pitch / V);
      if (vectors) {
        pool_row(b, y, q, scales, [&](long from, const auto& k) {
          prefetch_some(next);
          return pooled(p + from, o + from, k);
        });
      } else {
        for (long f = 0; f < y.F; f++)
          for (long c = 0; c < y.C; c++) q[f * y.Cp + c] = ScalarWindow(b, p, o, sb, sr, f, c).largest;
      }
      prefetch_rest(next);
    }
}

struct BranchSums {
  vec total{}, product{};

  A2V_INLINE void add(vec x, const ScaleShift& k, vec g) {
    g = x * k.scale + k.shift > vec{} ? g : vec{};
    total += g;
    product += g * x;
  }
  A2V_INLINE void finish(double* totals, double* products, const Norm& norm, int u) const {
    add_lanes(totals, norm, u, total);
    add_lanes(products, norm, u, product);
  }
};

// x, b: the branches; g: gradient of the pooled map. Sums for both norms, of a single channel's input for its taps.
void step_residual_pool_reduce(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &dy = *s.g;
  const Scales sb(*s.norm), sr(*s.norm2);
  double* sums_b = s.norm->sums + long(r.thread) * 2 * s.norm->C;
  double* sums_r = s.norm2->sums + long(r.thread) * 2 * s.norm2->C;
  const Side branch(s);
  const BandPairs pairs(b);
  const BothScales scales{sb, sr, branch};
  const auto add = [&](const real* p, const real* o, const BothScales::Values& k, vec g, BranchSums& to_b,
                       BranchSums& to_r) {
    const Quad qb(Quad(p, b.pitch, pairs.column), pairs), qr(Quad(o + k.shift, side.pitch, pairs.column), pairs);
    vec vb, vr;
    pick(Quad(Quad(qb, k.b), Quad(qr, k.r)), qb, qr, vb, vr);
    to_b.add(vb, k.b, g);
    to_r.add(vr, k.r, g);
  };
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  if (b.planar) {
    BranchSums to_b[V], to_r[V];
    for (long n = r.n0; n < r.n1; n++)
      for (long t = r0; t < r1; t++) {
        const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
        Prefetch::Lines next = next_lines(r.prefetch, 16 * b.pitch / V);
        with_channels(dy.Cp, [&](auto Cp) {
          unpool_row_planar<Cp.value>(b, at(dy, r, n) + t * dy.pitch, scales,
                                      [&](int c, long from, const auto& k, vec g) {
                                        prefetch_some(next);
                                        add(p + from, o + from, k, g, to_b[c], to_r[c]);
                                      });
        });
        prefetch_rest(next);
      }
    for (int c = 0; c < b.C; c++) {
      to_b[c].finish(sums_b, sums_b + s.norm->C, *s.norm, c * V);
      to_r[c].finish(sums_r, branch.single() ? TapSums(*s.norm2, r.thread).gx : sums_r + s.norm2->C, *s.norm2, c * V);
    }
  } else if (halves(b, dy)) {
    for (long u = 0; u < dy.column; u += V) {
      const auto k = scales(u);
      BranchSums to_b, to_r;
      for (long n = r.n0; n < r.n1; n++)
        for (long t = r0; t < r1; t++) {
          const real *p = at(b, r, n) + 2 * t * b.pitch + u, *o = at(side, r, n) + 2 * t * side.pitch + u;
          const real* g = at(dy, r, n) + t * dy.pitch + u;
          for (long c = 0; c < dy.columns; c++)
            add(p + 2 * c * b.column, o + 2 * c * side.column, k, load(g + c * dy.column), to_b, to_r);
          prefetch_next(r.prefetch, 16 * b.columns);
        }
      to_b.finish(sums_b, sums_b + s.norm->C, *s.norm, u);
      to_r.finish(sums_r, sums_r + s.norm2->C, *s.norm2, u);
    }
  } else {
    for (long n = r.n0; n < r.n1; n++)
      for (long t = r0; t < r1; t++) {
        const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
        const real* g = at(dy, r, n) + t * dy.pitch;
        for (long f = 0; f < dy.F; f++)
          for (long c = 0; c < dy.C; c++) {
            const ScalarWindow w(b, p, o, sb, sr, f, c);
            const real vb = p[w.places[w.best]], vr = o[w.places[w.best]], gv = g[f * dy.Cp + c];
            if (vb * sb.scale[c] + sb.shift[c] > 0) sums_b[c] += gv, sums_b[s.norm->C + c] += double(gv) * vb;
            if (vr * sr.scale[c] + sr.shift[c] > 0) sums_r[c] += gv, sums_r[s.norm2->C + c] += double(gv) * vr;
          }
      }
  }
}

// x, b: the branches; g: gradient of the pooled map; y, y2: gradients of the branches (no y2 of a single channel)
void step_residual_pool_apply(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &dy = *s.g, &db = *s.y, &dr = s.y2 ? *s.y2 : db;
  const Side branch(s);
  const Applies ab(*s.norm), ar(*s.norm2);
  const BandPairs pairs(b);
  const bool vectors = b.planar || halves(b, dy);
  const auto send = [&](real* to, long pitch, const Quad& x, const Quad& active, const ApplyConstants& k,
                        const vec d[4]) {
    A2V_UNROLL for (int i = 0; i < 4; i++) {
      const vec g = active.v[i] > vec{} ? d[i] : vec{};
      store(to + i / 2 * pitch + i % 2 * pairs.column, k.a * g + (k.b * x.v[i] + k.c));
    }
  };
  struct Values {
    ApplyConstants b, r;
    ScaleShift side;
    long shift;
  };
  const auto constants = [&](long u) { return Values{ab(u), ar(u), branch.of(ar.scales(u), u), branch.shift(u)}; };
  const auto apply = [&](const real* p, const real* o, const Values& k, vec g, real* to_b, real* to_r) {
    const Quad qb(p, b.pitch, pairs.column), qr(o + k.shift, side.pitch, pairs.column);
    const Quad active_b(qb, ScaleShift{k.b.scale, k.b.shift}), active_r(qr, k.side);
    vec d[4];
    route(Quad(Quad(active_b, active_r), pairs), g, pairs, d);
    send(to_b, db.pitch, qb, active_b, k.b, d);
    if (!branch.single()) send(to_r, dr.pitch, qr, active_r, k.r, d);
  };
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
      const real* g = at(dy, r, n) + t * dy.pitch;
      real *to_b = at_mut(db, r, n) + 2 * t * db.pitch, *to_r = at_mut(dr, r, n) + 2 * t * dr.pitch;
      if (vectors) {
        unpool_row(b, dy, g, constants, [&](long from, const Values& k, vec gv) {
          apply(p + from, o + from, k, gv, to_b + from, to_r + from);
        });
      } else {
        for (long f = 0; f < dy.F; f++)
          for (long c = 0; c < dy.C; c++) {
            const ScalarWindow w(b, p, o, ab.scales, ar.scales, f, c);
            for (int i = 0; i < 4; i++) {
              const long j = w.places[i];
              const real gv = i == w.best ? g[f * dy.Cp + c] : 0;
              to_b[j] = ab.scalar(c, p[j], gv);
              to_r[j] = ar.scalar(c, o[j], gv);
            }
          }
      }
      prefetch_next(r.prefetch, 16 * b.pitch / V);
    }
}

}  // namespace
