// The operations on sparse rows, for one type of values and one type of vectors. Included once for
// each pair, with
//
//     NAME(operation)      the function's name
//     VALUE, X             the stored type, and the type of the vectors
//     NARROW(x), WIDEN(v)  convert between them
//     PRODUCTS             EXACT if products are exact in double precision, else ROUNDED

size_t NAME(store)(uint16_t *columns, void *memory, size_t entries, const X *x, size_t count) {
  VALUE *values = memory;
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

void NAME(load)(const uint16_t *columns, const void *memory, size_t entries, X *x, size_t count) {
  const VALUE *values = memory;
  for (size_t i = 0; i < count; i++) x[i] = 0;
  // A row's numbers are followed by zeros in column 0.
  for (size_t e = 0; e < entries; e++) x[columns[e]] += (X)WIDEN(values[e]);
}

CK_CLONES
void NAME(dots)(const uint16_t *columns, const void *memory, size_t entries, size_t row_count,
                const X *x, double *sums) {
  PRODUCTS
  const VALUE *values = memory;
  for (size_t k = 0; k < row_count; k++, columns += entries, values += entries) {
    double s[8] = {0};
    size_t e = 0;
    for (; e + 8 <= entries; e += 8) {
      for (size_t l = 0; l < 8; l++) {
        s[l] += (double)WIDEN(values[e + l]) * (double)x[columns[e + l]];
      }
    }
    for (size_t l = 0; e < entries; e++, l++)
      s[l] += (double)WIDEN(values[e]) * (double)x[columns[e]];
    sums[k] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
}

#undef NAME
#undef X
#undef NARROW
#undef PRODUCTS
