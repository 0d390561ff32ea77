// IMA ADPCM in WAV blocks (format tag 0x11): four bits a sample.
#pragma once

#include "audio/pcm.h"

namespace audio2vec {

// Frames [first, first + count), inside the recording, as the mean of their channels.
void read_ima_adpcm(const Pcm& pcm, long long first, int count, float* out);

}  // namespace audio2vec
