// Sizes that follow from a shape and the vector length: see Tensor and ConvShape in step.h.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/step.h"

namespace audio2vec {

// planar: bands innermost; F must then be a multiple of 2 * lanes. folded: neighbouring bands of few channels share a
// vector where they fill it.
Tensor map_layout(int T, int F, int C, int lanes, bool planar = false, bool folded = true);
Tensor vector_layout(int C, int lanes);

// `in` and `out` are the layouts of the maps on either side; only their channels and folding matter. `upsampled` and
// `transposed` as in ConvShape; `accumulators` is how many vectors a micro-kernel may keep.
ConvShape conv_shape(const Tensor& in, const Tensor& out, int kt, int kf, int upsampled, int transposed, int lanes,
                     int accumulators, int winograd = 0);

// The same for CONV_WINDOW and CONV_DEPTHWISE, between maps that are neither folded nor planar.
ConvShape window_shape(int kind, int cin, int cout, const Window& window, int transposed, int lanes);

// Values that so many units need, with the zeros around them and what a vector's load may reach.
long values_of(const Tensor& t, long units, int lanes);

// Sets to zero what lies around the rows of a unit: what kernels read there and never write.
void clear_borders(const Tensor& t, long unit, int real_bytes);

// A part of one block of memory, which tensor it is for, and from which phase to which it is needed.
struct LiveRange {
  size_t tensor, bytes;
  int from, to;
  size_t at = 0;
};
// Places them so that those needed at the same time lie apart; returns the size of the block.
size_t place_live_ranges(std::vector<LiveRange>& ranges);

// Values of working memory that a thread needs for a convolution as winograd.h does it.
long winograd_tiles_size(const Conv& conv, bool training);

// The same for the copied rows of conv_window.h, of maps that many bands wide on the output's side.
long copied_rows_size(const ConvShape& shape, const Window& window, int bands);

}  // namespace audio2vec
