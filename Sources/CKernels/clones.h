#pragma once

// One clone per x86-64 level; elsewhere the compiler's own baseline vectors are used.
#if defined(__x86_64__) && defined(__clang__)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif

// A product and a sum stay two roundings in every clone.
#pragma clang fp contract(off)
