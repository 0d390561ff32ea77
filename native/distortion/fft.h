// Fourier transforms of powers of two for filters, which are gains by frequency here. Not for the front ends: those
// have kernels of their own.
#pragma once
#include <cmath>
#include <complex>
#include <vector>

namespace audio2vec {

using Complex = std::complex<float>;

// Complex transforms of one size, in the order of Stockham: no bit reversal, inner loops over neighbours.
class Fft {
 public:
  explicit Fft(long points) : points_(points), twiddles_(points / 2 + 1), work_(points) {
    for (size_t k = 0; k < twiddles_.size(); k++) {
      const double angle = -2 * M_PI * double(k) / double(points);
      twiddles_[k] = Complex(float(std::cos(angle)), float(std::sin(angle)));
    }
  }

  long points() const { return points_; }

  // In place; neither direction scales.
  void forward(Complex* x) { run(x, false); }
  void backward(Complex* x) { run(x, true); }

 private:
  void run(Complex* x, bool conjugate) {
    Complex *from = x, *to = work_.data();
    for (long half = points_ / 2, stride = 1; half >= 1; half /= 2, stride *= 2) {
      for (long k = 0; k < half; k++) {
        const Complex w = twiddles_[k * stride];
        const float re = w.real(), im = conjugate ? -w.imag() : w.imag();
        const float* a = reinterpret_cast<const float*>(from + k * stride);
        const float* b = reinterpret_cast<const float*>(from + (k + half) * stride);
        float* sum = reinterpret_cast<float*>(to + 2 * k * stride);
        float* difference = reinterpret_cast<float*>(to + (2 * k + 1) * stride);
        for (long i = 0; i < 2 * stride; i += 2) {
          const float dr = a[i] - b[i], di = a[i + 1] - b[i + 1];
          sum[i] = a[i] + b[i];
          sum[i + 1] = a[i + 1] + b[i + 1];
          difference[i] = dr * re - di * im;
          difference[i + 1] = dr * im + di * re;
        }
      }
      std::swap(from, to);
    }
    if (from != x) std::copy(from, from + points_, x);
  }

  long points_;
  std::vector<Complex> twiddles_;
  std::vector<Complex> work_;
};

inline long power_of_two(long least) {
  long n = 1;
  while (n < least) n *= 2;
  return n;
}

// The spectrum of real samples as a complex array of all `points` (the upper half mirrors the lower one), followed by
// zeros up to the transform's size. Simple rather than twice as fast.
inline std::vector<Complex> spectrum_of(Fft& fft, const float* x, long count) {
  std::vector<Complex> s(fft.points());
  for (long i = 0; i < count; i++) s[i] = x[i];
  fft.forward(s.data());
  return s;
}

// Samples of a spectrum; what it holds beyond half is taken to mirror the rest.
inline void samples_of(Fft& fft, std::vector<Complex>& s, float* out, long count) {
  fft.backward(s.data());
  const float scale = 1 / float(fft.points());
  for (long i = 0; i < count; i++) out[i] = s[i].real() * scale;
}

// Multiplies bin k and its mirror by gain(hz).
template <typename Gain>
void shape(std::vector<Complex>& s, double rate, Gain gain) {
  const long n = long(s.size());
  for (long k = 0; k <= n / 2; k++) {
    const Complex g = gain(double(k) * rate / double(n));
    s[k] *= g;
    if (k > 0 && k < n / 2) s[n - k] *= std::conj(g);
  }
}

}  // namespace audio2vec
