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

// Vectors of 64 bytes, where the CPU has them, are not what the compiler prefers.
#define WIDE __attribute__((min_vector_width(512)))

// How far ahead memory is asked for: hardware alone gives up at the end of every short row.
#define AHEAD 4096

CK_CLONES WIDE
void ck_window_dots(const float *rows, size_t stride, size_t row_count, const float *x,
                    size_t count, double *sums) {
// A product of two floats is exact in double precision, so that fusing it with the sum changes nothing.
#pragma clang fp contract(fast)
  size_t body = count & ~(size_t)7;
  // One row after another, as they lie in memory.
  for (size_t k = 0; k < row_count; k++) {
    const float *r = rows + k * stride;
    double8 s = {0};
    for (size_t i = 0; i < body; i += 8) {
      if (i % 16 == 0) __builtin_prefetch(r + i + AHEAD, 0, 0);
      s += LOAD8(r + i) * LOAD8(x + i);
    }
    double tail = 0;
    for (size_t i = body; i < count; i++) tail += (double)r[i] * (double)x[i];
    sums[k] = FOLD8(s) + tail;
  }
}

CK_CLONES WIDE
void ck_window_combine(const float *rows, size_t stride, size_t row_count,
                       const double *coefficients, size_t count, double *restrict sums) {
  for (size_t i = 0; i < count; i++) sums[i] = 0;
  size_t k = 0, body = count & ~(size_t)15;
  // Four rows at a time, so that the sums are loaded and stored once for the four; the next four are
  // asked for meanwhile.
  for (; k + 4 <= row_count; k += 4) {
    const float *r = rows + k * stride;
    const double *c = coefficients + k;
    for (size_t first = 0; first < body; first += 16) {
      for (size_t row = 4; row < 8; row++) __builtin_prefetch(r + row * stride + first, 0, 0);
      for (size_t i = first; i < first + 16; i += 8) {
        double8 s;
        __builtin_memcpy(&s, sums + i, sizeof s);
        s += c[0] * LOAD8(r + i);
        s += c[1] * LOAD8(r + i + stride);
        s += c[2] * LOAD8(r + i + 2 * stride);
        s += c[3] * LOAD8(r + i + 3 * stride);
        __builtin_memcpy(sums + i, &s, sizeof s);
      }
    }
    for (size_t i = body; i < count; i++) {
      double s = sums[i];
      for (size_t row = 0; row < 4; row++) s += c[row] * (double)r[i + row * stride];
      sums[i] = s;
    }
  }
  for (; k < row_count; k++) {
    const float *r = rows + k * stride;
    for (size_t i = 0; i < count; i++) sums[i] += coefficients[k] * (double)r[i];
  }
}

CK_CLONES WIDE
float ck_streaming_sum(const float *x, size_t count) {
  float lanes[64] = {0}, sum = 0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    for (size_t l = 0; l < 64; l++) lanes[l] += x[i + l];
  }
  for (; i < count; i++) sum += x[i];
  for (size_t l = 0; l < 64; l++) sum += lanes[l];
  return sum;
}
