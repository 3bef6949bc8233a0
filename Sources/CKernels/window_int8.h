// Rows of int8: q = round(x/scale). The caller keeps the scales.
//
//     [group of eight pairs of slots][run of sixteen columns][pair][column][slot of the pair]
//
// The numbers of a pair in a column are adjacent: the operands of one multiply-add of 16-bit
// integers. All sums of integers are exact, whatever the order and the CPU.

typedef int8_t byte32 __attribute__((vector_size(32)));
typedef int16_t short32 __attribute__((vector_size(64)));
typedef int32_t int16 __attribute__((vector_size(64)));
typedef int32_t int32 __attribute__((vector_size(128)));
typedef double double16 __attribute__((vector_size(128)));

#define PAIRS 8
// The first byte of a slot in rows of `runs` runs.
#define FIRST_BYTE(slot, runs)                                                            \
  ((slot) / (2 * PAIRS) * 2 * PAIRS * (runs) * RUN + (slot) % (2 * PAIRS) / 2 * 2 * RUN + \
   (slot) % 2)
// The pairs of a slot's group among `capacity` slots; the last group has those that are left.
#define PAIR_WIDTH(capacity, slot)                                            \
  (((capacity) - (slot) / (2 * PAIRS) * 2 * PAIRS) < 2 * PAIRS                  \
       ? ((capacity) - (slot) / (2 * PAIRS) * 2 * PAIRS + 1) / 2                \
       : PAIRS)

// The sixteen sums a[2i]·b[2i] + a[2i + 1]·b[2i + 1], exact.
#define PAIR_SUMS(a, b)                                                                            \
  ({                                                                                               \
    int32 products = __builtin_convertvector((a), int32) * __builtin_convertvector((b), int32);    \
    __builtin_shufflevector(products, products, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, \
                            28, 30) +                                                              \
        __builtin_shufflevector(products, products, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, \
                                27, 29, 31);                                                       \
  })
#define SHORTS32(p)                                    \
  ({                                                   \
    byte32 bytes;                                      \
    __builtin_memcpy(&bytes, (p), sizeof bytes);       \
    __builtin_convertvector(bytes, short32);           \
  })
#define AS_SHORTS(words)                               \
  ({                                                   \
    int16 lanes = (words);                             \
    short32 shorts;                                    \
    __builtin_memcpy(&shorts, &lanes, sizeof shorts);  \
    shorts;                                            \
  })

// Columns that are multiplied at a time.
#define CHUNK 4096

#define INTEGER_DOTS(width, here)                                                  \
  {                                                                                \
    int16 s[2 * PAIRS] = {{0}};                                                    \
    for (size_t run = begin; run < end; run++, r += (width) * 2 * RUN) {           \
      short32 x[2];                                                                \
      __builtin_memcpy(&x[0], even + (run - begin) * RUN, sizeof x[0]);            \
      __builtin_memcpy(&x[1], odd + (run - begin) * RUN, sizeof x[1]);             \
      AHEAD(r, 2 * (width))                                                        \
      for (size_t k = 0; k < (here); k++) {                                        \
        short32 pair = SHORTS32(r + k * 2 * RUN);                                  \
        s[2 * k] += PAIR_SUMS(pair, x[0]);                                         \
        s[2 * k + 1] += PAIR_SUMS(pair, x[1]);                                     \
      }                                                                            \
    }                                                                              \
    for (size_t k = 0; k < 2 * (here) && first + k < row_count; k++) {             \
      int64_t sum = 0;                                                             \
      for (size_t l = 0; l < 16; l++) sum += s[k][l];                              \
      sums[first + k] += (double)sum;                                              \
    }                                                                              \
  }

#define DISTANCE 8192

// Clones that request wide vectors must be declared first.
static void integer_dots(const int8_t *rows, size_t capacity, size_t row_count, const int32_t *even,
                         const int32_t *odd, size_t begin, size_t end, size_t runs, double *sums);

// Adds to sums[k] the products of row k with the numbers q, of one byte, in the runs begin..<end. A
// word of `even` holds q beside a zero for the second slot of a pair, a word of `odd` the reverse:
// words from memory, because the compiler takes known zeros for a reason to multiply otherwise.
CK_CLONES WIDE
static void integer_dots(const int8_t *rows, size_t capacity, size_t row_count, const int32_t *even,
                         const int32_t *odd, size_t begin, size_t end, size_t runs, double *sums) {
  for (size_t first = 0; first < row_count; first += 2 * PAIRS) {
    size_t width = PAIR_WIDTH(capacity, first);
    const int8_t *r = rows + first * runs * RUN + begin * width * 2 * RUN;
    size_t here = PAIR_WIDTH(row_count, first);
    if (here == PAIRS) INTEGER_DOTS(PAIRS, PAIRS) else INTEGER_DOTS(width, here)
  }
}

// Returns the scale of a row, the same in both precisions. It has 16 binary digits, rounded up: so
// scale·q is exact in single precision, and numbers that were rounded have the same scale again. It
// is infinite if a number is not finite.
static float scale_of(float largest) {
  if (!(largest <= __FLT_MAX__)) return __builtin_inff();
  float scale = largest / 127;
  if (scale < __FLT_MIN__) return __FLT_MIN__;
  return ck_float_of_bits((ck_bits_of_float(scale) + 0xff) & 0xffffff00u);
}

