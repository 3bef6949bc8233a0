#include "window_kernels.h"

#include <math.h>
#include <string.h>

#include "bfloat16.h"
#include "clones.h"

#pragma clang fp contract(off)

typedef float float8 __attribute__((vector_size(32)));
typedef double double8 __attribute__((vector_size(64)));
typedef uint32_t word8 __attribute__((vector_size(32)));

// GROUP rows form a group, and RUN columns a run. The runs of a group follow one another, and each
// holds its rows one after another. The last group has as many rows as there are slots left.
#define GROUP 8
#define RUN 16
#define RUNS(count) (((count) + RUN - 1) / RUN)
#define WIDTH(capacity, slot) \
  ((capacity) - (slot) / GROUP * GROUP < GROUP ? (capacity) - (slot) / GROUP * GROUP : GROUP)

// Prefetches DISTANCE bytes ahead, the distance measured to be fastest. The hardware prefetcher
// alone does not keep memory busy.
#define AHEAD(r, width)                                                         \
  for (size_t b = 0; b < (width) * RUN * sizeof *(r); b += 64)                  \
    __builtin_prefetch((const char *)(r) + DISTANCE + b, 0, 3);

// Macros, because the calling convention of a vector argument differs between clones.
#define FLOATS8(p)                               \
  ({                                             \
    float8 eight;                                \
    __builtin_memcpy(&eight, (p), sizeof eight); \
    __builtin_convertvector(eight, double8);     \
  })
#define DOUBLES8(p)                              \
  ({                                             \
    double8 eight;                               \
    __builtin_memcpy(&eight, (p), sizeof eight); \
    eight;                                       \
  })
// The sum of the eight lanes, in a fixed order.
#define FOLD8(v) \
  ((((v)[0] + (v)[4]) + ((v)[2] + (v)[6])) + (((v)[1] + (v)[5]) + ((v)[3] + (v)[7])))
// Copies the columns of x after its last whole run.
#define COPY_LAST(last, x, count)                                             \
  ((X *)memcpy((last), (x) + (count) / RUN * RUN, (count) % RUN * sizeof(X)))

// Requests vectors of 64 bytes, which the compiler does not choose by default.
#define WIDE __attribute__((min_vector_width(512)))

// A product that is exact in double precision may be fused with a sum without changing bits.
#define EXACT _Pragma("clang fp contract(fast)")
#define ROUNDED _Pragma("clang fp contract(off)")
#define PRODUCTS_f64 ROUNDED

#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)
#define JOIN3(a, b, c) JOIN2(JOIN2(a, b), c)
#define JOIN4(a, b, c, d) JOIN2(JOIN3(a, b, c), d)

static void narrow(float *p, const double *x) {
  for (size_t i = 0; i < RUN; i++) p[i] = (float)x[i];
}

static void widen(double *p, const float *x) {
  for (size_t i = 0; i < RUN; i++) p[i] = x[i];
}

#define ROWS float_rows
#define ELEMENT float
#define DISTANCE 6144
#define PUT16_f32(p, x) memcpy((p), (x), RUN * sizeof(float))
#define PUT16_f64(p, x) narrow((p), (x))
#define LOW8(p) FLOATS8(p)
#define HIGH8(p) FLOATS8((p) + 8)
#define PRODUCTS_f32 EXACT
#include "window_rows.h"

#define ROWS double_rows
#define ELEMENT double
#define DISTANCE 6144
#define PUT16_f32(p, x) widen((p), (x))
#define PUT16_f64(p, x) memcpy((p), (x), RUN * sizeof(double))
#define LOW8(p) DOUBLES8(p)
#define HIGH8(p) DOUBLES8((p) + 8)
#define PRODUCTS_f32 ROUNDED
#include "window_rows.h"

// Eight words. Each holds column i in its lower half and column i + 8 in its upper half; a shift or
// a mask turns it into a float.
#define WORDS8(p)                                \
  ({                                             \
    word8 words;                                 \
    __builtin_memcpy(&words, (p), sizeof words); \
    words;                                       \
  })
#define WIDEN8(words)                            \
  ({                                             \
    word8 bits = (words);                        \
    float8 eight;                                \
    __builtin_memcpy(&eight, &bits, sizeof bits); \
    __builtin_convertvector(eight, double8);     \
  })

static void put_words(uint16_t *p, const float *x) {
  uint32_t words[8];
  for (size_t i = 0; i < 8; i++) {
    words[i] = ck_bfloat16_bits(x[i]) >> 16 | ck_bfloat16_bits(x[i + 8]);
  }
  memcpy(p, words, sizeof words);
}

static void put_words_of_doubles(uint16_t *p, const double *x) {
  float odd[RUN];
  for (size_t i = 0; i < RUN; i++) odd[i] = ck_float_to_odd(x[i]);
  put_words(p, odd);
}

#define ROWS bfloat16_rows
#define ELEMENT uint16_t
#define DISTANCE 8192
#define PUT16_f32(p, x) put_words((p), (x))
#define PUT16_f64(p, x) put_words_of_doubles((p), (x))
#define LOW8(p) WIDEN8(WORDS8(p) << 16)
#define HIGH8(p) WIDEN8(WORDS8(p) & 0xffff0000u)
#define PRODUCTS_f32 EXACT
#include "window_rows.h"

#include "window_int8.h"

CK_CLONES
void ck_round_to_bfloat16_f32(float *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = ck_float_of_bits(ck_bfloat16_bits(x[i]));
}

CK_CLONES
void ck_round_to_bfloat16_f64(double *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    x[i] = ck_float_of_bits(ck_bfloat16_bits(ck_float_to_odd(x[i])));
  }
}

CK_CLONES
void ck_round_to_float_f64(double *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = (float)x[i];
}

CK_CLONES WIDE
double ck_dot(const float *x, const float *y, size_t count) {
#pragma clang fp contract(fast)
  double8 s = {0};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) s += FLOATS8(x + i) * FLOATS8(y + i);
  for (size_t l = 0; i < count; i++, l++) s[l] += (double)x[i] * (double)y[i];
  return FOLD8(s);
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
