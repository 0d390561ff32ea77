// Measures layers, one thread, data in cache: of the convolutions that layers.mjs writes to its input, and of some
// other windows and dense layers, the share of the machine's multiply-add limit that they reach.
//
// Every convolution runs as training runs it: in strips of rows, several small maps at a time. The share counts
// 2 operations a multiply-accumulate of the layer as the model describes it and divides by the limit, measured
// in between; CPU time, best of many, because the machine may be shared.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "engine/layout.h"
#include "kernel_table.h"

namespace {

// How a convolution is computed (lib/engine/planar.ts, winograd.ts).
struct How {
  int planar, winograd, winograd_weights;
};

// A line of the input.
struct Layer {
  int t, f, cin, cout, kt, kf;
  How inferring, training;
};

bool read_layer(Layer& l) {
  How &a = l.inferring, &b = l.training;
  return std::scanf("%d %d %d %d %d %d %d %d %d %d %d %d", &l.t, &l.f, &l.cin, &l.cout, &l.kt, &l.kf, &a.planar,
                    &a.winograd, &a.winograd_weights, &b.planar, &b.winograd, &b.winograd_weights) == 12;
}

// Convolutions of any window and, with kind CONV_DENSE, dense layers.
struct WindowLayer {
  int kind, t, f, cin, cout, kt, kf, stride, dilation;
};

constexpr WindowLayer kWindowLayers[] = {
    {CONV_WINDOW, 1, 128, 64, 64, 1, 3, 1, 1}, {CONV_WINDOW, 1, 264, 40, 40, 1, 15, 1, 1},
    {CONV_WINDOW, 1, 264, 1, 40, 1, 15, 1, 1}, {CONV_WINDOW, 1, 400, 128, 128, 1, 5, 1, 8},
    {CONV_WINDOW, 1, 128, 64, 64, 1, 5, 2, 1}, {CONV_WINDOW, 12, 8, 64, 64, 3, 3, 1, 1},
    {CONV_WINDOW, 96, 64, 1, 16, 5, 5, 2, 1},  {CONV_DEPTHWISE, 1, 400, 128, 128, 1, 5, 1, 1},
    {CONV_DENSE, 1, 1, 128, 128, 1, 1, 1, 1},  {CONV_DENSE, 1, 1, 512, 512, 1, 1, 1, 1},
};

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

template <typename Fn>
double best_seconds(Fn fn) {
  double best = 1e9;
  for (int i = 0; i < 40; i++) {
    const double start = cpu_seconds();
    for (int k = 0; k < 4; k++) fn();
    best = std::min(best, (cpu_seconds() - start) / 4);
  }
  return best;
}

class Values {
 public:
  explicit Values(long n) : data_(static_cast<float*>(std::aligned_alloc(64, (n * 4 + 4096) / 64 * 64))) {
    for (long i = 0; i < n; i++) data_[i] = 0.001f * float(i % 7);
  }
  ~Values() { std::free(data_); }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  float* get() { return data_; }

 private:
  float* data_;
};

// Seconds of each of some kinds of step of a layer.
std::vector<double> measure(const KernelTable& table, const Layer& l, int units, const How& how,
                            const std::vector<int>& kinds) {
  const int V = table.lanes;
  Tensor x = audio2vec::map_layout(l.t, l.f, l.cin, V, how.planar);
  Tensor y = audio2vec::map_layout(l.t, l.f, l.cout, V, how.planar);
  Conv conv{};
  conv.forward = audio2vec::conv_shape(x, y, l.kt, l.kf, 0, 0, V, table.accumulators, how.winograd);
  conv.backward = audio2vec::conv_shape(y, x, l.kt, l.kf, 0, 1, V, table.accumulators, how.winograd);
  conv.weights =
      audio2vec::conv_shape(x, y, l.kt, l.kf, 0, 0, V, table.accumulators, how.winograd_weights ? how.winograd : 0);
  conv.bias = -1;
  Values xs(audio2vec::values_of(x, units, V)), ys(audio2vec::values_of(y, units, V)), w(conv.forward.size),
      wb(conv.backward.size), dw(conv.weights.size * V), tiles(audio2vec::winograd_tiles_size(conv, true));
  x.data = reinterpret_cast<char*>(xs.get());
  y.data = reinterpret_cast<char*>(ys.get());
  conv.packed = w.get();
  conv.packed_backward = wb.get();
  conv.gradient = dw.get();
  conv.tiles = tiles.get();

  std::vector<double> seconds;
  for (const int kind : kinds) {
    Step step{};
    step.conv = &conv;
    step.x = kind == STEP_conv_data ? &y : &x;
    step.y = kind == STEP_conv ? &y : &x;
    step.b = &y;
    // Strips of an even number of rows.
    Range range{0, units, 0, 1};
    range.strips = std::max(1, std::min(l.t / 4, l.t * l.f / 96));
    seconds.push_back(best_seconds([&] {
      for (range.strip = 0, range.strip_end = 1; range.strip < range.strips; range.strip++, range.strip_end++)
        table.steps[kind](step, range);
    }));
  }
  return seconds;
}

// Seconds of forward, input gradient and weight gradient.
std::vector<double> measure_window(const KernelTable& table, const WindowLayer& l, int units) {
  const int V = table.lanes;
  const bool dense = l.kind == CONV_DENSE, depthwise = l.kind == CONV_DEPTHWISE;
  const auto outputs = [&](int inputs, int taps) { return taps == 1 ? inputs : (inputs + l.stride - 1) / l.stride; };
  const auto reach = [&](int taps) { return (taps - 1) * l.dilation / 2; };
  const Window window{
      l.kt, l.kf, l.kt == 1 ? 1 : l.stride, l.kf == 1 ? 1 : l.stride, l.dilation, l.dilation, reach(l.kt), reach(l.kf)};
  const auto map = [&](int t, int f, int c) {
    return dense ? audio2vec::vector_layout(c, V) : audio2vec::map_layout(t, f, c, V, false, false);
  };
  Tensor x = map(l.t, l.f, l.cin), y = map(outputs(l.t, l.kt), outputs(l.f, l.kf), l.cout);
  Conv conv{};
  conv.kind = l.kind;
  conv.window = window;
  conv.bias = -1;
  if (dense) {
    conv.forward = audio2vec::conv_shape(x, y, 1, 1, 0, 0, V, table.accumulators);
    conv.backward = audio2vec::conv_shape(y, x, 1, 1, 0, 1, V, table.accumulators);
  } else {
    conv.forward = audio2vec::window_shape(l.kind, l.cin, l.cout, window, 0, V);
    conv.backward = audio2vec::window_shape(l.kind, l.cout, l.cin, window, 1, V);
  }
  conv.weights = conv.forward;
  Values xs(audio2vec::values_of(x, units, V)), ys(audio2vec::values_of(y, units, V)), w(conv.forward.size),
      wb(conv.backward.size), dw(conv.weights.size),
      tiles(std::max(audio2vec::copied_rows_size(conv.forward, window, y.F),
                     audio2vec::copied_rows_size(conv.backward, window, x.F)));
  x.data = reinterpret_cast<char*>(xs.get());
  y.data = reinterpret_cast<char*>(ys.get());
  conv.packed = w.get();
  conv.packed_backward = wb.get();
  conv.gradient = dw.get();
  conv.tiles = tiles.get();
  const std::vector<int> kinds =
      dense       ? std::vector<int>{STEP_dense, STEP_dense_data, STEP_dense_weights}
      : depthwise ? std::vector<int>{STEP_depthwise_conv, STEP_depthwise_conv_data, STEP_depthwise_conv_weights}
                  : std::vector<int>{STEP_window_conv, STEP_window_conv_data, STEP_window_conv_weights};
  std::vector<double> seconds;
  for (int i = 0; i < 3; i++) {
    Step step{};
    step.conv = &conv;
    step.x = i == 1 ? &y : &x;
    step.y = i == 0 ? &y : &x;
    step.b = &y;
    const Range range{0, units, 0, 1};
    seconds.push_back(best_seconds([&] { table.steps[kinds[i]](step, range); }));
  }
  return seconds;
}

}  // namespace

