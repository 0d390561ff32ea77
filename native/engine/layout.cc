#include "engine/layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace audio2vec {
namespace {

int round_up(int n, int to) { return (n + to - 1) / to * to; }

}  // namespace

Tensor vector_layout(int C, int lanes) {
  Tensor t{};
  t.T = t.F = 1;
  t.C = C;
  t.Cp = t.column = round_up(C, lanes);
  t.columns = 1;
  t.channel = 1;
  t.pitch = t.unit_stride = t.Cp;
  return t;
}

Tensor map_layout(int T, int F, int C, int lanes, bool planar, bool folded) {
  Tensor t{};
  t.T = T;
  t.F = F;
  t.C = C;
  if (planar) {
    t.planar = 1;
    t.Cp = C;
    t.column = C * lanes;
    t.columns = F / lanes;
    t.channel = F;
    t.pitch = long(F) * C + lanes;  // a vector between rows: the loads of a run's neighbours go beyond its ends
    t.origin = t.pitch + lanes;
    t.unit_stride = long(T + 1) * t.pitch;
    return t;
  }
  t.Cp = 1;
  while (t.Cp < C && t.Cp < lanes) t.Cp *= 2;
  if (C > lanes) t.Cp = round_up(C, lanes);
  if (t.Cp < lanes && (!folded || F % (lanes / t.Cp))) t.Cp = lanes;  // the bands don't fill whole vectors, or must not
  t.column = t.Cp < lanes ? lanes : t.Cp;
  t.columns = F * t.Cp / t.column;
  t.channel = 1;
  t.pitch = long(t.columns + 1) * t.column;
  t.origin = t.pitch + t.column;
  t.unit_stride = long(T + 1) * t.pitch;
  return t;
}

long values_of(const Tensor& t, long units, int lanes) { return units * t.unit_stride + t.origin + lanes; }

void clear_borders(const Tensor& t, long unit, int real_bytes) {
  char* first = t.data + (unit * t.unit_stride + t.origin) * real_bytes;
  const long row = long(t.columns) * t.column;
  const auto clear = [&](long from, long to) { std::memset(first + from * real_bytes, 0, (to - from) * real_bytes); };
  clear(-t.origin, 0);
  for (long r = 0; r < t.T; r++) clear(r * t.pitch + row, (r + (r + 1 < t.T ? 1 : 2)) * t.pitch);
}

size_t place_live_ranges(std::vector<LiveRange>& ranges) {
  std::vector<LiveRange*> largest_first;
  for (LiveRange& range : ranges) largest_first.push_back(&range);
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const LiveRange* a, const LiveRange* b) { return a->bytes > b->bytes; });
  size_t total = 0;
  std::vector<const LiveRange*> placed;  // by place
  for (LiveRange* range : largest_first) {
    for (const LiveRange* other : placed) {
      const bool overlap = range->from <= other->to && other->from <= range->to;
      if (overlap && other->at < range->at + range->bytes) range->at = std::max(range->at, other->at + other->bytes);
    }
    placed.insert(std::upper_bound(placed.begin(), placed.end(), range,
                                   [](const LiveRange* a, const LiveRange* b) { return a->at < b->at; }),
                  range);
    total = std::max(total, range->at + range->bytes);
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
  if (in.planar || out.planar) {
    s.planar = 1;
    s.vectors = out.C;
    s.size = long(kt) * kf * in.C * out.C;
    return s;
  }
  s.fold = out.column / out.Cp;
  s.polyphase = s.x_row_step = s.y_row_step = s.y_column_step = s.parities = 1;
  int bands = kf;     // in a run
  int band_step = 1;  // from a band of the output to the next
  s.segments = kt;
  s.x_row[0] = -(kt / 2);
  s.x_band[0] = -(kf / 2);
  if (upsampled == 1 && !transposed) {
    s.polyphase = s.segments = s.y_row_step = 2;
    s.x_row[1] = 0;
  } else if (upsampled == 1) {
    s.segments = 4;
    s.x_row_step = 2;
  } else if (upsampled == 2 && transposed) {
    bands = 4;
    band_step = 2;
  } else if (upsampled == 2) {
    bands = 2;
    (s.fold == 1 ? s.polyphase : s.parities) = 2;
    s.y_column_step = s.polyphase;
  }
  s.K = round_up(bands * in.Cp, s.fold);
  s.in_stride = band_step * in.Cp;
  s.vectors = out.column / lanes;
  const int widest = lanes >= 8 ? 2 : 4;  // registers for weights; with more lanes few layers have more vectors
  s.block = 1;
  while (s.block * 2 <= widest && s.vectors % (s.block * 2) == 0 && s.block * 2 <= accumulators / 6) s.block *= 2;
  if (winograd) {
    s.winograd = winograd;
    s.segments = 4;
    s.K = in.Cp;
  }
  s.size = long(s.polyphase) * s.segments * (s.K / s.fold) * s.parities * s.vectors * lanes;
  return s;
}

ConvShape window_shape(int kind, int cin, int cout, const Window& window, int transposed, int lanes) {
  ConvShape s{};
  s.kind = kind;
  s.kt = window.kt;
  s.kf = window.kf;
  s.transposed = transposed;
  s.fold = s.polyphase = s.parities = 1;
  s.tap_step[0] = transposed ? window.strideT / std::gcd(window.strideT, window.dilationT) : 1;
  s.tap_step[1] = transposed ? window.strideF / std::gcd(window.strideF, window.dilationF) : 1;
  s.cin = s.cin_pad = s.K = kind == CONV_DEPTHWISE ? 1 : cin;
  s.cout = cout;
  s.cout_pad = round_up(cout, lanes);
  s.vectors = s.cout_pad / lanes;
  s.block = kind == CONV_DEPTHWISE ? s.vectors : 2;
  const bool advances = transposed && (window.strideT > 1 || window.strideF > 1);
  s.copied = kind == CONV_WINDOW && cin < kFewChannels && window.dilationF == 1 && !advances;
  s.size = long(s.kt) * s.kf * s.K * s.cout_pad;
  return s;
}

long copied_rows_size(const ConvShape& shape, const Window& window, int bands) {
  if (!shape.copied) return 0;
  const int strideT = shape.transposed ? 1 : window.strideT, strideF = shape.transposed ? 1 : window.strideF;
  const long rows = long(kCopiedRows - 1) * strideT + long(shape.kt - 1) * window.dilationT + 1;
  return rows * (long(bands - 1) * strideF + shape.kf) * shape.K;
}

long winograd_tiles_size(const Conv& conv, bool training) {
  const ConvShape& s = conv.forward;
  if (!s.winograd) return 0;
  const long output = 4l * kWinogradPairs * s.cin_pad, input_gradient = 4l * kWinogradPairs * s.cout_pad;
  const long weight_gradient = conv.weights.winograd ? 2l * kWinogradGradientPairs * (s.cin_pad + s.cout_pad) : 0;
  return training ? std::max({output, input_gradient, weight_gradient}) : output;
}

}  // namespace audio2vec
