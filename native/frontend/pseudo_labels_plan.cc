#include "frontend/pseudo_labels_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "platform/flush_denormals.h"

namespace audio2vec {
namespace {

constexpr double kLowestPitch = 60, kHighestPitch = 500;  // Hz
// Blocks shorter than this cost more to add up than they save.
constexpr int kShortestBlock = 16;

}  // namespace

PseudoLabels::PseudoLabels(const LogMelConfig& fe, const KernelTable& kernels)
    : window_(fe.window),
      hop_(fe.hop),
      real_bytes_(kernels.real_bytes),
      transform_(fe, {kernels.log_mel, kernels.log_mel_gradient}, kernels.lanes, kernels.real_bytes, true),
      kernel_(kernels.pseudo_labels) {
  PseudoLabelPlan& p = plan_;
  const LogMelPlan& t = transform_.plan();
  const int lanes = kernels.lanes, bins = t.points + 1;
  p.transform = &t;
  p.sample_rate = fe.sample_rate;
  p.bin_hz = fe.sample_rate / fe.fft;
  const auto first_bin_from = [&](double hz) { return std::min(bins, int(std::ceil(hz / p.bin_hz))); };
  p.alpha_first = first_bin_from(50);
  p.alpha_middle = first_bin_from(1000);
  p.alpha_end = std::min(bins, int(5000 / p.bin_hz) + 1);

  p.lag_high = int(fe.sample_rate / kLowestPitch);
  p.lag_low = int(std::lround(fe.sample_rate / kHighestPitch));
  p.lag_stride = (p.lag_high + 1 + lanes - 1) / lanes * lanes;
  p.before = p.lag_high / 2;
  const int common = std::gcd(fe.window, fe.hop);
  const bool shared = common >= kShortestBlock && fe.hop < fe.window;
  p.block = shared ? common : fe.window;
  p.blocks = fe.window / p.block;
  p.blocks_per_hop = shared ? fe.hop / p.block : p.blocks;

  const size_t fold = size_t(t.fold_rows) * t.fold_stride + 2 * lanes;
  const size_t yin =
      size_t(p.blocks + 2 * lanes) * p.lag_stride + size_t(lanes - 1) * fe.hop + fe.window + p.lag_stride + lanes;
  const size_t reals = size_t(8 * t.block_stride * 2 + bins) * lanes + fold + yin;
  const int read = (t.fold_rows + lanes - 1) / lanes * lanes;
  p.scratch_bytes = int(reals * size_t(real_bytes_) + size_t(lanes) * read * sizeof(float));
}

bool PseudoLabels::run(const float* samples, long length, long first, long count, void* out, long stride) const {
  const FlushDenormals flush;
  const std::unique_ptr<char[]> scratch(new char[plan_.scratch_bytes + 64]);
  void* aligned = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.get()) + 63) & ~uintptr_t(63));
  return kernel_(&plan_, samples, length, first, count, out, stride, aligned);
}

}  // namespace audio2vec
