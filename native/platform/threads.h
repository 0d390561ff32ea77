// The process's threads for data-parallel loops. The partition of a loop never depends on timing, so the same number of
// threads always gives the same bits.
#pragma once

namespace audio2vec {

// Calls fn(context, thread) once for each thread 0 … threads-1 and returns when all are done; the caller is thread 0.
// All networks share the other threads, which begin when they are first needed: loops of several threads take turns,
// one of a single thread never waits. Where the system gives no more threads, the caller does their part.
void run_on_threads(int threads, void (*fn)(void* context, int thread), void* context);

}  // namespace audio2vec
