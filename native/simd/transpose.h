// Transpositions in registers by perfect shuffles of C rows of V, C a power of two. Taken as one array, its index has
// bits of the row above bits of the lane; each shuffle turns the index by a bit.
#pragma once

#include "simd/vec.h"

namespace {

#if LANES == 16
#define A2V_ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define A2V_ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define A2V_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define A2V_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif LANES == 8
#define A2V_ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define A2V_ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define A2V_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define A2V_ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif LANES == 4
#define A2V_ZIP_LOW 0, 4, 1, 5
#define A2V_ZIP_HIGH 2, 6, 3, 7
#define A2V_EVEN 0, 2, 4, 6
#define A2V_ODD 1, 3, 5, 7
#else
#define A2V_ZIP_LOW 0, 2
#define A2V_ZIP_HIGH 1, 3
#define A2V_EVEN 0, 2
#define A2V_ODD 1, 3
#endif

// Lane after lane, each with its value of every row.
template <int C>
A2V_INLINE void interleave(vec rows[C]) {
  A2V_UNROLL for (int round = 1; round < C; round *= 2) {
    vec shuffled[C];
    A2V_UNROLL for (int i = 0; i < C / 2; i++) {
      shuffled[2 * i] = __builtin_shufflevector(rows[i], rows[i + C / 2], A2V_ZIP_LOW);
      shuffled[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + C / 2], A2V_ZIP_HIGH);
    }
    A2V_UNROLL for (int i = 0; i < C; i++) rows[i] = shuffled[i];
  }
}

// The way back.
template <int C>
A2V_INLINE void separate(vec rows[C]) {
  A2V_UNROLL for (int round = 1; round < C; round *= 2) {
    vec shuffled[C];
    A2V_UNROLL for (int i = 0; i < C / 2; i++) {
      shuffled[i] = __builtin_shufflevector(rows[2 * i], rows[2 * i + 1], A2V_EVEN);
      shuffled[i + C / 2] = __builtin_shufflevector(rows[2 * i], rows[2 * i + 1], A2V_ODD);
    }
    A2V_UNROLL for (int i = 0; i < C; i++) rows[i] = shuffled[i];
  }
}

// rows[i][j] becomes rows[j][i].
A2V_INLINE void transpose(vec rows[V]) { interleave<V>(rows); }

}  // namespace
