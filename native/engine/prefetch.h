// Prefetching what the next strip needs (Prefetch in step.h), a few lines at a time: every miss of the L1 cache
// occupies one of its few fill buffers until the line is there, so a long row of prefetches holds up all loads that
// follow.
#pragma once
#include "engine/step.h"
#include "simd/vec.h"

namespace {

// The lines of the next strip to prefetch after so many operations, for a loop that does so itself. Of a
// function that only prefetches and changes nothing g++ 12 drops every call, as one of no effect; this one keeps count.
__attribute__((noinline)) Prefetch::Lines next_lines(Prefetch* prefetch, long operations) {
  if (!prefetch) return {};
  prefetch->work += operations;
  prefetch->credit += operations * prefetch->share;
  const long bursts = prefetch->credit >> Prefetch::kShareBits;
  if (bursts == 0 || prefetch->count == 0) return {};
  Prefetch::Lines &lines = prefetch->lines[prefetch->count - 1], now = lines;
  lines.next += bursts * Prefetch::kBurst;
  if (lines.next >= lines.end)
    prefetch->count--;
  else
    now.end = lines.next;
  prefetch->credit -= bursts << Prefetch::kShareBits;
  return now;
}

// Asks for a few of them; what lies beyond the end does no harm.
A2V_INLINE void prefetch_some(Prefetch::Lines& lines) {
  if (lines.next >= lines.end) return;
  A2V_UNROLL for (long i = 0; i < Prefetch::kBurst; i += 64) __builtin_prefetch(lines.next + i, 0, 2);
  lines.next += Prefetch::kBurst;
}

A2V_INLINE void prefetch_rest(Prefetch::Lines lines) {
  while (lines.next < lines.end) prefetch_some(lines);
}

// To be called every few hundred operations: prefetches as many lines as go with them.
A2V_INLINE void prefetch_next(Prefetch* prefetch, long operations) { prefetch_rest(next_lines(prefetch, operations)); }

// Lines that go with so many rows of `operations` each, a share with every row.
class PrefetchByRows {
 public:
  A2V_INLINE PrefetchByRows(Prefetch* prefetch, long operations, long rows)
      : lines_(next_lines(prefetch, operations * rows)),
        bursts_((lines_.end - lines_.next) / Prefetch::kBurst / rows + 1) {}
  A2V_INLINE void prefetch() {
    for (long i = 0; i < bursts_; i++) prefetch_some(lines_);
  }

 private:
  Prefetch::Lines lines_;
  long bursts_;
};

}  // namespace
