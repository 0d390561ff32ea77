#include "frontend/cqt_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "platform/flush_denormals.h"

namespace audio2vec {

namespace {

constexpr double kPi = 3.14159265358979323846;

void* aligned(std::vector<char>& memory) {
  return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) & ~uintptr_t(63));
}

// Samples on either side of the centre that a filter of this length covers, n samples of level 0 apart.
int half_length(double length, int n) { return int(length / 2 / n); }

}  // namespace

template <class Real>
void Cqt::build(const CqtFilters& c, int lanes, std::vector<Real>& t) {
  CqtPlan& p = plan_;
  p.bins = int(c.frequencies.size());
  p.hop = c.hop;
  p.taps = int(c.half_band.size());
  p.blocks = (p.bins + lanes - 1) / lanes;
  p.padding = p.blocks * lanes - p.bins;
  p.levels = c.bin_levels[lanes - p.padding - 1] + 1;  // the highest bin of the lowest block decides
  p.output = c.logarithm ? kCqtLogarithm : kCqtMagnitude;
  p.base = c.base;
  p.slope = c.slope;
  p.gain = c.gain;
  for (double tap : c.half_band) t.push_back(Real(tap));

  level_blocks_.assign(p.levels + 1, 0);
  level_blocks_[0] = p.blocks;
  for (int b = 0; b < p.blocks; b++) {
    const int first = b * lanes - p.padding, end = first + lanes;
    const int level = c.bin_levels[end - 1];
    for (int d = 1; d <= level; d++) level_blocks_[d] = b + 1;
    const int step = 1 << level;
    int half = 0;
    for (int k = std::max(0, first); k < end; k++) half = std::max(half, half_length(c.lengths[k], step));
    block_half_.push_back(half);
    weights_at_.push_back(long(t.size()));
    t.resize(t.size() + size_t(half + 1) * 2 * lanes);
    for (int k = std::max(0, first); k < end; k++) {
      // A sine of amplitude 1 shall have magnitude 1, also through the half-band filters.
      double scale = step * 2 / (c.window[0] * c.lengths[k]);
      for (int d = 0; d < level; d++) {
        double response = 0.5;
        for (int i = 0; i < p.taps; i++)
          response +=
              2 * c.half_band[i] * std::cos(2 * kPi * c.frequencies[k] * (2 * i + 1) * (1 << d) / c.sample_rate);
        scale /= response;
      }
      Real* weight = t.data() + weights_at_.back() + (k - first);
      for (int n = 0; n <= half_length(c.lengths[k], step); n++, weight += 2 * lanes) {
        double w = 0;
        for (size_t i = 0; i < c.window.size(); i++) w += c.window[i] * std::cos(2 * kPi * i * n * step / c.lengths[k]);
        const double phase = 2 * kPi * c.frequencies[k] * n * step / c.sample_rate;
        weight[0] = Real(scale * w * std::cos(phase) * (n == 0 ? 0.5 : 1));  // the centre is folded onto itself
        weight[lanes] = Real(scale * w * -std::sin(phase));
      }
    }
  }

  for (int d = p.levels - 1; d >= 0; d--) {
    reach_[d] = 0;
    for (int b = level_blocks_[d + 1]; b < level_blocks_[d]; b++) reach_[d] = std::max<long>(reach_[d], block_half_[b]);
    if (d + 1 < p.levels) reach_[d] = std::max(reach_[d], 2 * reach_[d + 1] + 2 * p.taps - 1);
  }

  reach_[0] = std::max(reach_[0], c.latency);  // the same for every instruction set, whatever its blocks need

  p.half_band = t.data();
  p.weights = t.data();
  p.level_blocks = level_blocks_.data();
  p.block_half = block_half_.data();
  p.weights_at = weights_at_.data();
}

Cqt::Cqt(const CqtFilters& filters, const KernelTable& kernels)
    : kernels_(kernels.cqt), real_bytes_(kernels.real_bytes) {
  if (real_bytes_ == 4)
    build(filters, kernels.lanes, tables32_);
  else
    build(filters, kernels.lanes, tables64_);
  plan_.scratch_bytes = kernels_.scratch_bytes(plan_.blocks);
}

Cqt::~Cqt() = default;

