// The three operations on sparse rows, for one type of values. Included once for each, with
//   NAME(operation)  the function's name
//   VALUE            what is stored
//   NARROW(x), WIDEN(v)  from a float, and to one

size_t NAME(store)(uint16_t *columns, VALUE *values, size_t entries, const float *x, size_t count) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    if (x[i] == 0) continue;
    if (found < entries) {
      columns[found] = (uint16_t)i;
      values[found] = NARROW(x[i]);
    }
    found++;
  }
  for (size_t e = found; e < entries; e++) columns[e] = values[e] = 0;
  return found;
}

CK_CLONES
void NAME(dots)(const uint16_t *columns, const VALUE *values, size_t entries, size_t row_count,
                const float *x, double *sums) {
// The products are exact in double precision: fusing one with the sum changes nothing.
#pragma clang fp contract(fast)
  for (size_t k = 0; k < row_count; k++, columns += entries, values += entries) {
    double s[8] = {0};
    size_t e = 0;
    for (; e + 8 <= entries; e += 8) {
      for (size_t l = 0; l < 8; l++) {
        s[l] += (double)WIDEN(values[e + l]) * (double)x[columns[e + l]];
      }
    }
    for (size_t l = 0; e < entries; e++, l++) s[l] += (double)WIDEN(values[e]) * (double)x[columns[e]];
    sums[k] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
}

CK_CLONES
void NAME(combine)(const uint16_t *columns, const VALUE *values, size_t entries, size_t row_count,
                   const double *coefficients, size_t count, double *restrict sums) {
  for (size_t i = 0; i < count; i++) sums[i] = 0;
  for (size_t k = 0; k < row_count; k++, columns += entries, values += entries) {
    double c = coefficients[k];
    for (size_t e = 0; e < entries; e++) sums[columns[e]] += c * (double)WIDEN(values[e]);
  }
}

#undef NAME
#undef VALUE
#undef NARROW
#undef WIDEN
