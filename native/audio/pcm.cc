#include "audio/pcm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "audio/ima_adpcm.h"

namespace audio2vec {
namespace {

template <typename T>
T load(const uint8_t* p, bool swap) {
  T value;
  if (swap) {
    uint8_t reversed[sizeof(T)];
    std::reverse_copy(p, p + sizeof(T), reversed);
    std::memcpy(&value, reversed, sizeof(T));
  } else {
    std::memcpy(&value, p, sizeof(T));
  }
  return value;
}

// NaN passes through, so that the caller sees it: neither comparison holds.
template <typename T>
float clip(T x) {
  return static_cast<float>(x > 1 ? 1 : x < -1 ? -1 : x);
}

float s24(const uint8_t* p, bool big) {
  uint32_t bits = big ? uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8
                      : uint32_t(p[2]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[0]) << 8;
  return static_cast<float>(static_cast<int32_t>(bits)) * 0x1p-31f;
}

// The loop over frames and channels, once for each encoding and for mono.
template <typename Sample>
long long mix(const Pcm& pcm, int sample_bytes, long long first, int count, float* out, Sample sample) {
  const uint8_t* p = pcm.bytes + first * pcm.channels * sample_bytes;
  if (pcm.channels == 1) {
    for (int i = 0; i < count; i++) out[i] = sample(p + static_cast<ptrdiff_t>(i) * sample_bytes);
    return kAllFinite;
  }
  double scale = 1.0 / pcm.channels;
  for (int i = 0; i < count; i++) {
    double sum = 0;
    for (int c = 0; c < pcm.channels; c++, p += sample_bytes) sum += sample(p);
    out[i] = static_cast<float>(sum * scale);
  }
  return kAllFinite;
}

// For the floating-point encodings: infinities would be clipped and NaN only found later, so look at the bits first.
template <typename T>
long long mix_checked(const Pcm& pcm, long long first, int count, float* out) {
  bool swap = pcm.big_endian;
  mix(pcm, sizeof(T), first, count, out, [swap](const uint8_t* p) {
    T x = load<T>(p, swap);
    return std::isfinite(x) ? clip(x) : NAN;
  });
  long long bad = kAllFinite;
  for (int i = count - 1; i >= 0; i--)
    if (std::isnan(out[i])) {
      bad = first + i;
      out[i] = 0;
    }
  return bad;
}

long long read_inside(const Pcm& pcm, long long first, int count, float* out) {
  bool big = pcm.big_endian;
  switch (pcm.encoding) {
    case Encoding::U8:
      return mix(pcm, 1, first, count, out, [](const uint8_t* p) { return static_cast<float>(*p - 128) * 0x1p-7f; });
    case Encoding::S16:
      if (big)
        return mix(pcm, 2, first, count, out, [](const uint8_t* p) { return load<int16_t>(p, true) * 0x1p-15f; });
      return mix(pcm, 2, first, count, out, [](const uint8_t* p) { return load<int16_t>(p, false) * 0x1p-15f; });
    case Encoding::S24:
      return mix(pcm, 3, first, count, out, [big](const uint8_t* p) { return s24(p, big); });
    case Encoding::S32:
      return mix(pcm, 4, first, count, out,
                 [big](const uint8_t* p) { return static_cast<float>(load<int32_t>(p, big)) * 0x1p-31f; });
    case Encoding::F32:
      return mix_checked<float>(pcm, first, count, out);
    case Encoding::F64:
      return mix_checked<double>(pcm, first, count, out);
    case Encoding::Companded: {
      const float* expanded = pcm.expanded;
      return mix(pcm, 1, first, count, out, [expanded](const uint8_t* p) { return expanded[*p]; });
    }
    case Encoding::ImaAdpcm:
      read_ima_adpcm(pcm, first, count, out);
      return kAllFinite;
  }
  return kAllFinite;
}

}  // namespace

long long read_mono(const Pcm& pcm, long long first, int count, float* out) {
  long long begin = std::clamp(first, 0LL, pcm.frames);
  long long end = std::clamp(first + count, begin, pcm.frames);
  int before = static_cast<int>(std::clamp<long long>(begin - first, 0, count));
  int inside = static_cast<int>(end - begin);
  std::fill(out, out + before, 0.0f);
  std::fill(out + before + inside, out + count, 0.0f);
  return inside ? read_inside(pcm, begin, inside, out + before) : kAllFinite;
}

}  // namespace audio2vec
