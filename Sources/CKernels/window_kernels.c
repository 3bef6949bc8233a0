#include "window_kernels.h"
#include "clones.h"

#pragma clang fp contract(off)

typedef float float8 __attribute__((vector_size(32)));
typedef double double8 __attribute__((vector_size(64)));

// Macros, since a vector argument's calling convention differs from clone to clone.
// LOAD8 widens the eight floats at p; FOLD8 sums the eight lanes in a fixed order.
#define LOAD8(p)                                     \
  ({                                                 \
    float8 eight;                                    \
    __builtin_memcpy(&eight, (p), sizeof eight);     \
    __builtin_convertvector(eight, double8);         \
  })
#define FOLD8(v) \
  ((((v)[0] + (v)[4]) + ((v)[2] + (v)[6])) + (((v)[1] + (v)[5]) + ((v)[3] + (v)[7])))

static inline __attribute__((always_inline)) double tail_dot(const float *a, const float *b,
                                                             size_t from, size_t count) {
  double sum = 0;
  for (size_t i = from; i < count; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

CK_CLONES
void ck_window_dots(const float *rows, size_t stride, size_t row_count, const float *x,
                    size_t count, double *sums) {
  size_t body = count & ~(size_t)7;
  size_t k = 0;
  // Four rows at a time, so that each piece of x is widened once for the four.
  for (; k + 4 <= row_count; k += 4) {
    const float *r0 = rows + k * stride, *r1 = r0 + stride, *r2 = r1 + stride, *r3 = r2 + stride;
    double8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (size_t i = 0; i < body; i += 8) {
      double8 v = LOAD8(x + i);
      s0 += LOAD8(r0 + i) * v;
      s1 += LOAD8(r1 + i) * v;
      s2 += LOAD8(r2 + i) * v;
      s3 += LOAD8(r3 + i) * v;
    }
    sums[k] = FOLD8(s0) + tail_dot(r0, x, body, count);
    sums[k + 1] = FOLD8(s1) + tail_dot(r1, x, body, count);
    sums[k + 2] = FOLD8(s2) + tail_dot(r2, x, body, count);
    sums[k + 3] = FOLD8(s3) + tail_dot(r3, x, body, count);
  }
  for (; k < row_count; k++) {
    const float *r = rows + k * stride;
    double8 s = {0};
    for (size_t i = 0; i < body; i += 8) s += LOAD8(r + i) * LOAD8(x + i);
    sums[k] = FOLD8(s) + tail_dot(r, x, body, count);
  }
}

CK_CLONES
void ck_window_combine(const float *rows, size_t stride, size_t row_count,
                       const double *coefficients, size_t count, double *restrict sums) {
  for (size_t i = 0; i < count; i++) sums[i] = 0;
  size_t k = 0;
  // Eight rows at a time, so that the sums are loaded and stored once for the eight.
  for (; k + 8 <= row_count; k += 8) {
    const float *r = rows + k * stride;
    const double *c = coefficients + k;
    for (size_t i = 0; i < count; i++) {
      double s = sums[i];
      s += c[0] * (double)r[i];
      s += c[1] * (double)r[i + stride];
      s += c[2] * (double)r[i + 2 * stride];
      s += c[3] * (double)r[i + 3 * stride];
      s += c[4] * (double)r[i + 4 * stride];
      s += c[5] * (double)r[i + 5 * stride];
      s += c[6] * (double)r[i + 6 * stride];
      s += c[7] * (double)r[i + 7 * stride];
      sums[i] = s;
    }
  }
  for (; k < row_count; k++) {
    const float *r = rows + k * stride;
    for (size_t i = 0; i < count; i++) sums[i] += coefficients[k] * (double)r[i];
  }
}
