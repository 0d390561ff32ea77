// The processes that mpirun started together, as one of them sees the others: waits that end when a rank is lost, means
// over ranks, broadcasts. Calls are made by one thread at a time.
#pragma once

#include <mpi.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "mpi/heart.h"

namespace audio2vec::mpi {

// What ends a wait. `kind` is for lib/parallel/mpi-ranks.ts, which words it.
struct Failure : std::runtime_error {
  explicit Failure(const std::string& kind) : std::runtime_error(kind) {}
};

inline void check(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw Failure(std::string("failed ") + call + ": " + std::string(text, length));
}

// An array of float or double.
struct Values {
  void* data;
  size_t length;
  bool doubles;
  size_t width() const { return doubles ? 8 : 4; }
};

class Group {
 public:
  // Blocks until all are there.
  Group(double silence, double stall) : stall_(stall) {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    if (provided < MPI_THREAD_MULTIPLE) throw Failure("failed MPI_Init_thread: this MPI has no threads");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &work_), "MPI_Comm_dup");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &beats_), "MPI_Comm_dup");
    for (MPI_Comm comm : {MPI_COMM_WORLD, work_, beats_}) MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(work_, &rank);
    MPI_Comm_size(work_, &size);
    MPI_Comm machine;
    check(MPI_Comm_split_type(work_, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine), "MPI_Comm_split_type");
    MPI_Comm_rank(machine, &local_rank);
    MPI_Comm_size(machine, &local_size);
    MPI_Comm_free(&machine);
    std::vector<char> names(size_t(size) * MPI_MAX_PROCESSOR_NAME);
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    MPI_Get_processor_name(name, &length);
    check(MPI_Allgather(name, sizeof(name), MPI_CHAR, names.data(), sizeof(name), MPI_CHAR, work_), "MPI_Allgather");
    for (int r = 0; r < size; r++) hosts.emplace_back(names.data() + size_t(r) * sizeof(name));
    heart_ = std::make_unique<Heart>(beats_, silence);
  }

  int rank = 0, size = 1;
  // Among those on this machine.
  int local_rank = 0, local_size = 1;
  // Of each rank.
  std::vector<std::string> hosts;

  // Replaces values by their means over ranks, weighed by `weight` of `total`. Each rank adds up a part of every array,
  // in double precision and in the order of ranks, so that bits depend on nothing but the values.
  void mean(const std::vector<Values>& arrays, double weight, double total) {
    const std::vector<size_t> parts = parts_of(arrays);
    size_t most = 0;
    for (size_t bytes : parts) most = bytes > most ? bytes : most;
    const size_t own = parts[rank], weights = 8;
    buffers_->out.resize(size * (most + weights));
    buffers_->in.resize(size * (most + weights));
    buffers_->sums.resize(most);
    std::vector<int> out_counts(size), out_at(size), in_counts(size), in_at(size);
    // What goes to each rank: its part of every array, behind the weight that it counts with.
    for (int r = 0, at = 0; r < size; at += out_counts[r++]) {
      char* to = buffers_->out.data() + at;
      std::memcpy(to, &weight, weights);
      copy(arrays, r, to + weights, nullptr);
      out_counts[r] = int(parts[r] + weights);
      out_at[r] = at;
      in_counts[r] = int(own + weights);
      in_at[r] = int(r * (own + weights));
    }
    run([&](MPI_Request* request) {
      return MPI_Ialltoallv(buffers_->out.data(), out_counts.data(), out_at.data(), MPI_BYTE, buffers_->in.data(),
                            in_counts.data(), in_at.data(), MPI_BYTE, work_, request);
    });
    add_up(arrays, own + weights, total);
    for (int r = 0, at = 0; r < size; at += in_counts[r++]) {
      in_counts[r] = int(parts[r]);
      in_at[r] = at;
    }
    run([&](MPI_Request* request) {
      return MPI_Iallgatherv(buffers_->sums.data(), int(own), MPI_BYTE, buffers_->in.data(), in_counts.data(),
                             in_at.data(), MPI_BYTE, work_, request);
    });
    for (int r = 0; r < size; r++) copy(arrays, r, nullptr, buffers_->in.data() + in_at[r]);
  }

  // The bytes of rank 0. However long that takes to have them.
  std::vector<char> broadcast(std::vector<char> bytes) {
    uint64_t length = bytes.size();
    auto& header = buffers_->out;
    header.resize(8);
    std::memcpy(header.data(), &length, 8);
    run([&](MPI_Request* request) { return MPI_Ibcast(header.data(), 8, MPI_BYTE, 0, work_, request); }, false);
    std::memcpy(&length, header.data(), 8);
    auto& body = buffers_->in;
    body.assign(bytes.begin(), bytes.end());
    body.resize(length);
    run([&](MPI_Request* request) { return MPI_Ibcast(body.data(), int(length), MPI_BYTE, 0, work_, request); });
    return body;
  }

  // Waits for all, however long that takes.
  void barrier() {
    run([&](MPI_Request* request) { return MPI_Ibarrier(work_, request); }, false);
  }

  // After a barrier.
  void finalize() {
    heart_->stop();
    MPI_Comm_free(&work_);
    MPI_Comm_free(&beats_);
    MPI_Finalize();
  }

  void hurry() { heart_->hurry(); }

  // Ends all waits at once, for a process that is about to go.
  void close() {
    closed_ = true;
    heart_->stop();
  }

 private:
  struct Buffers {
    std::vector<char> out, in, sums;
    std::vector<double> doubles;
  };

  size_t first(const Values& a, int r) const { return a.length * size_t(r) / size_t(size); }

  // Bytes of each rank's part of all arrays.
  std::vector<size_t> parts_of(const std::vector<Values>& arrays) const {
    std::vector<size_t> parts(size);
    for (int r = 0; r < size; r++)
      for (const Values& a : arrays) parts[r] += (first(a, r + 1) - first(a, r)) * a.width();
    return parts;
  }

  // Part `r` of all arrays, one after the other.
  void copy(const std::vector<Values>& arrays, int r, char* to, const char* from) const {
    for (const Values& a : arrays) {
      char* values = static_cast<char*>(a.data) + first(a, r) * a.width();
      const size_t bytes = (first(a, r + 1) - first(a, r)) * a.width();
      if (bytes == 0) continue;
      if (to) to = static_cast<char*>(std::memcpy(to, values, bytes)) + bytes;
      if (from) from = static_cast<const char*>(std::memcpy(values, from, bytes)) ? from + bytes : from;
    }
  }

  static double number(const char* from) {
    double value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }

  // `stride` bytes came from each rank: its weight, then what it has of this rank's part.
  template <typename T>
  void add_part(size_t count, size_t stride, size_t offset, double total) {
    auto& sums = buffers_->doubles;
    sums.assign(count, 0);
    for (int r = 0; r < size; r++) {
      const char* came = buffers_->in.data() + r * stride;
      const double weight = number(came);
      for (size_t i = 0; i < count; i++) {
        T value;
        std::memcpy(&value, came + 8 + offset + i * sizeof(T), sizeof(T));
        sums[i] += weight * double(value);
      }
    }
    char* to = buffers_->sums.data() + offset;
    for (size_t i = 0; i < count; i++) {
      const T mean = T(sums[i] / total);
      std::memcpy(to + i * sizeof(T), &mean, sizeof(T));
    }
  }

  void add_up(const std::vector<Values>& arrays, size_t stride, double total) {
    size_t offset = 0;
    for (const Values& a : arrays) {
      const size_t count = first(a, rank + 1) - first(a, rank);
      if (a.doubles)
        add_part<double>(count, stride, offset, total);
      else
        add_part<float>(count, stride, offset, total);
      offset += count * a.width();
    }
  }

  // Starts an exchange and waits for it. One that fails leaves its buffers to MPI for good: it may still write there.
  template <typename Start>
  void run(Start start, bool limited = true) {
    MPI_Request request = MPI_REQUEST_NULL;
    try {
      check(start(&request), "to start an exchange");
      wait(&request, limited);
    } catch (...) {
      buffers_.release();
      buffers_ = std::make_unique<Buffers>();
      throw;
    }
  }

  void wait(MPI_Request* request, bool limited) {
    const auto began = Clock::now();
    for (long turn = 0;; turn++) {
      int done = 0;
      check(MPI_Test(request, &done, MPI_STATUS_IGNORE), "while waiting");
      if (done) return;
      if (closed_) throw Failure("closed");
      const double waited = seconds_since(began);
      if (waited < 1e-4) {
        std::this_thread::yield();
        continue;
      }
      if (heart_->lost() >= 0)
        throw Failure("lost " + std::to_string(heart_->lost()) + " " + std::to_string(heart_->silence()));
      if (limited && waited > stall_) throw Failure("stalled");
      std::this_thread::sleep_for(std::chrono::microseconds(waited < 0.01 ? 30 : waited < 1 ? 200 : 5000));
    }
  }

  MPI_Comm work_ = MPI_COMM_NULL, beats_ = MPI_COMM_NULL;
  double stall_;
  std::unique_ptr<Heart> heart_;
  std::unique_ptr<Buffers> buffers_ = std::make_unique<Buffers>();
  std::atomic<bool> closed_{false};
};

}  // namespace audio2vec::mpi
