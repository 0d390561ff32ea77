// What operators have in common: their constants, which lanes hold channels, walks over vectors and over positions.
#pragma once
#include "engine/tensor.h"

namespace {

double scalar_of(const Step& s) { return s.scalar ? *s.scalar : 1; }
// An operator's constant. Of a loss the run-time scalar belongs to the weight.
double number_of(const Step& s) { return s.number * scalar_of(s); }
double weight_of(const Step& s) { return s.weight * scalar_of(s); }

// Lanes of a unit's vectors that hold channels, not padding: constants for each_vector_of_row.
class ChannelLanes {
 public:
  explicit ChannelLanes(const Tensor& t) : column_(t.planar ? long(V) : t.column) {
    for (int l = 0; l < V; l++) last_[l] = t.planar || (column_ - V + l) % t.Cp < t.C ? -1 : 0;
  }
  A2V_INLINE mask operator()(long u) const { return u + V < column_ ? mask{} - 1 : last_; }

 private:
  long column_;
  mask last_;
};

// Zero where `lanes` are off, whatever x is.
A2V_INLINE vec only(mask lanes, vec x) { return (vec)((mask)x & lanes); }

template <bool kAdd, typename Constants, typename Fn, typename... Operands>
A2V_INLINE void write_rows(const Tensor& y, const Range& r, Constants constants, Fn fn, const Operands&... operands) {
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      real* q = at_mut(y, r, n) + t * y.pitch;
      const auto write_row = [&](const auto*... p) {
        each_vector_of_row(y, constants, [&](long i, const auto& k) {
          const vec v = fn(k, load(p + i)...);
          store(q + i, kAdd ? load(q + i) + v : v);
        });
      };
      write_row(at(operands, r, n) + t * operands.pitch...);
      prefetch_next(r.prefetch, (1 + 2 * long(sizeof...(operands))) * y.pitch / V);
    }
}

// y = fn(constants, values of the operands …), or that much more, over this range's rows. All have y's layout.
template <typename Constants, typename Fn, typename... Operands>
A2V_INLINE void write_values(const Step& s, const Range& r, Constants constants, Fn fn, const Operands&... operands) {
  if (s.accumulate)
    write_rows<true>(*s.y, r, constants, fn, operands...);
  else
    write_rows<false>(*s.y, r, constants, fn, operands...);
}

// A row by columns: vectors that hold all channels of the same positions, of V positions or of fewer. Planar or not.
class Columns {
 public:
  const long count, step;    // columns in a row, and from one to the next
  const long vectors, next;  // vectors in a column, and from one to the next
  const int width;           // neighbouring lanes that belong to one position

  explicit Columns(const Tensor& t)
      : count(t.columns),
        step(t.planar ? long(V) : t.column),
        vectors(t.planar ? t.C : t.column / V),
        next(t.planar ? t.channel : long(V)),
        width(t.planar   ? 1
              : t.Cp < V ? t.Cp
                         : int(V)),
        planar_(t.planar),
        lanes_(t) {
    for (int w = 1; w < width; w *= 2, rounds_++)
      for (int l = 0; l < V; l++) other_[rounds_][l] = l ^ w;
  }

  // The band of a lane in a column.
  A2V_INLINE long band(long column, int lane) const {
    return planar_ ? lane * count + column : column * (V / width) + lane / width;
  }
  // Lanes of vector v of a column that hold channels.
  A2V_INLINE mask lanes(long v) const { return lanes_(v * V); }
  // The sum and the largest of each position's lanes, in all of them.
  A2V_INLINE vec sum(vec x) const {
    for (int i = 0; i < rounds_; i++) x += shuffle(x, x, other_[i]);
    return x;
  }
  A2V_INLINE vec largest(vec x) const {
    for (int i = 0; i < rounds_; i++) x = vmax(x, shuffle(x, x, other_[i]));
    return x;
  }
  // In each lane the value that a map b of one channel has at its position.
  A2V_INLINE vec spread(const Tensor& b, const real* row, long column) const {
    if (width == V) return splat(row[place(b, column, 0)]);
    vec y;
    for (int l = 0; l < V; l++) y[l] = row[place(b, band(column, l), 0)];
    return y;
  }

 private:
  const int planar_;
  const ChannelLanes lanes_;
  int rounds_ = 0;
  mask other_[6];
};

A2V_INLINE bool is_vector(const Tensor& t) { return t.T * t.F == 1; }

// An index that a tensor holds, brought into 0 … count - 1.
A2V_INLINE long whole_index(real index, long count) {
  if (!(index > 0)) return 0;
  return index < count - 1 ? long(index) : count - 1;
}

// y = x, or that much more.
A2V_INLINE void write(real* p, vec x, bool add) { store(p, add ? load(p) + x : x); }

}  // namespace