// Division keeps a number of the form scale·q exact. An infinite scale gives a NaN for an infinity,
// and keeps a NaN.
#define QUOTIENT(x, scale) __builtin_roundeven((x) / (scale))

#define X float
#define S f32
#define NUMBERS8 FLOATS8
#define PRODUCTS EXACT
#include "window_int8_products.h"

#define X double
#define S f64
#define NUMBERS8 DOUBLES8
#define PRODUCTS ROUNDED
#include "window_int8_products.h"

// A coefficient is 2³⁰h + 2¹⁵m + l units, each digit in [−2¹⁴, 2¹⁴]: 45 binary digits. Adds the
// products of a group of rows to `count` runs of the sums; digits are loaded once for them.
#define COMBINE_RUNS(count, width, here)                                           \
  {                                                                                \
    int16 high[count] = {{0}}, middle[count] = {{0}}, low[count] = {{0}};          \
    AHEAD(r, 2 * (width) * (count))                                                \
    for (size_t k = 0; k < (here); k++) {                                          \
      short32 c[3];                                                                \
      for (size_t l = 0; l < 3; l++) c[l] = AS_SHORTS((int16){0} + digits[k][l]);  \
      for (size_t n = 0; n < (count); n++) {                                       \
        short32 pair = SHORTS32(r + (n * (width) + k) * 2 * RUN);                  \
        high[n] += PAIR_SUMS(pair, c[0]);                                          \
        middle[n] += PAIR_SUMS(pair, c[1]);                                        \
        low[n] += PAIR_SUMS(pair, c[2]);                                           \
      }                                                                            \
    }                                                                              \
    for (size_t n = 0; n < (count); n++) {                                         \
      double16 total = __builtin_convertvector(high[n], double16) * 0x1p30 +       \
                       (__builtin_convertvector(middle[n], double16) * 0x1p15 +    \
                        __builtin_convertvector(low[n], double16));                \
      double *at = run + n < whole ? sums + (run + n) * RUN : last;                \
      double16 sum;                                                                \
      __builtin_memcpy(&sum, at, sizeof sum);                                      \
      sum += total;                                                                \
      __builtin_memcpy(at, &sum, sizeof sum);                                      \
    }                                                                              \
    run += count;                                                                  \
    r += (count) * (width) * 2 * RUN;                                              \
  }

#define COMBINE_PAIRS(width, here)                        \
  {                                                       \
    size_t run = 0;                                       \
    while (run + 1 < runs) COMBINE_RUNS(2, width, here)   \
    if (run < runs) COMBINE_RUNS(1, width, here)          \
  }

static int32_t two_digits(int64_t even, int64_t odd) {
  return (int32_t)((uint32_t)(uint16_t)(int16_t)even | (uint32_t)(uint16_t)(int16_t)odd << 16);
}

CK_CLONES WIDE
void ck_int8_rows_combine(const void *memory, size_t capacity, size_t row_count,
                          const double *coefficients, size_t count, double *restrict sums) {
  const int8_t *rows = memory;
  size_t runs = RUNS(count), whole = count / RUN;
  double last[RUN] = {0}, largest = 0;
  for (size_t k = 0; k < row_count; k++) {
    double size = __builtin_fabs(coefficients[k]);
    // A NaN becomes the largest.
    largest = size <= largest ? largest : size;
  }
  for (size_t i = 0; i < count; i++) sums[i] = 0;
  if (!(largest <= __DBL_MAX__)) {
    for (size_t i = 0; i < count; i++) sums[i] = __builtin_nan("");
    return;
  }
  // A unit is a power of 2. The largest coefficient has at most 2⁴⁴ of them, and more than half.
  int exponent = 0;
  frexp(largest, &exponent);
  if (exponent < -900) exponent = -900;
  double scale = ldexp(1, 44 - exponent), unit = ldexp(1, exponent - 44);
  for (size_t first = 0; first < row_count; first += 2 * PAIRS) {
    int32_t digits[PAIRS][3];
    size_t width = PAIR_WIDTH(capacity, first);
    const int8_t *r = rows + first * runs * RUN;
    size_t here = PAIR_WIDTH(row_count, first);
    for (size_t k = 0; k < here; k++) {
      int64_t digit[2][3];
      for (size_t l = 0; l < 2; l++) {
        size_t row = first + 2 * k + l;
        int64_t c = row < row_count ? (int64_t)__builtin_rint(coefficients[row] * scale) : 0;
        for (size_t level = 3; level-- > 0;) {
          int64_t part = level == 0 ? c : ((c + 0x4000) & 0x7fff) - 0x4000;
          digit[l][level] = part;
          c = (c - part) >> 15;
        }
      }
      for (size_t level = 0; level < 3; level++) {
        digits[k][level] = two_digits(digit[0][level], digit[1][level]);
      }
    }
    if (here == PAIRS) COMBINE_PAIRS(PAIRS, PAIRS) else COMBINE_PAIRS(width, here)
  }
  for (size_t i = whole * RUN; i < count; i++) sums[i] = last[i - whole * RUN];
  for (size_t i = 0; i < count; i++) sums[i] *= unit;
}

#undef DISTANCE
#undef QUOTIENT
