// The operations on a cell's rows, for one element type. Included once for each, with
//
//     ROWS              the name of its rows
//     ELEMENT           the stored type
//     DISTANCE          the bytes between a read and the prefetch ahead of it
//     PUT16_f32(p, x)   stores sixteen numbers of single precision at p
//     PUT16_f64(p, x)   stores sixteen numbers of double precision at p
//     LOW8(p)           the first eight of the sixteen numbers at p, in double precision
//     HIGH8(p)          the last eight
//     PRODUCTS_f32      EXACT if the product of an element and a float is exact in double
//                       precision, else ROUNDED

#define COMBINE(width, here)                                      \
  for (size_t run = 0; run < runs; run++, r += (width) * RUN) {   \
    double *at = run < whole ? sums + run * RUN : last;           \
    double8 low = DOUBLES8(at), high = DOUBLES8(at + 8);          \
    AHEAD(r, width)                                               \
    for (size_t k = 0; k < (here); k++) {                         \
      low += c[k] * LOW8(r + k * RUN);                            \
      high += c[k] * HIGH8(r + k * RUN);                          \
    }                                                             \
    __builtin_memcpy(at, &low, sizeof low);                       \
    __builtin_memcpy(at + 8, &high, sizeof high);                 \
  }

CK_CLONES WIDE
void JOIN3(ck, ROWS, combine)(const void *memory, size_t capacity, size_t row_count,
                              const double *coefficients, size_t count, double *restrict sums) {
  const ELEMENT *rows = memory;
  size_t runs = RUNS(count), whole = count / RUN;
  double last[RUN] = {0};
  for (size_t i = 0; i < count; i++) sums[i] = 0;
  for (size_t first = 0; first < row_count; first += GROUP) {
    const ELEMENT *r = rows + first * runs * RUN;
    const double *c = coefficients + first;
    size_t width = WIDTH(capacity, first);
    size_t here = row_count - first < GROUP ? row_count - first : GROUP;
    if (here == GROUP) COMBINE(GROUP, GROUP) else COMBINE(width, here)
  }
  for (size_t i = whole * RUN; i < count; i++) sums[i] = last[i - whole * RUN];
}

#define X float
#define S f32
#define NUMBERS8 FLOATS8
#include "window_products.h"

#define X double
#define S f64
#define NUMBERS8 DOUBLES8
#include "window_products.h"

#undef COMBINE
#undef ROWS
#undef ELEMENT
#undef DISTANCE
#undef PUT16_f32
#undef PUT16_f64
#undef LOW8
#undef HIGH8
#undef PRODUCTS_f32
