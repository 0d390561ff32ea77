// Samples as files store them, read as mono float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace audio2vec {

// The order is that of `encodings` in lib/audio/convert.ts.
enum class Encoding { U8, S16, S24, S32, F32, F64, Companded, ImaAdpcm };

// Interleaved samples in memory.
struct Pcm {
  const uint8_t* bytes;
  Encoding encoding;
  bool big_endian;
  int channels;
  long long frames;       // samples of each channel
  const float* expanded;  // Companded: the value of each of the 256 codes
  int block_bytes;        // ImaAdpcm: bytes of a block (all channels)
};

constexpr long long kAllFinite = -1;

// Frames [first, first + count) as the mean of their channels; zeros outside the recording. Values are clipped to
// [-1, 1], as a recorder of integers would have. Returns the first frame that has a NaN or an infinity (which is read
// as 0), or kAllFinite.
long long read_mono(const Pcm& pcm, long long first, int count, float* out);

}  // namespace audio2vec
