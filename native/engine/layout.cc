#include "engine/layout.h"

#include <algorithm>
#include <cstring>

namespace audio2vec {
namespace {

int round_up(int n, int to) { return (n + to - 1) / to * to; }

}  // namespace

Tensor vector_layout(int C, int lanes) {
  Tensor t{};
  t.T = t.F = 1;
  t.C = C;
  t.Cp = t.unit = round_up(C, lanes);
  t.columns = 1;
  t.channel = 1;
  t.pitch = t.slice = t.Cp;
  return t;
}

Tensor map_layout(int T, int F, int C, int lanes, bool by_bands) {
  Tensor t{};
  t.T = T;
  t.F = F;
  t.C = C;
  if (by_bands) {
    t.by_bands = 1;
    t.Cp = C;
    t.unit = C * lanes;
    t.columns = F / lanes;
    t.channel = F;
    t.pitch = long(F) * C + lanes;  // a vector between rows: the loads of a run's neighbours go beyond its ends
    t.origin = t.pitch + lanes;
    t.slice = long(T + 1) * t.pitch;
    return t;
  }
  t.Cp = 1;
  while (t.Cp < C && t.Cp < lanes) t.Cp *= 2;
  if (C > lanes) t.Cp = round_up(C, lanes);
  if (t.Cp < lanes && F % (lanes / t.Cp)) t.Cp = lanes;  // the bands don't fill whole vectors: one band a vector
  t.unit = t.Cp < lanes ? lanes : t.Cp;
  t.columns = F * t.Cp / t.unit;
  t.channel = 1;
  t.pitch = long(t.columns + 1) * t.unit;
  t.origin = t.pitch + t.unit;
  t.slice = long(T + 1) * t.pitch;
  return t;
}

long values_of(const Tensor& t, long units, int lanes) { return units * t.slice + t.origin + lanes; }

void clear_borders(const Tensor& t, long unit, int real_bytes) {
  char* first = t.data + (unit * t.slice + t.origin) * real_bytes;
  const long row = long(t.columns) * t.unit;
  const auto clear = [&](long from, long to) { std::memset(first + from * real_bytes, 0, (to - from) * real_bytes); };
  clear(-t.origin, 0);
  for (long r = 0; r < t.T; r++) clear(r * t.pitch + row, (r + (r + 1 < t.T ? 1 : 2)) * t.pitch);
}

size_t place_leases(std::vector<Lease>& leases) {
  std::vector<Lease*> largest_first;
  for (Lease& lease : leases) largest_first.push_back(&lease);
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const Lease* a, const Lease* b) { return a->bytes > b->bytes; });
  size_t total = 0;
  std::vector<const Lease*> placed;  // by place
  for (Lease* lease : largest_first) {
    for (const Lease* other : placed) {
      const bool meet = lease->from <= other->to && other->from <= lease->to;
      if (meet && other->at < lease->at + lease->bytes) lease->at = std::max(lease->at, other->at + other->bytes);
    }
    placed.insert(std::upper_bound(placed.begin(), placed.end(), lease,
                                   [](const Lease* a, const Lease* b) { return a->at < b->at; }),
                  lease);
    total = std::max(total, lease->at + lease->bytes);
  }
  return total;
}

ConvShape conv_shape(const Tensor& in, const Tensor& out, int kt, int kf, int upsampled, int transposed, int lanes,
                     int accumulators, int winograd) {
  ConvShape s{};
  s.kt = kt;
  s.kf = kf;
  s.upsampled = upsampled;
  s.transposed = transposed;
  s.cin = in.C;
  s.cin_pad = in.Cp;
  s.cout = out.C;
  s.cout_pad = out.Cp;
  if (in.by_bands || out.by_bands) {
    s.by_bands = 1;
    s.vectors = out.C;
    s.size = long(kt) * kf * in.C * out.C;
    return s;
  }
  s.fold = out.unit / out.Cp;
  s.phases = s.x_row_step = s.y_row_step = s.y_column_step = s.parities = 1;
  int bands = kf;     // in a run
  int band_step = 1;  // from a band of the output to the next
  s.segments = kt;
  s.x_row[0] = -(kt / 2);
  s.x_band[0] = -(kf / 2);
  if (upsampled == 1 && !transposed) {
    s.phases = s.segments = s.y_row_step = 2;
    s.x_row[1] = 0;
  } else if (upsampled == 1) {
    s.segments = 4;
    s.x_row_step = 2;
  } else if (upsampled == 2 && transposed) {
    bands = 4;
    band_step = 2;
  } else if (upsampled == 2) {
    bands = 2;
    (s.fold == 1 ? s.phases : s.parities) = 2;
    s.y_column_step = s.phases;
  }
  s.K = round_up(bands * in.Cp, s.fold);
  s.in_stride = band_step * in.Cp;
  s.vectors = out.unit / lanes;
  const int widest = lanes >= 8 ? 2 : 4;  // registers for weights; with more lanes few layers have more vectors
  s.block = 1;
  while (s.block * 2 <= widest && s.vectors % (s.block * 2) == 0 && s.block * 2 <= accumulators / 6) s.block *= 2;
  if (winograd) {
    s.winograd = winograd;
    s.segments = 4;
    s.K = in.Cp;
  }
  s.size = long(s.phases) * s.segments * (s.K / s.fold) * s.parities * s.vectors * lanes;
  return s;
}

long winograd_planes(const Conv& conv, bool training) {
  const ConvShape& s = conv.forward;
  if (!s.winograd) return 0;
  const long output = 4l * kWinogradPairs * s.cin_pad, input_gradient = 4l * kWinogradPairs * s.cout_pad;
  const long weight_gradient = conv.weights.winograd ? 2l * kWinogradGradientPairs * (s.cin_pad + s.cout_pad) : 0;
  return training ? std::max({output, input_gradient, weight_gradient}) : output;
}

}  // namespace audio2vec
