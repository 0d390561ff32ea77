// A front end and a kernel table from JavaScript, which checked both.
#pragma once

#include <napi.h>

#include "frontend/log_mel_plan.h"

namespace audio2vec {

inline LogMelConfig front_end_from(Napi::Object o) {
  const auto number = [&](const char* key) { return o.Get(key).ToNumber().DoubleValue(); };
  LogMelConfig fe;
  fe.sample_rate = number("sampleRate");
  fe.window = int(number("windowLength"));
  fe.hop = int(number("hop"));
  fe.fft = int(number("fftSize"));
  fe.bands = int(number("bands"));
  fe.low_hz = number("lowHz");
  fe.high_hz = number("highHz");
  fe.log_offset = number("logOffset");
  return fe;
}

inline const KernelTable& kernels_named(Napi::Value isa) {
  const KernelTable* found = isa.IsString() ? find_kernels(isa.ToString().Utf8Value().c_str()) : nullptr;
  return found ? *found : kernels();
}

}  // namespace audio2vec
