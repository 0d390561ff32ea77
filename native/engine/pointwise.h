// Operators that take each value by itself. Maps may have any layout, the same for all operands. Where 0 does not give
// 0, padding channels are left out. `k` is the step's number.
#pragma once
#include "engine/operands.h"
#include "simd/functions.h"

namespace {

// y = fn(x), y = fn(x, b); of_channels: with padding kept zero.
template <typename Fn>
A2V_INLINE void unary(const Step& s, const Range& r, Fn fn) {
  write_values(s, r, NoConstants{}, [&](NoConstants, vec x) { return fn(x); }, *s.x);
}
template <typename Fn>
A2V_INLINE void unary_of_channels(const Step& s, const Range& r, Fn fn) {
  write_values(s, r, ChannelLanes(*s.y), [&](mask lanes, vec x) { return only(lanes, fn(x)); }, *s.x);
}
template <typename Fn>
A2V_INLINE void binary(const Step& s, const Range& r, Fn fn) {
  write_values(s, r, NoConstants{}, [&](NoConstants, vec x, vec b) { return fn(x, b); }, *s.x, *s.b);
}
template <typename Fn>
A2V_INLINE void binary_of_channels(const Step& s, const Range& r, Fn fn) {
  write_values(s, r, ChannelLanes(*s.y), [&](mask lanes, vec x, vec b) { return only(lanes, fn(x, b)); }, *s.x, *s.b);
}

// Backward steps of this group have x: the input; b: gradient of the result; y: gradient of the input.

void step_relu(const Step& s, const Range& r) {
  unary(s, r, [](vec x) { return relu_of(x); });
}
void step_relu_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec dy) { return x > vec{} ? dy : vec{}; });
}

// x, or k x where x is negative
void step_leaky_relu(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  unary(s, r, [=](vec x) { return x > vec{} ? x : k * x; });
}
void step_leaky_relu_backward(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  binary(s, r, [=](vec x, vec dy) { return x > vec{} ? dy : k * dy; });
}

void step_abs(const Step& s, const Range& r) {
  unary(s, r, [](vec x) { return abs_of(x); });
}
void step_abs_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec dy) { return x > vec{} ? dy : x < vec{} ? -dy : vec{}; });
}

void step_square(const Step& s, const Range& r) {
  unary(s, r, [](vec x) { return x * x; });
}
void step_square_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec dy) { return real(2) * x * dy; });
}

// ln(max(x, k)), k positive
void step_log(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  unary_of_channels(s, r, [=](vec x) { return log_of(vmax(k, x)); });
}
void step_log_backward(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  binary_of_channels(s, r, [=](vec x, vec dy) { return x > k ? dy / x : vec{}; });
}

// Of this group, x: the result; b: its gradient; y: gradient of the input.

void step_sigmoid(const Step& s, const Range& r) {
  unary_of_channels(s, r, [](vec x) { return sigmoid_of(x); });
}
void step_sigmoid_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec y, vec dy) { return dy * y * (real(1) - y); });
}

void step_tanh(const Step& s, const Range& r) {
  unary(s, r, [](vec x) { return tanh_of(x); });
}
void step_tanh_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec y, vec dy) { return dy * (real(1) - y * y); });
}

void step_exp(const Step& s, const Range& r) {
  unary_of_channels(s, r, [](vec x) { return exp_of(x); });
}
void step_exp_backward(const Step& s, const Range& r) {
  binary(s, r, [](vec y, vec dy) { return dy * y; });
}

// √(max(x, 0) + k)
void step_sqrt(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  unary_of_channels(s, r, [=](vec x) { return sqrt_of(vmax(vec{}, x) + k); });
}
void step_sqrt_backward(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  binary(s, r, [=](vec x, vec dy) {
    const vec slope = real(0.5) * dy / sqrt_of(x + k);  // NEON has a vector type of its own
    return x > vec{} ? slope : vec{};
  });
}

// Linear ones, which are also the gradients of one another. y = k x
void step_scale(const Step& s, const Range& r) {
  const vec k = splat(real(number_of(s)));
  unary(s, r, [=](vec x) { return k * x; });
}

// y = x ∘ b
void step_add(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec b) { return x + b; });
}
void step_sub(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec b) { return x - b; });
}
void step_mul(const Step& s, const Range& r) {
  binary(s, r, [](vec x, vec b) { return x * b; });
}
void step_div(const Step& s, const Range& r) {
  binary_of_channels(s, r, [](vec x, vec b) { return x / b; });
}

// Gradient of the divisor. x: the result; b: its gradient; g: the divisor
void step_div_backward(const Step& s, const Range& r) {
  const auto fn = [](mask lanes, vec y, vec dy, vec divisor) { return only(lanes, -y * dy / divisor); };
  write_values(s, r, ChannelLanes(*s.y), fn, *s.x, *s.b, *s.g);
}

}  // namespace
