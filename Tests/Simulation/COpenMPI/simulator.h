// Simulated time, memory that ranks share, and the MPI library's own collectives for comparison.
#pragma once
#include <mpi.h>
#include <simgrid/actor.h>

// Returns the latest of all ranks' times.
static inline double sim_latest(double seconds) {
  double latest = seconds;
  MPI_Allreduce(&seconds, &latest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return latest;
}

// Waits until a moment that is the same on all ranks, and returns it.
static inline double sim_start_together(void) {
  double start = sim_latest(MPI_Wtime()) + 0.01;
  sg_actor_sleep_for(start - MPI_Wtime());
  return start;
}

// Returns memory between whose parts SimGrid copies no messages.
static inline void *sim_allocate_shared(size_t bytes) {
  return smpi_shared_malloc(bytes, __FILE__, __LINE__);
}

static inline void sim_reduce_scatter(const float *vector, float *slice, const int *counts) {
  MPI_Reduce_scatter(vector, slice, counts, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}
static inline void sim_all_gather(
    const float *slice, int count, float *vector, const int *counts, const int *offsets) {
  MPI_Allgatherv(slice, count, MPI_FLOAT, vector, counts, offsets, MPI_FLOAT, MPI_COMM_WORLD);
}
static inline void sim_all_reduce(const float *vector, float *sum, int count) {
  MPI_Allreduce(vector, sum, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

// Returns 1 if the bytes are those of rank 0 on every rank.
static inline int sim_same_everywhere(const void *bytes, void *scratch, int count) {
  int rank, all, same;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) memcpy(scratch, bytes, count);
  MPI_Bcast(scratch, count, MPI_BYTE, 0, MPI_COMM_WORLD);
  same = memcmp(bytes, scratch, count) == 0;
  MPI_Allreduce(&same, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
  return all;
}
