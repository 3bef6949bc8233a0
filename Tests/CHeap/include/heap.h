#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

/// Returns the bytes of all blocks that malloc has allocated.
size_t heap_bytes(void);

#endif
