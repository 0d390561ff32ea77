// fmaPeak(isa, milliseconds, threads): Promise of the FLOP/s that this many threads reach together, doing nothing but
// multiply-adds in that instruction set.
#pragma once

#include <napi.h>

namespace audio2vec {

Napi::Value fma_peak(const Napi::CallbackInfo& info);

}  // namespace audio2vec
