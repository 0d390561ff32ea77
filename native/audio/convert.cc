#include "audio/convert.h"

#include <algorithm>
#include <vector>

#include "audio/resample.h"
#include "audio/resample_block.h"
#include "kernel_table.h"

namespace audio2vec {
namespace {

constexpr int kBlockFrames = 1 << 16;  // input samples at a time: 256 kB, which stay in the L2 cache

bool cancelled(const int32_t* cancel) { return __atomic_load_n(cancel, __ATOMIC_RELAXED) != 0; }

// read_mono by the recording's own count of frames.
long long read(const Part& part, long long first, int count, float* out) {
  long long bad = read_mono(part.pcm, first - part.first, count, out);
  return bad == kAllFinite ? bad : bad + part.first;
}

long long copy(const Part& part, float* output, long long first, long long outputs, const int32_t* cancel) {
  for (long long done = 0; done < outputs; done += kBlockFrames) {
    if (cancelled(cancel)) return kCancelled;
    int count = static_cast<int>(std::min<long long>(kBlockFrames, outputs - done));
    long long bad = read(part, first + done, count, output + done);
    if (bad != kAllFinite) return bad;
  }
  return kAllFinite;
}

}  // namespace

int reach(int rate, int target) { return rate == target ? 0 : resample_filter(rate, target)->taps / 2; }

long long convert(const Part& part, int rate, int target, float* output, long long first_output, long long outputs,
                  const int32_t* cancel) {
  if (rate == target) return copy(part, output, first_output, outputs, cancel);

  auto filter = resample_filter(rate, target);
  const ResampleFilter& f = *filter;
  long long most = std::min(outputs, static_cast<long long>(kBlockFrames) * f.up / f.down);
  int block = std::max(1, static_cast<int>(most));
  std::vector<float> input(static_cast<size_t>(static_cast<long long>(block) * f.down / f.up) + f.taps + 1);
  for (long long done = 0; done < outputs; done += block) {
    if (cancelled(cancel)) return kCancelled;
    int count = static_cast<int>(std::min<long long>(block, outputs - done));
    long long position = (first_output + done) * f.down, first = position / f.up - (f.taps / 2 - 1);
    // Only what these outputs need: a part may end there.
    int needed = static_cast<int>((position % f.up + static_cast<long long>(count - 1) * f.down) / f.up) + f.taps + 1;
    needed = std::min(needed, static_cast<int>(input.size()));
    long long bad = read(part, first, needed, input.data());
    if (bad != kAllFinite) return bad;
    kernels().resample({input.data(), output + done, f.table.data(), f.taps, f.phases, count, f.down, f.up,
                        static_cast<int>(position % f.up)});
  }
  return kAllFinite;
}

}  // namespace audio2vec
