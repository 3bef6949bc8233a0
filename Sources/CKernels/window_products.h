// The operations on a cell's rows that read or write vectors, for one type X of the vectors.
// window_rows.h includes this file once for each X, with
//
//     X, S             the type, and the suffix of its kernels
//     NUMBERS8(p)      eight numbers at p, in double precision

#define NAME(operation) JOIN4(ck, ROWS, operation, S)

void NAME(store)(void *memory, size_t capacity, size_t slot, const X *x, size_t count) {
  size_t runs = RUNS(count), width = WIDTH(capacity, slot);
  ELEMENT *row = (ELEMENT *)memory + (slot / GROUP * GROUP * runs + slot % GROUP) * RUN;
  for (size_t run = 0; run < runs; run++, row += width * RUN) {
    X last[RUN] = {0};
    JOIN2(PUT16, S)(row, run < count / RUN ? x + run * RUN : COPY_LAST(last, x, count));
  }
}

void NAME(load)(const void *memory, size_t capacity, size_t slot, X *x, size_t count) {
  size_t runs = RUNS(count), width = WIDTH(capacity, slot);
  const ELEMENT *row = (const ELEMENT *)memory + (slot / GROUP * GROUP * runs + slot % GROUP) * RUN;
  for (size_t run = 0; run < runs; run++, row += width * RUN) {
    double8 halves[2] = {LOW8(row), HIGH8(row)};
    for (size_t i = 0; i < RUN && run * RUN + i < count; i++) {
      x[run * RUN + i] = (X)halves[i / 8][i % 8];
    }
  }
}

// Computes the products of the first `here` rows of a group of `width` rows.
#define DOTS(width, here)                                            \
  {                                                                  \
    double8 s[GROUP] = {{0}};                                        \
    for (size_t run = 0; run < runs; run++, r += (width) * RUN) {    \
      const X *xs = run < whole ? x + run * RUN : last;              \
      double8 low = NUMBERS8(xs), high = NUMBERS8(xs + 8);           \
      AHEAD(r, width)                                                \
      for (size_t k = 0; k < (here); k++) {                          \
        s[k] += LOW8(r + k * RUN) * low;                             \
        s[k] += HIGH8(r + k * RUN) * high;                           \
      }                                                              \
    }                                                                \
    for (size_t k = 0; k < (here); k++) sums[first + k] = FOLD8(s[k]); \
  }

CK_CLONES WIDE
void NAME(dots)(const void *memory, size_t capacity, size_t row_count, const X *x, size_t count,
                double *sums) {
  JOIN2(PRODUCTS, S)
  const ELEMENT *rows = memory;
  size_t runs = RUNS(count), whole = count / RUN;
  X last[RUN] = {0};
  COPY_LAST(last, x, count);
  for (size_t first = 0; first < row_count; first += GROUP) {
    const ELEMENT *r = rows + first * runs * RUN;
    size_t width = WIDTH(capacity, first);
    size_t here = row_count - first < GROUP ? row_count - first : GROUP;
    if (here == GROUP) DOTS(GROUP, GROUP) else DOTS(width, here)
  }
}

#undef DOTS
#undef NAME
#undef X
#undef S
#undef NUMBERS8