int main() {
  const KernelTable& table = audio2vec::kernels();
  const int V = table.lanes;
  alignas(64) char sink[4096];
  double peak = 0;
  const auto measure_peak = [&] {
    for (int i = 0; i < 4; i++) {
      const double start = cpu_seconds();
      const double flops = table.fma_burst(100000, sink);
      peak = std::max(peak, flops / (cpu_seconds() - start));
    }
  };
  measure_peak();

  std::printf("instruction set %s, %d lanes\n\n", table.isa, V);
  std::printf("| map | convolution | forward | input gradient | weight gradient |\n|---|---|---:|---:|---:|\n");
  double flops_all = 0, seconds[3] = {};
  for (Layer l; read_layer(l);) {
    measure_peak();
    const int units = std::max(1, std::min(64, 384 / (l.t * l.f)));
    const double flops = 2.0 * l.t * l.f * l.cin * l.cout * l.kt * l.kf * units;
    const auto forward = measure(table, l, units, l.inferring, {STEP_conv});
    const auto backward = measure(table, l, units, l.training, {STEP_conv_data, STEP_conv_weights});
    const double s[3] = {forward[0], backward[0], backward[1]};
    for (int i = 0; i < 3; i++) seconds[i] += s[i] / units;
    flops_all += flops / units;
    std::printf("| %d × %d | %d → %d, %d×%d | %.0f %% | %.0f %% | %.0f %% |\n", l.t, l.f, l.cin, l.cout, l.kt, l.kf,
                100 * flops / s[0] / peak, 100 * flops / s[1] / peak, 100 * flops / s[2] / peak);
  }
  std::printf("| all | | %.0f %% | %.0f %% | %.0f %% |\n", 100 * flops_all / seconds[0] / peak,
              100 * flops_all / seconds[1] / peak, 100 * flops_all / seconds[2] / peak);

  std::printf("\n| map | window | forward | input gradient | weight gradient |\n|---|---|---:|---:|---:|\n");
  for (const WindowLayer& l : kWindowLayers) {
    measure_peak();
    const int units = l.kind == CONV_DENSE ? 64 : l.t == 1 ? 4 : 2;
    const auto outputs = [&](int inputs, int taps) { return taps == 1 ? inputs : (inputs + l.stride - 1) / l.stride; };
    // Every tap counts, also where it meets zeros around the map.
    const double flops = 2.0 * outputs(l.t, l.kt) * outputs(l.f, l.kf) * (l.kind == CONV_DEPTHWISE ? 1 : l.cin) *
                         l.cout * l.kt * l.kf * units;
    const auto s = measure_window(table, l, units);
    const char* kind = l.kind == CONV_DENSE ? ", dense" : l.kind == CONV_DEPTHWISE ? ", depthwise" : "";
    std::printf("| %d × %d | %d → %d, %d×%d, stride %d, dilation %d%s | %.0f %% | %.0f %% | %.0f %% |\n", l.t, l.f,
                l.cin, l.cout, l.kt, l.kf, l.stride, l.dilation, kind, 100 * flops / s[0] / peak,
                100 * flops / s[1] / peak, 100 * flops / s[2] / peak);
  }
}
