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
};

A2V_INLINE vec activated(vec x, const ScaleShift& k) { return vmax(x * k.scale + k.shift, vec{}); }
A2V_INLINE vec gate(vec x, const ScaleShift& k, vec g) { return x * k.scale + k.shift > vec{} ? g : vec{}; }

// Even and odd bands of both rows of the sum.
struct Window {
  vec e0, o0, e1, o1;

  A2V_INLINE Window(const Quad& b, const ScaleShift& kb, const Quad& r, const ScaleShift& kr, const BandPairs& pairs) {
    pairs.split(activated(b.v[0], kb) + activated(r.v[0], kr), activated(b.v[1], kb) + activated(r.v[1], kr), e0, o0);
    pairs.split(activated(b.v[2], kb) + activated(r.v[2], kr), activated(b.v[3], kb) + activated(r.v[3], kr), e1, o1);
  }
  A2V_INLINE vec largest() const { return vmax(vmax(e0, o0), vmax(e1, o1)); }

  // Sends g to the first largest value; out: gradient of the sum, laid out as a Quad.
  A2V_INLINE void route(vec g, const BandPairs& pairs, vec out[4]) const {
    const vec m = largest(), none{};
    const vec ge0 = e0 == m ? g : none, after_e0 = e0 == m ? none : g;
    const vec go0 = o0 == m ? after_e0 : none, after_o0 = o0 == m ? none : after_e0;
    const vec ge1 = e1 == m ? after_o0 : none, go1 = e1 == m ? none : after_o0;
    pairs.join(ge0, go0, out[0], out[1]);
    pairs.join(ge1, go1, out[2], out[3]);
  }
};

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

// x, b: the branches; y: the pooled map. norm, norm2: of x and of b
void step_residual_pool(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &y = *s.y;
  const Scales sb(*s.norm), sr(*s.norm2);
  const BandPairs pairs(b);
  const bool vectors = halves(b, y);
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      if (!vectors) {
        for (long f = 0; f < y.F; f++)
          for (long c = 0; c < y.C; c++) q[f * y.Cp + c] = ScalarWindow(b, p, o, sb, sr, f, c).largest;
        continue;
      }
      for (long u = 0; u < y.unit; u += V) {
        const ScaleShift kb = sb(u), kr = sr(u);
        for (long c = 0; c < y.columns; c++) {
          const long from = 2 * c * y.unit + u;
          const Window w(Quad(p + from, b.pitch, b.unit), kb, Quad(o + from, side.pitch, side.unit), kr, pairs);
          store(q + c * y.unit + u, w.largest());
        }
      }
    }
}

// x, b: the branches; g: gradient of the pooled map. Sums for both norms.
void step_residual_pool_reduce(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &dy = *s.g;
  const Scales sb(*s.norm), sr(*s.norm2);
  double* sums_b = s.norm->sums + long(r.thread) * 2 * s.norm->C;
  double* sums_r = s.norm2->sums + long(r.thread) * 2 * s.norm2->C;
  const BandPairs pairs(b);
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  if (!halves(b, dy)) {
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
    return;
  }
  for (long u = 0; u < dy.unit; u += V) {
    const ScaleShift kb = sb(u), kr = sr(u);
    vec total_b{}, product_b{}, total_r{}, product_r{};
    for (long n = r.n0; n < r.n1; n++)
      for (long t = r0; t < r1; t++) {
        const real *p = at(b, r, n) + 2 * t * b.pitch + u, *o = at(side, r, n) + 2 * t * side.pitch + u;
        const real* g = at(dy, r, n) + t * dy.pitch + u;
        for (long c = 0; c < dy.columns; c++) {
          const Quad qb(p + 2 * c * b.unit, b.pitch, b.unit), qr(o + 2 * c * side.unit, side.pitch, side.unit);
          vec ds[4];
          Window(qb, kb, qr, kr, pairs).route(load(g + c * dy.unit), pairs, ds);
          A2V_UNROLL for (int i = 0; i < 4; i++) {
            const vec gb = gate(qb.v[i], kb, ds[i]), gr = gate(qr.v[i], kr, ds[i]);
            total_b += gb;
            product_b += gb * qb.v[i];
            total_r += gr;
            product_r += gr * qr.v[i];
          }
        }
      }
    add_lanes(sums_b, *s.norm, u, total_b);
    add_lanes(sums_b + s.norm->C, *s.norm, u, product_b);
    add_lanes(sums_r, *s.norm2, u, total_r);
    add_lanes(sums_r + s.norm2->C, *s.norm2, u, product_r);
  }
}

// x, b: the branches; g: gradient of the pooled map; y, y2: gradients of the branches
void step_residual_pool_apply(const Step& s, const Range& r) {
  const Tensor &b = *s.x, &side = *s.b, &dy = *s.g, &db = *s.y, &dr = *s.y2;
  const Applies ab(*s.norm), ar(*s.norm2);
  const BandPairs pairs(b);
  const bool vectors = halves(b, dy);
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real *p = at(b, r, n) + 2 * t * b.pitch, *o = at(side, r, n) + 2 * t * side.pitch;
      const real* g = at(dy, r, n) + t * dy.pitch;
      real *to_b = at_mut(db, r, n) + 2 * t * db.pitch, *to_r = at_mut(dr, r, n) + 2 * t * dr.pitch;
      if (!vectors) {
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
        continue;
      }
      for (long u = 0; u < dy.unit; u += V) {
        const ApplyConstants kb = ab(u), kr = ar(u);
        const ScaleShift hb{kb.scale, kb.shift}, hr{kr.scale, kr.shift};
        for (long c = 0; c < dy.columns; c++) {
          const long from = 2 * c * dy.unit + u;
          const Quad qb(p + from, b.pitch, b.unit), qr(o + from, side.pitch, side.unit);
          vec ds[4];
          Window(qb, hb, qr, hr, pairs).route(load(g + c * dy.unit + u), pairs, ds);
          A2V_UNROLL for (int i = 0; i < 4; i++) {
            const long to = from + i / 2 * db.pitch + i % 2 * db.unit;
            store(to_b + to, kb.a * gate(qb.v[i], hb, ds[i]) + (kb.b * qb.v[i] + kb.c));
            store(to_r + to, kr.a * gate(qr.v[i], hr, ds[i]) + (kr.b * qr.v[i] + kr.c));
          }
        }
      }
    }
}

}  // namespace
