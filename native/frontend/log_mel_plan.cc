#include "frontend/log_mel_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "platform/flush_denormals.h"

namespace audio2vec {
namespace {

constexpr double kPi = 3.14159265358979323846;
// What may be wrong with a value of log-mel, and what rounding to 24 bits does to a bin of the transform.
constexpr double kLogError = 1e-4, kBinError = 5e-7;
// Frames between two looks at what is doubtful.
constexpr long kChunk = 2048;
// Frames whose gradients are kept until they are added up.
constexpr long kGradientChunk = 64;

// exp(-2πi turns)
template <class Real>
void append_phasor(std::vector<Real>& to, double turns) {
  to.push_back(Real(std::cos(2 * kPi * turns)));
  to.push_back(Real(-std::sin(2 * kPi * turns)));
}

// points = 8 × … × 4 with as few passes as possible.
int choose_radices(int points, int radix[8]) {
  int passes = 0;
  radix[passes++] = 8;
  for (int left = points / 32; left > 1; left /= radix[passes - 1])
    radix[passes++] = left == 2 ? 2 : left == 4 || left == 16 ? 4 : 8;
  radix[passes++] = 4;
  return passes;
}

}  // namespace

template <class Real>
void LogMelTables::build(const LogMelConfig& fe, int lanes, bool consecutive, std::vector<Real>& t) {
  LogMelPlan& p = plan_;
  p.window = fe.window;
  p.hop = fe.hop;
  p.bands = fe.bands;
  p.log_offset = fe.log_offset;

  // The half is for the split of the last pass.
  const int column = consecutive ? fe.hop : fe.window;
  p.fold_rows = std::min(column, fe.window);
  p.fold_extra = (fe.window - 1) / column;
  p.fold_stride = lanes + p.fold_extra;
  fold_at_.assign(fe.fft, 0);
  for (int i = 0; i < fe.fft; i++) {
    const bool inside = i < fe.window;
    if (inside) fold_at_[i] = i % column * p.fold_stride + i / column;
    t.push_back(inside ? Real(0.5 * hann(i, fe.window)) : Real(0));
  }

  p.points = fe.fft / 2;
  p.block_stride = p.points / 8 + 1;  // not a power of two: eight streams would share a cache set
  p.passes = choose_radices(p.points, p.radix);
  const size_t twiddles = t.size();
  for (int pass = 0, length = p.points; pass < p.passes - 1; length /= p.radix[pass++])
    for (int n = 0; n < length / p.radix[pass]; n++)
      for (int i = 1; i < p.radix[pass]; i++) append_phasor(t, double(n) * i / length);

  // Decimation in frequency leaves the bins in digit-reversed order: position_of[k] for the groups of the last pass.
  const int quarter = p.points / 4;
  std::vector<int> position_of(quarter);
  for (int group = 0; group < quarter; group++) {
    int position = 4 * group, k = 0, scale = 1;
    for (int pass = 0, length = p.points; pass < p.passes - 1; pass++) {
      length /= p.radix[pass];
      k += position / length * scale;
      position %= length;
      scale *= p.radix[pass];
    }
    position_of[k] = 4 * group / (p.points / 8) * p.block_stride + 4 * group % (p.points / 8);
  }
  for (int k = 0; k < p.points; k++) bin_at_.push_back((position_of[k % quarter] + k / quarter) * 2 * lanes);
  const size_t twist = t.size();
  for (int block = 0; block <= 4; block++) {
    for (int k = 0; k <= quarter / 2; k++) {
      if (k % 8 != block && k % 8 != 8 - block) continue;
      pair_at_.push_back(position_of[k]);
      pair_at_.push_back(position_of[(quarter - k) % quarter]);
      for (int j = 0; j < 4; j++) append_phasor(t, double(k + j * quarter) / fe.fft);
    }
    p.pairs_end[block] = int(pair_at_.size() / 2);
  }

  const size_t weights = t.size();
  const std::vector<double> corner = mel_corners(fe);
  const auto hz = [&](int k) { return fe.sample_rate * k / fe.fft; };
  int k = 1;  // bins 0 and `points` lie on or beyond the outermost corners
  while (k < p.points && hz(k) < corner[0]) k++;
  p.first_bin = k;
  for (int s = 0; s <= fe.bands; s++) {
    const int before = k;
    for (; k < p.points && hz(k) < corner[s + 1]; k++) {
      const double rising = (hz(k) - corner[s]) / (corner[s + 1] - corner[s]);
      t.push_back(Real(s > 0 ? 1 - rising : 0));
      t.push_back(Real(s < fe.bands ? rising : 0));
    }
    segment_bins_.push_back(k - before);
  }

  // Between the centres of the first and the last band the weights of each bin add up to 1.
  p.low_bins = std::min(p.points, int(std::ceil(corner[1] * fe.fft / fe.sample_rate)));
  p.high_bin = std::max(p.low_bins, int(corner[fe.bands] * fe.fft / fe.sample_rate) + 1);
  // A bin's error is below kBinError √(energy / points): ten times its standard deviation, as measured on tones,
  // sweeps and recordings. (The worst of seven million values of recordings was 0.8e-4 off, with kLogError = 1e-4.)
  p.doubt_limit = kLogError * kLogError / (4 * kBinError * kBinError) * p.points;
  p.bin_error = kBinError * kBinError / p.points;

  const int read = (p.fold_rows + lanes - 1) / lanes * lanes;
  const size_t reals = size_t(8 * p.block_stride * 2 + p.bands) * lanes + size_t(p.fold_rows) * p.fold_stride + lanes;
  p.scratch_bytes = int(reals * sizeof(Real) + size_t(lanes) * read * sizeof(float));
  p.gradient_scratch_bytes = p.scratch_bytes + int(size_t(fe.fft + fe.bands) * lanes * sizeof(Real));

  p.window_weights = t.data();
  p.twiddles = t.data() + twiddles;
  p.pair_twist = t.data() + twist;
  p.segment_weights = t.data() + weights;
  p.fold_at = fold_at_.data();
  p.pair_at = pair_at_.data();
  p.bin_at = bin_at_.data();
  p.segment_bins = segment_bins_.data();
}

LogMelTables::LogMelTables(const LogMelConfig& fe, const LogMelKernels& kernels, int lanes, int real_bytes,
                           bool consecutive)
    : kernels_(kernels) {
  if (real_bytes == 4)
    build(fe, lanes, consecutive, tables32_);
  else
    build(fe, lanes, consecutive, tables64_);
}

template <class Work>
bool LogMelTables::with_scratch(Work work) const {
  std::unique_ptr<char[]> scratch;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      scratch = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!scratch) scratch.reset(new char[plan_.gradient_scratch_bytes + 64]);
  const bool finite = work(reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.get()) + 63) & ~uintptr_t(63)));
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(scratch));
  return finite;
}

