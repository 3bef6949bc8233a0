// exp, tanh and erf, written so that loops over them are vectorized. Double precision only checks
// single precision, and uses the C library's functions.

INLINE double exp_f64(double x) { return exp(x); }
INLINE double tanh_f64(double x) { return tanh(x); }
INLINE double erf_f64(double x) { return erf(x); }

// exp(x) = scale·(1 + rest) for x ≤ 0, with |rest| < 0.42; the relative error is about 1e-7.
#define SPLIT_EXPONENTIAL(x, scale, rest)                                                       \
  float above = (x) < -87.0f ? -87.0f : (x);                                                    \
  /* Adding 1.5·2²³ rounds to an integer k, which is then in the low bits. */                   \
  float shifted = above * 1.44269504f + 12582912.0f;                                            \
  float k = shifted - 12582912.0f;                                                              \
  /* r = x − k·log 2, with log 2 split so that its first part times k is exact. */              \
  float r = (above - k * 0.693359375f) + k * 2.12194440e-4f;                                    \
  float p = 1.9875691500e-4f;                                                                   \
  p = p * r + 1.3981999507e-3f;                                                                 \
  p = p * r + 8.3334519073e-3f;                                                                 \
  p = p * r + 4.1665795894e-2f;                                                                 \
  p = p * r + 1.6666665459e-1f;                                                                 \
  p = p * r + 5.0000001201e-1f;                                                                 \
  float rest = p * (r * r) + r;                                                                 \
  uint32_t bits;                                                                                \
  memcpy(&bits, &shifted, sizeof bits);                                                         \
  bits = (bits - 0x4B400000u + 127u) << 23;                                                     \
  float scale;                                                                                  \
  memcpy(&scale, &bits, sizeof scale)

// Computes exp(x) for x ≤ 0; returns 0 below −87.
INLINE float exp_f32(float x) {
  SPLIT_EXPONENTIAL(x, scale, rest);
  float e = scale * rest + scale;
  return x < -87.0f ? 0.0f : e;
}

// Computes tanh|x| = −u/(2 + u) with u = exp(−2|x|) − 1, which keeps its digits near 0.
INLINE float tanh_f32(float x) {
  float y = -2.0f * __builtin_fabsf(x);
  SPLIT_EXPONENTIAL(y, scale, rest);
  float u = scale * rest + (scale - 1.0f);
  return __builtin_copysignf(-u / (2.0f + u), x);
}

// Uses an odd polynomial below 0.93, and 1 − exp(polynomial) above. N. Juffa computed the minimax
// coefficients.
INLINE float erf_f32(float x) {
  float t = __builtin_fabsf(x);
  float s = x * x;
  float near = -5.96761703e-4f;
  near = near * s + 4.99119423e-3f;
  near = near * s - 2.67681349e-2f;
  near = near * s + 1.12819925e-1f;
  near = near * s - 3.76125336e-1f;
  near = near * s + 1.28379166e-1f;
  near = near * x + x;
  float far = -1.72853470e-5f * t + 3.83197126e-4f;
  far = far * s + (-3.88396438e-3f * t + 2.42546219e-2f);
  far = far * t - 1.06777877e-1f;
  far = far * t - 6.34846687e-1f;
  far = far * t - 1.28717512e-1f;
  far = far * t - t;
  far = __builtin_copysignf(1.0f - exp_f32(far), x);
  return t > 0.927734375f ? far : near;
}
