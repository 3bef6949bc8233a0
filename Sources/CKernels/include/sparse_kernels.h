#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows of which a fixed number of entries is kept: their columns, and their values beside them, row
// after row.

// The columns of the `entries` numbers of x that are largest in magnitude, ascending; of equal ones
// the first. entries ≤ count ≤ 65536.
void ck_largest(const float *x, size_t count, size_t entries, uint16_t *columns);

// The numbers of x that are not 0, at most `entries`, filled up with zeros at column 0. Returns how
// many there are in x.
size_t ck_float_entries_store(uint16_t *columns, float *values, size_t entries, const float *x,
                              size_t count);
size_t ck_bfloat16_entries_store(uint16_t *columns, uint16_t *values, size_t entries, const float *x,
                                 size_t count);

// sums[k] = row k · x, k < row_count: in eight lanes over a row's entries, folded in a fixed order.
void ck_float_entries_dots(const uint16_t *columns, const float *values, size_t entries,
                           size_t row_count, const float *x, double *sums);
void ck_bfloat16_entries_dots(const uint16_t *columns, const uint16_t *values, size_t entries,
                              size_t row_count, const float *x, double *sums);

// sums[i] = Σ_k coefficients[k] · (row k)[i], k < row_count, in double precision, in the order of k.
void ck_float_entries_combine(const uint16_t *columns, const float *values, size_t entries,
                              size_t row_count, const double *coefficients, size_t count,
                              double *restrict sums);
void ck_bfloat16_entries_combine(const uint16_t *columns, const uint16_t *values, size_t entries,
                                 size_t row_count, const double *coefficients, size_t count,
                                 double *restrict sums);
