// matrixProduct(m, n, k, a, row, column, b, row, column, c, row, add): C = A·B or C += A·B, see matrix/product.h.
// Arrays are Float64Array that begin with their element (0, 0). Works on the calling thread: lib/matrix/ checks and
// gives it little at a time.
#include <vector>

#include "addon/bindings.h"
#include "kernel_table.h"

namespace audio2vec {
namespace {

Napi::Value matrix_product(const Napi::CallbackInfo& info) {
  thread_local std::vector<double> scratch(kProductScratch);
  const auto integer = [&](int i) { return long(info[i].As<Napi::Number>().Int64Value()); };
  const auto data = [&](int i) { return info[i].As<Napi::Float64Array>().Data(); };
  MatrixProduct p;
  p.m = integer(0);
  p.n = integer(1);
  p.k = integer(2);
  p.a = {data(3), integer(4), integer(5)};
  p.b = {data(6), integer(7), integer(8)};
  p.c = data(9);
  p.c_row = integer(10);
  p.add = info[11].As<Napi::Boolean>();
  p.scratch = scratch.data();
  kernels().matrix_product(p);
  return info.Env().Undefined();
}

}  // namespace

void register_matrix(Napi::Env env, Napi::Object exports) {
  exports.Set("matrixProduct", Napi::Function::New(env, matrix_product));
}

}  // namespace audio2vec
