// Layout and tables: IMA Digital Audio Focus and Technical Working Group, "Recommended Practices for Enhancing Digital
// Audio Compatibility in Multimedia Systems" 3.00 (1992); block layout: Microsoft's "New Multimedia Data Types".
#include "audio/ima_adpcm.h"

#include <algorithm>
#include <vector>

namespace audio2vec {
namespace {

constexpr int kSteps[89] = {7,     8,     9,     10,    11,    12,    13,    14,    16,    17,    19,   21,    23,
                            25,    28,    31,    34,    37,    41,    45,    50,    55,    60,    66,   73,    80,
                            88,    97,    107,   118,   130,   143,   157,   173,   190,   209,   230,  253,   279,
                            307,   337,   371,   408,   449,   494,   544,   598,   658,   724,   796,  876,   963,
                            1060,  1166,  1282,  1411,  1552,  1707,  1878,  2066,  2272,  2499,  2749, 3024,  3327,
                            3660,  4026,  4428,  4871,  5358,  5894,  6484,  7132,  7845,  8630,  9493, 10442, 11487,
                            12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767};
constexpr int kStepChange[8] = {-1, -1, -1, -1, 2, 4, 6, 8};

struct State {
  int sample, step;

  int next(int code) {
    int size = kSteps[step];
    int change = size >> 3;
    if (code & 4) change += size;
    if (code & 2) change += size >> 1;
    if (code & 1) change += size >> 2;
    sample = std::clamp(code & 8 ? sample - change : sample + change, -32768, 32767);
    step = std::clamp(step + kStepChange[code & 7], 0, 88);
    return sample;
  }
};

// One block: for each channel a header (first sample, step index), then codes, eight of each channel in turn, the low
// half of a byte first. Adds samples to `sums`, one for each frame.
void add_block(const uint8_t* block, int channels, int frames, int* sums) {
  for (int c = 0; c < channels; c++) {
    const uint8_t* header = block + 4 * c;
    State state{static_cast<int16_t>(header[0] | header[1] << 8), std::min<int>(header[2], 88)};
    sums[0] += state.sample;
    const uint8_t* codes = block + 4 * channels + 4 * c;
    for (int i = 0; i + 1 < frames; i++) {
      int byte = codes[(i / 8) * 4 * channels + i % 8 / 2];
      sums[i + 1] += state.next(i % 2 ? byte >> 4 : byte & 15);
    }
  }
}

}  // namespace

void read_ima_adpcm(const Pcm& pcm, long long first, int count, float* out) {
  int block_frames = (pcm.block_bytes / pcm.channels - 4) * 2 + 1;
  float scale = 0x1p-15f / static_cast<float>(pcm.channels);
  std::vector<int> sums(block_frames);
  for (long long done = 0; done < count;) {
    long long block = (first + done) / block_frames, skip = (first + done) % block_frames;
    int frames = static_cast<int>(std::min<long long>(block_frames, pcm.frames - block * block_frames));
    std::fill(sums.begin(), sums.end(), 0);
    add_block(pcm.bytes + block * pcm.block_bytes, pcm.channels, frames, sums.data());
    for (long long i = skip; i < frames && done < count; i++) out[done++] = static_cast<float>(sums[i]) * scale;
  }
}

}  // namespace audio2vec
