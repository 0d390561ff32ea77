// V × V transposition in registers, as log2(V) perfect shuffles of the rows.
#pragma once

#include "simd/vec.h"

namespace {

#if LANES == 16
#define A2V_ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define A2V_ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define A2V_ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define A2V_ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif LANES == 4
#define A2V_ZIP_LOW 0, 4, 1, 5
#define A2V_ZIP_HIGH 2, 6, 3, 7
#else
#define A2V_ZIP_LOW 0, 2
#define A2V_ZIP_HIGH 1, 3
#endif

// rows[i][j] becomes rows[j][i].
A2V_INLINE void transpose(vec rows[V]) {
  A2V_UNROLL for (int round = 1; round < V; round *= 2) {
    vec shuffled[V];
    A2V_UNROLL for (int i = 0; i < V / 2; i++) {
      shuffled[2 * i] = __builtin_shufflevector(rows[i], rows[i + V / 2], A2V_ZIP_LOW);
      shuffled[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + V / 2], A2V_ZIP_HIGH);
    }
    A2V_UNROLL for (int i = 0; i < V; i++) rows[i] = shuffled[i];
  }
}

}  // namespace
