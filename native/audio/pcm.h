// Samples as files store them, read as mono float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace audio2vec {

// How files store samples; the names, in this order, are those of lib/native/constants.ts.
#define A2V_ENCODINGS(X)    \
  X(U8, "u8")               \
  X(S16, "s16")             \
  X(S24, "s24")             \
  X(S32, "s32")             \
  X(F32, "f32")             \
  X(F64, "f64")             \
  X(Companded, "companded") \
  X(ImaAdpcm, "imaAdpcm")
enum class Encoding {
#define X(encoding, name) encoding,
  A2V_ENCODINGS(X)
#undef X
};

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
