// The four operations on a cell's rows, for one element type. Included once for each, with
//   NAME(operation)  the function's name
//   ELEMENT          what is stored
//   DISTANCE         how far ahead memory is asked for
//   PUT16(p, x)      stores sixteen floats at p
//   LOW8(p), HIGH8(p)  the first and the last eight of the sixteen at p, in double precision

void NAME(store)(ELEMENT *rows, size_t capacity, size_t slot, const float *x, size_t count) {
  size_t runs = RUNS(count), width = WIDTH(capacity, slot);
  ELEMENT *row = rows + (slot / GROUP * GROUP * runs + slot % GROUP) * RUN;
  for (size_t run = 0; run < runs; run++, row += width * RUN) {
    float last[RUN] = {0};
    PUT16(row, run < count / RUN ? x + run * RUN : COPY_LAST(last, x, count));
  }
}

void NAME(load)(const ELEMENT *rows, size_t capacity, size_t slot, float *x, size_t count) {
  size_t runs = RUNS(count), width = WIDTH(capacity, slot);
  const ELEMENT *row = rows + (slot / GROUP * GROUP * runs + slot % GROUP) * RUN;
  for (size_t run = 0; run < runs; run++, row += width * RUN) {
    double8 halves[2] = {LOW8(row), HIGH8(row)};
    for (size_t i = 0; i < RUN && run * RUN + i < count; i++) {
      x[run * RUN + i] = (float)halves[i / 8][i % 8];
    }
  }
}

// The products of `here` rows of a group of `width`.
#define DOTS(width, here)                                            \
  {                                                                  \
    double8 s[GROUP] = {{0}};                                        \
    for (size_t run = 0; run < runs; run++, r += (width) * RUN) {    \
      const float *xs = run < whole ? x + run * RUN : last;          \
      double8 low = FLOATS8(xs), high = FLOATS8(xs + 8);             \
      AHEAD(r, width)                                                \
      for (size_t k = 0; k < (here); k++) {                          \
        s[k] += LOW8(r + k * RUN) * low;                             \
        s[k] += HIGH8(r + k * RUN) * high;                           \
      }                                                              \
    }                                                                \
    for (size_t k = 0; k < (here); k++) sums[first + k] = FOLD8(s[k]); \
  }

CK_CLONES WIDE
void NAME(dots)(const ELEMENT *rows, size_t capacity, size_t row_count, const float *x,
                size_t count, double *sums) {
// The products are exact in double precision: fusing one with the sum changes nothing.
#pragma clang fp contract(fast)
  size_t runs = RUNS(count), whole = count / RUN;
  float last[RUN] = {0};
  COPY_LAST(last, x, count);
  for (size_t first = 0; first < row_count; first += GROUP) {
    const ELEMENT *r = rows + first * runs * RUN;
    size_t width = WIDTH(capacity, first);
    size_t here = row_count - first < GROUP ? row_count - first : GROUP;
    if (here == GROUP) DOTS(GROUP, GROUP) else DOTS(width, here)
  }
}

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
void NAME(combine)(const ELEMENT *rows, size_t capacity, size_t row_count,
                   const double *coefficients, size_t count, double *restrict sums) {
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

#undef DOTS
#undef COMBINE
#undef NAME
#undef ELEMENT
#undef DISTANCE
#undef PUT16
#undef LOW8
#undef HIGH8
