// Sizes that follow from a shape and the vector length: see Tensor and ConvShape in step.h.
#pragma once

#include "engine/step.h"

namespace audio2vec {

// by_bands: bands innermost; F must then be a multiple of 2 * lanes.
Tensor map_layout(int T, int F, int C, int lanes, bool by_bands = false);
Tensor vector_layout(int C, int lanes);

// `in` and `out` are the layouts of the maps on either side; only their channels and folding matter. `upsampled` and
// `transposed` as in ConvShape; `accumulators` is how many vectors a micro-kernel may keep.
ConvShape conv_shape(const Tensor& in, const Tensor& out, int kt, int kf, int upsampled, int transposed, int lanes,
                     int accumulators, int winograd = 0);

// Values of working memory that a thread needs for a convolution as winograd.h does it.
long winograd_planes(const Conv& conv, bool training);

}  // namespace audio2vec
