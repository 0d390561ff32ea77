// Channels put side by side and taken apart, and the largest of each group of channels.
#pragma once
#include "engine/operands.h"

namespace {

enum Move { MOVE_COPY, MOVE_ADD, MOVE_CLEAR };

// `count` channels of x, from `x_first` on, into or onto those of y from `y_first` on; or zeros.
template <Move kMove>
void move_channels(const Tensor& x, long x_first, const Tensor& y, long y_first, long count, const Range& r) {
  const long runs = y.planar ? 1 : y.F, length = y.planar ? count * y.F : count;
  const long x_at = x.planar ? x_first * x.channel : x_first, y_at = y.planar ? y_first * y.channel : y_first;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch + x_at;
      real* q = at_mut(y, r, n) + t * y.pitch + y_at;
      for (long f = 0; f < runs; f++, p += x.Cp, q += y.Cp)
        for (long i = 0; i < length; i++) q[i] = kMove == MOVE_CLEAR ? 0 : kMove == MOVE_ADD ? q[i] + p[i] : p[i];
      prefetch_next(r.prefetch, 3 * y.F * count / V);
    }
}

void move_channels(const Step& s, long x_first, long y_first, long count, const Range& r) {
  if (s.accumulate)
    move_channels<MOVE_ADD>(*s.x, x_first, *s.y, y_first, count, r);
  else
    move_channels<MOVE_COPY>(*s.x, x_first, *s.y, y_first, count, r);
}

// x: what the channels of y from `first` on become; the others stay as they are
void step_concat(const Step& s, const Range& r) { move_channels<MOVE_COPY>(*s.x, 0, *s.y, s.first, s.x->C, r); }

// x: gradient of the whole; y: of what its channels from `first` on came from
void step_concat_backward(const Step& s, const Range& r) { move_channels(s, s.first, 0, s.y->C, r); }

// y: `count` channels of x from `first` on
void step_channels(const Step& s, const Range& r) { move_channels<MOVE_COPY>(*s.x, s.first, *s.y, 0, s.count, r); }

// x: gradient of those; y: of all, zero elsewhere
void step_channels_backward(const Step& s, const Range& r) {
  const long end = s.first + s.count;
  move_channels(s, 0, s.first, s.count, r);
  if (s.accumulate) return;
  move_channels<MOVE_CLEAR>(*s.x, 0, *s.y, 0, s.first, r);
  move_channels<MOVE_CLEAR>(*s.x, 0, *s.y, end, s.y->C - end, r);
}

// y: of every position and group of `count` channels, 1 at the first largest, else 0
void step_one_hot(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &y = *s.y;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long f = 0; f < x.F; f++)
        for (long group = 0; group < x.C; group += s.count) {
          long best = group;
          for (long c = group; c < group + s.count; c++) {
            if (p[place(x, f, c)] > p[place(x, f, best)]) best = c;
            q[place(y, f, c)] = 0;
          }
          q[place(y, f, best)] = 1;
        }
      prefetch_next(r.prefetch, 2 * x.F * x.C);
    }
}

}  // namespace
