#pragma once

#include <stddef.h>

// Replaces the lower triangular factor L of LLᵀ by that of LLᵀ + xxᵀ, by rotations; x is
// overwritten. L is stored by columns, `stride` elements apart; its diagonal is not 0.
void ck_rank_one_update(double *factor, size_t stride, size_t order, double *x);
