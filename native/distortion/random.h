// Seeded draws: splitmix64 (Steele, Lea and Flood 2014). The same seed gives the same numbers on every platform.
#pragma once
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace audio2vec {

class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // In [low, high).
  double uniform(double low = 0, double high = 1) { return low + (high - low) * double(bits() >> 11) * 0x1p-53; }

  // -1 or 1.
  double sign() { return bits() >> 63 ? 1 : -1; }

  // Two normal values (Box and Muller 1958).
  void normal_pair(float& a, float& b) {
    const double r = std::sqrt(-2 * std::log(1 - uniform())), angle = 2 * M_PI * uniform();
    a = float(r * std::cos(angle));
    b = float(r * std::sin(angle));
  }

  std::vector<float> normal(size_t count) {
    std::vector<float> out(count + count % 2);
    for (size_t i = 0; i < out.size(); i += 2) normal_pair(out[i], out[i + 1]);
    out.resize(count);
    return out;
  }

  // 0 … count-1 in random order.
  std::vector<long> order(long count) {
    std::vector<long> out(count);
    std::iota(out.begin(), out.end(), 0);
    for (long i = count - 1; i > 0; i--) std::swap(out[i], out[long(uniform() * double(i + 1))]);
    return out;
  }

 private:
  uint64_t state_;
};

}  // namespace audio2vec
