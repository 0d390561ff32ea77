// What the log-mel kernel is told: sizes and tables, computed once for a front end and an instruction set. Plain data,
// because it crosses from code compiled for any CPU into code compiled for one.
#pragma once

// Tables marked `real` hold float or double, as the instruction set's kernels compute in.
struct LogMelPlan {
  int window, hop, bands;  // samples, samples, mel bands
  double log_offset;

  // The fold: the waveform cut into columns of `hop` samples and transposed, so that sample i of V consecutive frames
  // is one vector, at fold_at[i]. In a plan for frames that don't follow each other a column is a whole frame. A row
  // ends with the V columns that came last; before them are `fold_slots` vectors with as many columns as a frame
  // reaches beyond its own.
  int fold_rows;  // samples of a column that any frame uses: min(hop, window)
  int fold_extra, fold_stride;
  const int* fold_at;  // [2 * points]; anywhere beyond the window

  // The transform: a real FFT of 2 * points samples as a complex FFT of `points`, in passes of decimation in frequency.
  int points;
  int passes, radix[8];        // radix[0] = 8 and the last is 4; their product is `points`
  int block_stride;            // distance of the first pass's 8 blocks in memory, in points
  const void* window_weights;  // real [2 * points], 0 beyond the window
  const void* twiddles;        // real: for each pass but the last, for each n: radix - 1 complex numbers

  // The last pass takes the groups of four points that hold bins k + j * points/4 and their mirror images, makes the
  // bins of the real transform of both, and their power, which it leaves at bin_at[k], where the transform had that
  // bin. The mirror images of block b of the first pass lie in block 8-b: once these two have gone through the middle
  // passes their pairs up to pairs_end[b] follow at once, while they are in the nearest cache.
  int pairs_end[5];
  const int* pair_at;      // [pairs][2]: position of the four points from bin k on, and of the mirror's
  const int* bin_at;       // [points], in reals
  const void* pair_twist;  // real [pairs][4] complex: exp(-πi (k + j points/4) / points)

  // Between two neighbouring corners lie the falling side of one mel band and the rising side of the next: segments
  // s = 0 … bands, of segment_bins[s] bins each, from first_bin on, with a weight in band s-1 and one in band s.
  int first_bin;
  const int* segment_bins;
  const void* segment_weights;  // real [bins of all segments][2]

  // Energy beside the bands counts for the bound on rounding errors: bins below low_bins and from high_bin on.
  int low_bins, high_bin;
  double doubt_limit;
  double bin_error;  // of the gradient: squared error of a bin for each unit of energy

  // What a call needs beside its input and output, aligned to 64; and a call for the gradient.
  int scratch_bytes, gradient_scratch_bytes;
};

// Frames first … first+count-1 of samples[length] to out [count, bands], or of these, where `which` is not null, only
// first + which[i] to row which[i], for i < count. `scratch` is scratch_bytes of memory aligned to 64. False, with
// `out` unfinished, if a value is not finite. Unless it is null, doubt[i] says whether frame i has a band whose
// rounding error may exceed 1e-4.
typedef bool LogMelKernel(const LogMelPlan* plan, const float* samples, long length, long first, long count,
                          const int* which, float* out, unsigned char* doubt, void* scratch);

// The vector-Jacobian product, for frames chosen as above: gradient [.., bands] with respect to log-mel → parts
// [.., window], what each frame adds to the gradient with respect to its samples. Rows of both are those that
// LogMelKernel would write. Unless it is null, doubt[i] says whether the rounding error of frame i may matter.
typedef bool LogMelGradientKernel(const LogMelPlan* plan, const float* samples, long length, long first, long count,
                                  const int* which, const float* gradient, float* parts, unsigned char* doubt,
                                  void* scratch);
