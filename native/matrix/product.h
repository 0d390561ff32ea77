// Products of matrices in double precision: what probes, neighbours and whitening spend their time in.
#pragma once

namespace audio2vec {

// Element (i, j) is data[i * row + j * column]: a matrix or its transpose, whole or a part of one.
struct MatrixView {
  const double* data;
  long row, column;
};

// A [m, k] · B [k, n] into C, whose rows lie `c_row` apart.
struct MatrixProduct {
  long m, n, k;
  MatrixView a, b;
  double* c;
  long c_row;
  bool add;  // to what C holds
  double* scratch;
};

// Doubles of scratch that are enough for every instruction set.
constexpr long kProductScratch = 256 * (128 + 544);

typedef void MatrixProductKernel(const MatrixProduct&);

}  // namespace audio2vec
