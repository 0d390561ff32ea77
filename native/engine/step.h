// What the engine runs: steps over tensors. lib/engine/schedule.ts decides which steps, in which order, over which
// tensors; network.cc allocates memory and walks the list; the files beside this one compute. Plain data, shared by
// code compiled with different flags.
#pragma once

#include <cstdint>

#include "engine/constants.h"

// A map of T frames × F bands × C channels per unit (a unit is one slice of one example), or a vector (T = F = 1).
//
// Channels are innermost. C is padded to Cp: a multiple of the vector length V, or, when C < V, the next power of two,
// so that V / Cp neighbouring bands fill a vector ("folding": a layer of 8 channels uses all 16 lanes). A column is the
// `unit` values that the kernels advance by: Cp of one band, or V of V / Cp bands. One zero column before each row (it
// also ends the previous row) and one zero row before each unit (it also ends the previous unit) make "same" padding
// free and keep columns aligned.
//
// Maps of few channels and many bands may have it the other way round: bands innermost, a row being C runs of F bands.
// Then the lanes of a vector are bands of one channel, however few channels there are (`planar`;
// lib/engine/planar.ts says which maps). A run is interleaved: neighbouring bands lie in neighbouring vectors, so
// that what combines them (taps, pooling) is vector arithmetic without shuffles. Of `columns` vectors, number f %
// columns holds band f, in lane f / columns.
struct Tensor {
  int T, F, C;
  int planar;        // bands innermost
  int Cp;            // channels with padding
  int column;        // values in a column: max(Cp, V), or Cp for a vector; planar: C * V, V lanes a channel
  int columns;       // columns in a row; planar: vectors in a channel's run
  long channel;      // values from a channel to the next
  long pitch;        // values from a row to the next
  long unit_stride;  // values from a unit to the next
  long origin;       // first value of frame 0, band 0
  int group;         // units that a thread's scratch holds; 0: the tensor is saved for the whole batch
  int strip;         // scratch: only the rows of the strip at hand are held, as the first ones of the map
  char* data;        // of the whole batch, or of thread 0's scratch
};

// How a layer is computed: three taps in a row, or one, between maps however they are laid out (conv.h); a dense layer;
// any window between maps that are neither folded nor planar (conv_window.h); one that keeps channels apart
// (conv_depthwise.h).
enum ConvKind { CONV_TAPS, CONV_DENSE, CONV_WINDOW, CONV_DEPTHWISE };

// A convolution (or dense layer: 1×1 over units) as the kernels see it, in one direction: for every output column,
// `segments` runs of K consecutive input values, each value times a row of `vectors` weight vectors.
//
// A convolution may read its input upsampled (nearest, by 2) along frames or bands, without the copies being made: two
// of its three taps then meet the same value, so each of two neighbouring outputs (two parities) is a convolution of
// two taps, whose weights are sums. Its input gradient has four taps, two steps apart.
//
// Where channels leave lanes free, so that an output column has several bands, lanes are shared out otherwise while
// products are summed (conv_folded.h): each run belongs to one band and is taken `fold` values at a time.
//
// Between planar maps the loop is another (conv_planar.h): weights are [kt][cin][kf][cout]. So it is where outputs
// are computed in pairs (winograd.h): the segments are then its four tiles.
//
// Windows of any size (conv_window.h) have a run for each tap, of all channels: weights are, by blocks of vectors,
// [kt][kf][cin][vectors of the block]. Of depthwise ones, cin counts as 1 and there is one block. Where the input has
// few channels, the rows that kCopiedRows output rows need are copied first.
struct ConvShape {
  int planar;
  int winograd;                   // 0; outputs computed in pairs along 1: frames; 2: bands (winograd.h)
  int segments;                   // runs: one for each input row that an output row needs
  int K;                          // values in a run (folded: rounded up to a multiple of `fold`)
  int vectors;                    // vectors in an output column
  int block;                      // of those, how many the micro-kernel computes at once
  int fold;                       // bands in an output column
  int in_stride;                  // input values from an output column to the next; folded: from a band to the next
  int parities;                   // folded: 2 if even and odd bands have weights of their own, two bands a step
  int polyphase;                  // 2: outputs of either parity have weights of their own
  int x_row[2], x_band[2];        // by output parity: offset of the first run, in rows and bands
  int x_row_step;                 // input rows from an output row (of one parity) to the next
  int y_row_step, y_column_step;  // output rows and columns from one of a parity to the next: 1 or 2
  int kt, kf;                     // kernel size
  int upsampled;                  // 0; 1: along frames; 2: along bands
  int transposed;                 // from output gradients to input gradients
  int kind;                       // ConvKind
  int copied;                     // windows: whether input rows are copied first
  int tap_step[2];                // windows, by axis: every so many taps one meets the same output (window.h)
  int cin, cin_pad;               // channels of the input side
  int cout, cout_pad;             // and of the output side
  long size;                      // packed weights: parities * segments * K * vectors * V
};

