// The product of product.h: panels of both matrices are copied so that the innermost loop reads them in a row, and a
// tile of sums stays in registers (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
#pragma once

#include "matrix/product.h"
#include "simd/vec.h"

namespace {

// Rows and columns of a tile.
enum { TILE_M = A2V_ACCUMULATORS / 2, TILE_N = 2 * V };
// A panel of B is [PANEL_K, PANEL_N], one of A [PANEL_M, PANEL_K]: they stay in the second level of the cache.
enum { PANEL_K = 256, PANEL_M = 120, PANEL_N = 512 };
static_assert(PANEL_M % TILE_M == 0 && PANEL_N % TILE_N == 0, "whole tiles");
static_assert(PANEL_K * (PANEL_M + PANEL_N) <= audio2vec::kProductScratch, "fits into the scratch");

// `count` lines of `depth` values, WIDTH of them side by side; what is missing of the last ones is 0.
template <int WIDTH>
A2V_INLINE void pack_lines(const real* from, long across, long along, long count, long depth, real* to) {
  for (long first = 0; first < count; first += WIDTH) {
    const long lines = count - first < WIDTH ? count - first : WIDTH;
    for (long k = 0; k < depth; k++) {
      const real* p = from + first * across + k * along;
      for (long l = 0; l < WIDTH; l++) to[l] = l < lines ? p[l * across] : 0;
      to += WIDTH;
    }
  }
}

// Every element of C is summed in the same order, over k from 0 up, wherever it stands in its tile.
A2V_INLINE void product_tile(long depth, const real* a, const real* b, vec sums[TILE_M][2]) {
  A2V_UNROLL for (int i = 0; i < TILE_M; i++) sums[i][0] = sums[i][1] = vec{};
  for (long k = 0; k < depth; k++, a += TILE_M, b += TILE_N) {
    const vec b0 = load(b), b1 = load(b + V);
    A2V_UNROLL for (int i = 0; i < TILE_M; i++) {
      const vec x = splat(a[i]);
      sums[i][0] += x * b0;
      sums[i][1] += x * b1;
    }
  }
}

A2V_INLINE void put_tile(const vec sums[TILE_M][2], long rows, long columns, real* c, long c_row, bool add) {
  if (columns == TILE_N) {
    for (long i = 0; i < rows; i++, c += c_row) {
      store(c, add ? load(c) + sums[i][0] : sums[i][0]);
      store(c + V, add ? load(c + V) + sums[i][1] : sums[i][1]);
    }
    return;
  }
  for (long i = 0; i < rows; i++, c += c_row) {
    real line[TILE_N];
    store(line, sums[i][0]);
    store(line + V, sums[i][1]);
    for (long j = 0; j < columns; j++) c[j] = add ? c[j] + line[j] : line[j];
  }
}

A2V_INLINE long at_most(long x, long limit) { return x < limit ? x : limit; }

void matrix_product(const audio2vec::MatrixProduct& p) {
  real* const a = p.scratch;
  real* const b = a + PANEL_K * PANEL_M;
  for (long i = 0; p.k == 0 && !p.add && i < p.m; i++)
    for (long j = 0; j < p.n; j++) p.c[i * p.c_row + j] = 0;  // a sum of nothing
  for (long n = 0; n < p.n; n += PANEL_N) {
    const long columns = at_most(p.n - n, PANEL_N);
    for (long k = 0; k < p.k; k += PANEL_K) {
      const long depth = at_most(p.k - k, PANEL_K);
      pack_lines<TILE_N>(p.b.data + n * p.b.column + k * p.b.row, p.b.column, p.b.row, columns, depth, b);
      for (long m = 0; m < p.m; m += PANEL_M) {
        const long rows = at_most(p.m - m, PANEL_M);
        pack_lines<TILE_M>(p.a.data + m * p.a.row + k * p.a.column, p.a.row, p.a.column, rows, depth, a);
        for (long j = 0; j < columns; j += TILE_N) {
          for (long i = 0; i < rows; i += TILE_M) {
            vec sums[TILE_M][2];
            product_tile(depth, a + i * depth, b + j * depth, sums);
            put_tile(sums, at_most(rows - i, TILE_M), at_most(columns - j, TILE_N), p.c + (m + i) * p.c_row + n + j,
                     p.c_row, p.add || k > 0);
          }
        }
      }
    }
  }
}

}  // namespace
