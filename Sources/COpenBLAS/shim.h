// OpenBLAS as Debian ships it: cblas.h, and LAPACK by its Fortran symbols (there is no lapacke.h).
#pragma once
#include <cblas.h>

// Cholesky factorisation and solves of a symmetric positive definite matrix.
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info);
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
// Inverse of a matrix from its Cholesky factor.
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void spotri_(const char *uplo, const int *n, float *a, const int *lda, int *info);
// Inverse of a triangle.
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info);

// All eigenvalues and eigenvectors of a symmetric matrix, by divide and conquer.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);
void ssyevd_(const char *jobz, const char *uplo, const int *n, float *a, const int *lda, float *w,
             float *work, const int *lwork, int *iwork, const int *liwork, int *info);