// Windows: vectors of the block that begins at vector v. Static, as below.
static inline int block_at(const ConvShape& s, int v) { return s.vectors - v < s.block ? s.vectors - v : s.block; }

// Few channels are less than that; see ConvShape.
enum { kCopiedRows = 8, kFewChannels = 8 };

// Pairs of outputs that winograd.h prepares at a time, for a map and for the weight gradient.
enum { kWinogradPairs = 24, kWinogradGradientPairs = 96 };

// A kernel's size, and by axis how far it advances, how far its taps lie apart, and zeros before the first value.
struct Window {
  int kt, kf, strideT, strideF, dilationT, dilationF, padT, padF;
};

struct Conv {
  int kind;
  Window window;
  ConvShape forward, backward;    // backward: from output gradients to input gradients
  ConvShape weights;              // as forward, or without winograd: how weight gradients are summed
  int folded_norm;                // inference: fold this norm's running statistics into weights and bias; -1: none
  long weight, bias;              // where they lie in the parameters; bias -1: none
  const int* parameter;           // [weights.size][2] which weights' sum stands there in kernel order; -1: none
  const int* parameter_backward;  // [backward.size][2]
  void* packed;                   // forward weights in kernel order
  void* packed_backward;          // null if the input needs no gradient
  void* packed_bias;              // [cout_pad or V]
  void* gradient;                 // per thread: weight gradients in kernel order
  void* bias_gradient;            // per thread: [unit]
  void* tiles;                    // per thread: [tiles_size] working memory of winograd.h, conv_window.h
  long tiles_size;
};

enum { kMostTaps = 3 };
// Static, as below.
static inline long tap_sums_size(int C) { return kMostTaps + kMostTaps * kMostTaps + kMostTaps * C; }

struct Norm {
  int C, Cp, column, planar, relu;
  long weight, bias, mean, var;  // where they lie in the parameters
  long count;                    // values per channel in the batch (set before a step)
  int running;                   // statistics are the running ones, which a step leaves as they are
  int copies;                    // how often each stands in the map that the model describes (upsampling left out)
  void* scale;                   // [unit] y = x * scale + shift
  void* shift;
  void* apply;         // [3][unit] dx = a * dy + b * x + c
  double* sums;        // per thread: [2][C]: Σx, Σx² forward; Σdy, Σdy·x backward
  double* statistics;  // [3][C]: batch mean, 1 / sqrt(var + eps), var
  // Training, see single_channel.h: the convolution of one channel that is normalised, or null; its sums, of
  // tap_sums_size() for each thread; and whether its gradients follow from them, too.
  const Conv* single;
  double* taps;
  int tap_gradients;
};

struct Step {
  int op;
  const Tensor *x, *b, *g;  // operands (g: a gradient) and results: what is what is said at each operator
  const Tensor *y, *y2;
  const Conv* conv;
  const Norm *norm, *norm2;
  int relu;                // conv: max(0, ·) at the end
  int accumulate;          // add to the result instead of replacing it
  int rows, first, count;  // units or channels of an operand, where an operator picks some of them: said at each
  int kt, kf, strideT, strideF, padT, padF;  // window of a pool, factors of an upsampling
  double weight, number;                     // of a loss; the operator's constant: said at each
  const double* scalar;                      // run-time scalar that `weight` or `number` is multiplied with, or null
  double* loss;                              // per thread
  long examples;                             // of the batch (set before a step)
  void* scratch;                             // whole-batch working memory of batch-coupled losses
};

// What the next strip needs from main memory. Kernels prefetch it (prefetch_next in prefetch.h) a few lines at a time
// as their own work goes on: prefetched all at once, the lines would keep waiting every load that misses the L1 cache.
struct Prefetch {
  struct Lines {
    const char *next, *end;
  };
  enum { kMost = 16, kBurst = 4 * 64, kShareBits = 24 };
  Lines lines[kMost];
  int count;    // of those, how many are left
  long work;    // done in this strip, about in vector operations
  long share;   // bursts of lines to prefetch in one operation, in 2^-kShareBits
  long credit;  // of which not prefetched yet
};

