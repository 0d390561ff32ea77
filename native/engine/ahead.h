// Prefetching what the next strip needs (Ahead in step.h), a few lines at a time: every miss of the L1 cache occupies
// one of its few fill buffers until the line is there, so a long row of prefetches holds up all loads that follow.
#pragma once
#include "engine/step.h"
#include "simd/vec.h"

namespace {

// The lines of the next strip that are due after so many operations, for a loop that asks for them itself. Of a
// function that only prefetches and changes nothing g++ 12 drops every call, as one of no effect; this one keeps count.
__attribute__((noinline)) Ahead::Lines due_lines(Ahead* ahead, long operations) {
  if (!ahead) return {};
  ahead->work += operations;
  ahead->due += operations * ahead->share;
  const long bursts = ahead->due >> Ahead::kShareBits;
  if (bursts == 0 || ahead->count == 0) return {};
  Ahead::Lines &lines = ahead->lines[ahead->count - 1], now = lines;
  lines.next += bursts * Ahead::kBurst;
  if (lines.next >= lines.end)
    ahead->count--;
  else
    now.end = lines.next;
  ahead->due -= bursts << Ahead::kShareBits;
  return now;
}

// Asks for a few of them; what lies beyond the end does no harm.
A2V_INLINE void ask_some(Ahead::Lines& lines) {
  if (lines.next >= lines.end) return;
  A2V_UNROLL for (long i = 0; i < Ahead::kBurst; i += 64) __builtin_prefetch(lines.next + i, 0, 2);
  lines.next += Ahead::kBurst;
}

A2V_INLINE void ask_rest(Ahead::Lines lines) {
  while (lines.next < lines.end) ask_some(lines);
}

// To be called every few hundred operations: asks for what is due.
A2V_INLINE void ask(Ahead* ahead, long operations) { ask_rest(due_lines(ahead, operations)); }

// What is due while so many rows of `operations` each are computed, a share with every row.
class DueByRows {
 public:
  A2V_INLINE DueByRows(Ahead* ahead, long operations, long rows)
      : lines_(due_lines(ahead, operations * rows)), bursts_((lines_.end - lines_.next) / Ahead::kBurst / rows + 1) {}
  A2V_INLINE void ask() {
    for (long i = 0; i < bursts_; i++) ask_some(lines_);
  }

 private:
  Ahead::Lines lines_;
  long bursts_;
};

}  // namespace
