#pragma once
#include <stddef.h>

// Four gzip-compressed IDX files, embedded when this target was compiled; see SOURCE.md.

typedef struct {
  const unsigned char *_Nonnull bytes;
  size_t length;
} digits_file;

digits_file digits_train_images(void);
digits_file digits_train_labels(void);
digits_file digits_test_images(void);
digits_file digits_test_labels(void);