FrontEndStatus Cqt::run(const float* samples, long length, long first, long count, float* out,
                        const std::atomic<int>* cancel) const {
  if (count == 0) return FRONT_END_DONE;
  std::unique_ptr<CqtStream> stream;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      stream = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!stream) stream.reset(new CqtStream(*this));
  stream->start(first);
  FrontEndStatus status = FRONT_END_DONE;
  const long end = (first + count - 1) * plan_.hop + reach_[0] + 1;
  for (long at = first * plan_.hop - reach_[0]; at < end && status == FRONT_END_DONE;) {
    // Up to the next end of: a block, the silence before, the samples, the silence after.
    const bool inside = at >= 0 && at < length;
    const long n = std::min({stream->block(), end - at, at < 0 ? -at : inside ? length - at : end - at});
    const long frames = stream->push(inside ? samples + at : nullptr, n, out);
    if (frames < 0) status = FRONT_END_NOT_FINITE;
    if (cancel && cancel->load(std::memory_order_relaxed)) status = FRONT_END_CANCELLED;
    out += std::max(0l, frames) * plan_.bins;
    at += n;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(stream));
  return status;
}

CqtStream::CqtStream(const Cqt& cqt) : cqt_(cqt), real_bytes_(cqt.real_bytes_) {
  // Enough for two full tiles of frames, at most a second or two: the kernel's data should stay in the L2 cache.
  block_ = std::min(std::max(24l * cqt.hop(), 1024l), 16384l);
  const int h = 2 * cqt.plan_.taps;
  for (int d = 0; d < cqt.plan_.levels; d++) {
    Level& level = levels_[d];
    // Kept from block to block are at most two reaches; with twice that, samples rarely have to be moved.
    level.capacity = (block_ >> d) + 4 * (cqt.reach(d) + h);
    level.memory.resize((level.capacity + 2 * kCqtSlack) * real_bytes_ + 64);
    level.data = static_cast<char*>(aligned(level.memory)) + kCqtSlack * real_bytes_;
  }
  scratch_memory_.resize(cqt.plan_.scratch_bytes + 64);
  scratch_ = aligned(scratch_memory_);
  start(0);
}

void CqtStream::start(long frame) {
  next_ = frame;
  levels_[0].start = levels_[0].end = frame * cqt_.hop() - cqt_.reach(0);
  // The first sample whose filter, 2 taps - 1 to either side, lies within the level above.
  for (int d = 1; d < cqt_.plan_.levels; d++)
    levels_[d].start = levels_[d].end = (levels_[d - 1].start + 2 * cqt_.plan_.taps) >> 1;
}

void CqtStream::make_room(int d, long n) {
  Level& level = levels_[d];
  if (level.end + n - level.start <= level.capacity) return;
  long keep = ((next_ * cqt_.hop()) >> d) - cqt_.reach(d);
  if (d + 1 < cqt_.plan_.levels) keep = std::min(keep, 2 * levels_[d + 1].end - 2 * cqt_.plan_.taps);
  keep = std::max(level.start, std::min(keep, level.end));
  std::memmove(level.data, at(level, keep), (level.end - keep) * real_bytes_);
  level.start = keep;
}

void CqtStream::append(const float* samples, long n) {
  make_room(0, n);
  Level& top = levels_[0];
  char* to = at(top, top.end);
  if (!samples)
    std::memset(to, 0, n * real_bytes_);
  else if (real_bytes_ == 4)
    std::memcpy(to, samples, n * sizeof(float));
  else
    std::copy(samples, samples + n, reinterpret_cast<double*>(to));
  top.end += n;
  const int reach = 2 * cqt_.plan_.taps - 1;
  for (int d = 1; d < cqt_.plan_.levels; d++) {
    const Level& above = levels_[d - 1];
    Level& level = levels_[d];
    const long end = ((above.end - 1 - reach) >> 1) + 1, count = end - level.end;
    if (count <= 0) continue;
    make_room(d, count);
    cqt_.kernels_.decimate(&cqt_.plan_, at(above, 2 * level.end), at(level, level.end), count);
    level.end = end;
  }
}

long CqtStream::push(const float* samples, long n, float* out) {
  const FlushDenormals flush;
  const CqtPlan& p = cqt_.plan_;
  long done = 0;
  while (n > 0) {
    const long here = std::min(n, block_);
    append(samples, here);
    if (samples) samples += here;
    n -= here;
    const long last = levels_[0].end - 1 - cqt_.reach(0);  // the last sample on which a complete frame may be centred
    const long frames = last < 0 ? 0 : last / p.hop + 1 - next_;
    if (frames <= 0) continue;
    const void* centre[kCqtMaxLevels];
    for (int d = 0; d < p.levels; d++) centre[d] = at(levels_[d], (next_ * p.hop) >> d);
    if (!cqt_.kernels_.frames(&p, centre, frames, out + done * p.bins, scratch_)) return -1;
    next_ += frames;
    done += frames;
  }
  return done;
}

}  // namespace audio2vec
