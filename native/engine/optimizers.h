// How optimizers move parameters, on flat arrays: UpdateRule in step.h lists them. Weight decay is decoupled
// (Loshchilov & Hutter 2019).
#pragma once
#include "engine/tensor.h"

namespace {

A2V_INLINE float root_of(float x) { return __builtin_sqrtf(x); }
A2V_INLINE double root_of(double x) { return __builtin_sqrt(x); }

// Adam (Kingma & Ba 2015)
void update_adam(void* parameters, const void* gradients, void* first, void* second, long n0, long n1,
                 const UpdateArgs& a) {
  real *p = static_cast<real*>(parameters), *m = static_cast<real*>(first), *v = static_cast<real*>(second);
  const real* g = static_cast<const real*>(gradients);
  const real b1 = a.beta1, b2 = a.beta2, c1 = 1 - a.beta1, c2 = 1 - a.beta2, epsilon = a.epsilon;
  const real step = a.learning_rate / a.correction1, decay = 1 - a.learning_rate * a.weight_decay;
  const real root = 1 / __builtin_sqrt(a.correction2);
  for (long i = n0; i < n1; i++) {
    m[i] = b1 * m[i] + c1 * g[i];
    v[i] = b2 * v[i] + c2 * g[i] * g[i];
    p[i] = decay * p[i] - step * m[i] / (root_of(v[i]) * root + epsilon);
  }
}

// Gradient descent with momentum (Sutskever et al. 2013, as PyTorch has it): `first` is the velocity.
void update_sgd(void* parameters, const void* gradients, void* first, void*, long n0, long n1, const UpdateArgs& a) {
  real *p = static_cast<real*>(parameters), *m = static_cast<real*>(first);
  const real* g = static_cast<const real*>(gradients);
  const real momentum = a.beta1, step = a.learning_rate, decay = 1 - a.learning_rate * a.weight_decay;
  for (long i = n0; i < n1; i++) {
    m[i] = momentum * m[i] + g[i];
    p[i] = decay * p[i] - step * m[i];
  }
}

}  // namespace