// Which part of a step to do: units n0 … n1-1 on `thread`, and of each unit's rows, cut into `strips`, the strips from
// `strip` up to `strip_end`.
struct Range {
  long n0, n1;
  int thread, threads;
  int strip = 0, strip_end = 1, strips = 1;
  Prefetch* prefetch = nullptr;  // null: nothing to prefetch
};

// Augmentations of slices from a store, each null or an array, slice after slice: lib/engine/augmentation.ts says
// what they mean.
struct AugmentArgs {
  const double* mix_starts;
  const float *mix_gain, *gain;  // [slices], [slices][F]
  const short* mask;             // [slices][4]
};

// Where an input node's values come from: see io.h.
struct InputArgs {
  const float* values;   // [units][T][F][C], or null:
  const float* store;    // log-mel frames [frames][F] of a feature store
  const double* starts;  // [units][C] first frame of each slice in it; a map of several channels takes a slice for each
  const float *mean, *inverse_std;  // [F], applied to slices from a store
  long frames;                      // in a slice; a tensor of T = 1 has those of a single band as its bands
  AugmentArgs augment;
};

// Update rules of optimizers.h, by name.
#define A2V_UPDATE_RULES(X) X(adam) X(sgd)
enum UpdateRule {
#define X(name) UPDATE_##name,
  A2V_UPDATE_RULES(X)
#undef X
      UPDATE_COUNT
};

struct UpdateArgs {
  int rule;
  double learning_rate, beta1, beta2, epsilon, weight_decay;  // beta1 is also the momentum of sgd
  double correction1, correction2;                            // 1 - beta^t
};

// Static: a weak copy compiled with other flags must not be shared (see kernels.cc).
static inline long first_row(const Tensor& t, const Range& r) { return long(t.T) * r.strip / r.strips; }
static inline long last_row(const Tensor& t, const Range& r) { return long(t.T) * r.strip_end / r.strips; }

// Every step kind, by the name that the schedule uses. One line here, one function in an operator's file. The first can
// do some rows of a map at a time (Range::strip), so that a map is worked on in strips; the others need whole units.
// clang-format off
#define A2V_STEPS_BY_ROWS(X)                                                           \
  X(conv) X(conv_data) X(conv_weights) X(bias_gradient)                                \
  X(norm_statistics) X(norm) X(norm_reduce) X(norm_apply)                              \
  X(tap_statistics) X(tap_gradients)                                                   \
  X(relu) X(relu_backward) X(scale) X(add) X(sub) X(mul) X(div) X(div_backward)        \
  X(max_pool) X(max_pool_backward)                                                     \
  X(residual_pool) X(residual_pool_reduce) X(residual_pool_apply)                      \
  X(upsample) X(upsample_backward) X(mse)
#define A2V_STEPS_OF_UNITS(X)                                                          \
  X(dense) X(dense_data) X(dense_weights)                                              \
  X(leaky_relu) X(leaky_relu_backward)                                                 \
  X(abs) X(abs_backward) X(square) X(square_backward) X(log) X(log_backward)           \
  X(sigmoid) X(sigmoid_backward) X(tanh) X(tanh_backward)                              \
  X(exp) X(exp_backward) X(sqrt) X(sqrt_backward) X(gate) X(gate_backward) X(dot)      \
  X(global_max_pool) X(global_max_pool_backward)                                       \
  X(window_conv) X(window_conv_data) X(window_conv_weights)                            \
  X(depthwise_conv) X(depthwise_conv_data) X(depthwise_conv_weights)                   \
  X(window_max) X(window_max_backward) X(window_mean) X(window_mean_backward)          \
  X(window_std) X(window_std_backward) X(window_upsample) X(window_upsample_backward)  \
  X(reshape) X(reshape_backward) X(select) X(select_backward)                          \
  X(concat) X(concat_backward) X(channels) X(channels_backward) X(one_hot)             \
  X(gather) X(gather_backward) X(dropout)                                              \
  X(l2_normalize) X(l2_normalize_backward) X(softmax) X(softmax_backward)              \
  X(layer_norm) X(layer_norm_backward)                                                 \
  X(l1) X(huber) X(hinge) X(bce) X(cross_entropy) X(soft_cross_entropy) X(triplet)     \
  X(contrastive_rows) X(contrastive_columns) X(nt_xent) X(nt_xent_backward)            \
  X(contrastive_index) X(contrastive_index_keys)                                       \
  X(diversity_sums) X(diversity)
#define A2V_STEPS(X) A2V_STEPS_BY_ROWS(X) A2V_STEPS_OF_UNITS(X)
// clang-format on

enum StepKind {
#define X(name) STEP_##name,
  A2V_STEPS(X)
#undef X
      STEP_COUNT
};
