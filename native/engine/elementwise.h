// ReLU and addition.
#pragma once
#include "engine/tensor.h"

namespace {

void step_relu(const Step& s, const Range& r) {
  map_vectors(*s.x, *s.y, r, NoConstants{}, [](vec v, NoConstants) { return vmax(v, vec{}); });
}

// x: the input; b: gradient of the result; y: gradient of the input
void step_relu_backward(const Step& s, const Range& r) {
  map_pairs(*s.x, *s.b, *s.y, r, NoConstants{}, [](vec v, vec g, NoConstants) { return v > vec{} ? g : vec{}; });
}

// y = x + b. Both inputs of an addition have its gradient: there is no backward step, the schedule shares the tensor.
void step_add(const Step& s, const Range& r) {
  map_pairs(*s.x, *s.b, *s.y, r, NoConstants{}, [](vec a, vec b, NoConstants) { return a + b; });
}

}  // namespace