bool LogMelTables::run(const float* samples, long length, long first, long count, const int* which, float* out,
                       unsigned char* doubt) const {
  return with_scratch([&](void* scratch) {
    return kernels_.forward(&plan_, samples, length, first, count, which, out, doubt, scratch);
  });
}

bool LogMelTables::gradient(const float* samples, long length, long first, long count, const int* which,
                            const float* gradient, float* parts, unsigned char* doubt) const {
  return with_scratch([&](void* scratch) {
    return kernels_.gradient(&plan_, samples, length, first, count, which, gradient, parts, doubt, scratch);
  });
}

LogMel::LogMel(const LogMelConfig& fe, const KernelTable& kernels)
    : window_(fe.window),
      hop_(fe.hop),
      bands_(fe.bands),
      tables_(fe, {kernels.log_mel, kernels.log_mel_gradient}, kernels.lanes, kernels.real_bytes, true) {
  if (kernels.log_mel_precise) {
    const LogMelKernels precise = {kernels.log_mel_precise, kernels.log_mel_gradient_precise};
    precise_.reset(new LogMelTables(fe, precise, kernels.precise_lanes, 8, false));
  }
}

bool LogMel::run(const float* samples, long length, long first, long count, float* out) const {
  const FlushDenormals flush;
  if (!precise_) return tables_.run(samples, length, first, count, nullptr, out, nullptr);
  unsigned char doubt[kChunk];
  int which[kChunk];
  for (; count > 0; first += kChunk, count -= kChunk, out += kChunk * bands_) {
    const long chunk = std::min(count, kChunk);
    if (!tables_.run(samples, length, first, chunk, nullptr, out, doubt)) return false;
    int doubtful = 0;
    for (int f = 0; f < chunk; f++)
      if (doubt[f]) which[doubtful++] = f;
    if (!precise_->run(samples, length, first, doubtful, which, out, nullptr)) return false;
  }
  return true;
}

bool LogMel::parts_of(const float* samples, long length, long first, long count, const float* gradient,
                      float* parts) const {
  if (!precise_) return tables_.gradient(samples, length, first, count, nullptr, gradient, parts, nullptr);
  unsigned char doubt[kGradientChunk];
  int which[kGradientChunk];
  if (!tables_.gradient(samples, length, first, count, nullptr, gradient, parts, doubt)) return false;
  int doubtful = 0;
  for (int f = 0; f < count; f++)
    if (doubt[f]) which[doubtful++] = f;
  return precise_->gradient(samples, length, first, doubtful, which, gradient, parts, nullptr);
}

bool LogMel::gradient(const float* samples, long length, const float* gradient, long first, long count,
                      float* out) const {
  const FlushDenormals flush;
  const long end = first + count, out_first = first * hop_;
  const long out_end = end == frames(length) ? length : end * hop_;
  // Frames before the first that reach into its samples are computed again.
  const long start = std::max(0L, first - (window_ - 1) / hop_);
  const long chunk = std::max(1L, std::min(kGradientChunk, (1L << 18) / hop_));
  std::vector<float> parts(chunk * window_);
  // What frames so far add to the samples from `at * hop` on; each sample's terms come in the order of the frames.
  std::vector<double> sum(chunk * hop_ + window_);
  double check = 0;
  for (long at = start; at < end; at += chunk) {
    const long here = std::min(chunk, end - at);
    if (!parts_of(samples, length, at, here, gradient + at * bands_, parts.data())) return false;
    for (long f = 0; f < here; f++) {
      const float* part = parts.data() + f * window_;
      double* to = sum.data() + f * hop_;
      for (int i = 0; i < window_; i++) to[i] += part[i];
    }
    const long from = at * hop_, done = at + here == end ? out_end - from : here * hop_;
    const long known = std::min<long>(done, sum.size());
    for (long i = std::max(0L, out_first - from); i < known; i++) {
      out[from + i] = float(sum[i]);
      check += 0 * out[from + i];  // stays 0 unless a value is not finite
    }
    std::fill(out + from + known, out + from + done, 0.f);
    std::copy(sum.begin() + here * hop_, sum.end(), sum.begin());
    std::fill(sum.end() - here * hop_, sum.end(), 0.0);
  }
  return check == 0;
}

}  // namespace audio2vec
