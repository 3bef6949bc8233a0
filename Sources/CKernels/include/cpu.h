#pragma once

// Returns the x86-64 level of this CPU and operating system: 4 with AVX-512 (F, BW, CD, DQ, VL), 3
// with AVX2 and FMA, 2 with AVX, 1 otherwise; 0 on other architectures.
int ck_x86_level(void);
