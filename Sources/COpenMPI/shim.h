// Open MPI's handles are macros with casts, which Swift cannot import. These functions return them.
#pragma once
#include <mpi.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline MPI_Comm mfac_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm mfac_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm mfac_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info mfac_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype mfac_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype mfac_double(void) { return MPI_DOUBLE; }
static inline MPI_Op mfac_bitwise_or(void) { return MPI_BOR; }
static inline MPI_Request mfac_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler mfac_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline int mfac_success(void) { return MPI_SUCCESS; }
static inline int mfac_test_all(int count, MPI_Request *requests, int *done) {
  return MPI_Testall(count, requests, done, MPI_STATUSES_IGNORE);
}

// Tests requests for a rank that waits and calls this until they are complete. SimGrid's clock
// stands still between two tests, so with SimGrid (`make simulate`) one call waits for all of them.
static inline int mfac_await_all(int count, MPI_Request *requests, int *done) {
#ifdef SMPI_H
  *done = 1;
  return MPI_Waitall(count, requests, MPI_STATUSES_IGNORE);
#else
  return MPI_Testall(count, requests, done, MPI_STATUSES_IGNORE);
#endif
}

// Writes the mask of cores that this process may run on, one bit for each, and returns its bytes,
// or -1. C libraries declare sched_getaffinity only under _GNU_SOURCE.
static inline long mfac_affinity(unsigned char *mask, size_t size) {
  return syscall(SYS_sched_getaffinity, 0, size, mask);
}
