// The operations on rows of int8 that read or write vectors, for one type X of the vectors.
// window_int8.h includes this file once for each X, with
//
//     X, S          the type, and the suffix of its kernels
//     NUMBERS8(p)   eight numbers at p, in double precision
//     PRODUCTS      EXACT if a byte times an X is exact in double precision, else ROUNDED

CK_CLONES
float JOIN2(ck_int8_scale, S)(const X *x, size_t count) {
  // As integers, because the compiler vectorises their maximum. The largest are those of NaNs.
  uint32_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t size = ck_bits_of_float((float)x[i]) & 0x7fffffffu;
    largest = size > largest ? size : largest;
  }
  return scale_of(ck_float_of_bits(largest));
}

CK_CLONES
void JOIN2(ck_round_to_int8, S)(X *x, size_t count) {
  X scale = JOIN2(ck_int8_scale, S)(x, count);
  for (size_t i = 0; i < count; i++) x[i] = QUOTIENT(x[i], scale) * scale;
}

CK_CLONES
void JOIN2(ck_int8_rows_store, S)(void *memory, size_t capacity, size_t slot, const X *x,
                                  size_t count) {
  size_t runs = RUNS(count), width = PAIR_WIDTH(capacity, slot);
  int8_t *row = (int8_t *)memory + FIRST_BYTE(slot, runs);
  X scale = JOIN2(ck_int8_scale, S)(x, count);
  for (size_t run = 0; run < runs; run++, row += width * 2 * RUN) {
    for (size_t i = 0; i < RUN; i++) {
      size_t column = run * RUN + i;
      row[2 * i] = column < count ? (int8_t)QUOTIENT(x[column], scale) : 0;
    }
  }
}

void JOIN2(ck_int8_rows_load, S)(const void *memory, size_t capacity, size_t slot, X *x,
                                 size_t count) {
  size_t runs = RUNS(count), width = PAIR_WIDTH(capacity, slot);
  const int8_t *row = (const int8_t *)memory + FIRST_BYTE(slot, runs);
  for (size_t column = 0; column < count; column++) {
    x[column] = row[column / RUN * width * 2 * RUN + column % RUN * 2];
  }
}

// Writes the words of integer_dots for the integers q of one byte with x = scale·q. Returns whether
// there are such integers: then they are x/scale rounded, for any rounding of 1/scale.
CK_CLONES
static int JOIN2(has_words, S)(const X *x, size_t count, X scale, int32_t *even, int32_t *odd) {
  X inverse = 1 / scale;
  int has = 1;
  for (size_t i = 0; i < count; i++) {
    X q = __builtin_roundeven(x[i] * inverse);
    has &= q * scale == x[i];
    uint32_t word = (uint32_t)(int32_t)q;
    even[i] = (int32_t)(word & 0xffff);
    odd[i] = (int32_t)(word << 16);
  }
  for (size_t i = count; i < RUNS(count) * RUN; i++) even[i] = odd[i] = 0;
  return has;
}

// Computes the products with x if x is scale·q; returns whether it is.
static int JOIN2(integer_products, S)(const int8_t *rows, size_t capacity, size_t row_count,
                                      const X *x, size_t count, double *sums) {
  X scale = JOIN2(ck_int8_scale, S)(x, count);
  int32_t even[CHUNK], odd[CHUNK];
  for (size_t k = 0; k < row_count; k++) sums[k] = 0;
  for (size_t start = 0; start < count; start += CHUNK) {
    size_t columns = count - start < CHUNK ? count - start : CHUNK;
    if (!JOIN2(has_words, S)(x + start, columns, scale, even, odd)) return 0;
    integer_dots(rows, capacity, row_count, even, odd, start / RUN,
                 start / RUN + RUNS(columns), RUNS(count), sums);
  }
  for (size_t k = 0; k < row_count; k++) sums[k] *= scale;
  return 1;
}

#define GENERAL_DOTS(width, here)                                                         \
  {                                                                                       \
    double8 s[2 * PAIRS] = {{0}};                                                         \
    for (size_t run = 0; run < runs; run++, r += (width) * 2 * RUN) {                     \
      const X *xs = run < whole ? x + run * RUN : last;                                   \
      double8 low = NUMBERS8(xs), high = NUMBERS8(xs + 8);                                \
      AHEAD(r, 2 * (width))                                                               \
      for (size_t k = 0; k < (here); k++) {                                               \
        for (size_t l = 0; l < 2; l++) {                                                  \
          double8 halves[2];                                                              \
          for (size_t i = 0; i < RUN; i++) halves[i / 8][i % 8] = r[(k * RUN + i) * 2 + l]; \
          s[2 * k + l] += halves[0] * low;                                                \
          s[2 * k + l] += halves[1] * high;                                               \
        }                                                                                 \
      }                                                                                   \
    }                                                                                     \
    for (size_t k = 0; k < 2 * (here) && first + k < row_count; k++) {                    \
      sums[first + k] = FOLD8(s[k]);                                                      \
    }                                                                                     \
  }

CK_CLONES WIDE
void JOIN2(ck_int8_rows_dots, S)(const void *memory, size_t capacity, size_t row_count,
                                 const X *x, size_t count, double *sums) {
  PRODUCTS
  const int8_t *rows = memory;
  size_t runs = RUNS(count), whole = count / RUN;
  if (JOIN2(integer_products, S)(rows, capacity, row_count, x, count, sums)) return;
  X last[RUN] = {0};
  COPY_LAST(last, x, count);
  for (size_t first = 0; first < row_count; first += 2 * PAIRS) {
    const int8_t *r = rows + first * runs * RUN;
    size_t width = PAIR_WIDTH(capacity, first);
    size_t here = PAIR_WIDTH(row_count, first);
    if (here == PAIRS) GENERAL_DOTS(PAIRS, PAIRS) else GENERAL_DOTS(width, here)
  }
}

#undef GENERAL_DOTS
#undef X
#undef S
#undef NUMBERS8
#undef PRODUCTS
