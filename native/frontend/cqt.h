// What the constant-Q kernels are told: sizes and tables, computed once for a configuration and an instruction set.
// Plain data, because it crosses from code compiled for any CPU into code compiled for one.
#pragma once

enum { kCqtMaxLevels = 10 };

enum CqtOutput { kCqtMagnitude, kCqtLogarithm };

// Tables and samples marked `real` hold float or double, as the instruction set's kernels compute in.
struct CqtPlan {
  int bins, hop;

  // Level d is the signal at sampleRate / 2^d. Each level is half-band filtered from the one above it:
  // y[i] = x[2i] / 2 + Σ_k half_band[k] (x[2i-2k-1] + x[2i+2k+1]), 0 <= k < taps.
  int levels;
  int taps;
  const void* half_band;  // real [taps]

  // Blocks of V consecutive bins, from the lowest on. The first begins `padding` lanes before bin 0. The filters of a
  // block reach `half` samples of its level to either side of a frame's centre.
  int blocks, padding;
  const int* level_blocks;  // [levels + 1]: blocks level_blocks[d+1] … level_blocks[d]-1 are computed at level d
  const int* block_half;    // [blocks]
  const long* weights_at;   // [blocks]: where the block's weights begin
  const void* weights;      // real, for each n = 0 … half: V of the cosine part, V of the sine part

  // Magnitude, or base + slope · ln(1 + power · gain).
  CqtOutput output;
  double base, slope, gain;

  int scratch_bytes;  // what a call of CqtFrames needs, aligned to 64
};

// y[i] for i < count; x points at x[0], y at y[0]. Reads up to kCqtSlack samples beyond those that y needs and writes
// as many beyond y's end.
typedef void CqtDecimate(const CqtPlan* plan, const void* x, void* y, long count);
enum { kCqtSlack = 128 };

// `frames` frames to out [frames, bins]. centre[d] points at the sample of level d on which the first frame is centred.
// False, with `out` unfinished, if a value is not finite.
typedef bool CqtFrames(const CqtPlan* plan, const void* const* centre, long frames, float* out, void* scratch);
// Bytes of scratch for so many blocks.
typedef int CqtScratch(int blocks);

struct CqtKernels {
  CqtDecimate* decimate;
  CqtFrames* frames;
  CqtScratch* scratch_bytes;
};
