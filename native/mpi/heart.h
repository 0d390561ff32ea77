// Every rank tells every other that it lives, from a thread of its own, so that work which keeps a rank from answering
// for long is told from a rank that is gone: killed, stopped, or behind a link that was cut.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace audio2vec::mpi {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

class Heart {
 public:
  // `silence`: seconds without a beat after which a rank counts as lost.
  Heart(MPI_Comm comm, double silence) : comm_(comm), silence_(silence) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &size_);
    peers_.resize(size_);
    thread_ = std::thread([this] { beat(); });
  }
  ~Heart() { stop(); }

  // The rank that was not heard of for too long; -1: none.
  int lost() const { return lost_.load(); }
  // Seconds that count as too long.
  double silence() const { return silence_.load(); }

  // This process was asked to end and is soon killed if it does not: a rank that is gone must be known before.
  void hurry() {
    if (silence_ > kHurried) silence_ = kHurried;
  }

  void stop() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  // mpirun kills a second after it told to end.
  static constexpr double kHurried = 0.7;

  struct Peer {
    MPI_Request sending = MPI_REQUEST_NULL, receiving = MPI_REQUEST_NULL;
    char sent = 1, received = 0;
    Clock::time_point heard;
  };

  void beat() {
    const double interval = std::min(silence_ / 8, kHurried / 4);
    const auto began = Clock::now();
    for (Peer& peer : peers_) peer.heard = began;
    for (int r = 0; r < size_; r++)
      if (r != rank_) listen(r);
    Clock::time_point sent{}, looked = began;
    while (!ended_) {
      // A process that was itself asleep hears what came meanwhile before it judges others.
      const bool slept = seconds_since(looked) > silence_ / 2;
      looked = Clock::now();
      const bool due = seconds_since(sent) >= interval;
      if (due) sent = looked;
      for (int r = 0; r < size_; r++) {
        if (r == rank_) continue;
        Peer& peer = peers_[r];
        for (int came = 1; came;) {
          if (MPI_Test(&peer.receiving, &came, MPI_STATUS_IGNORE) != MPI_SUCCESS) came = 0;
          if (!came) break;
          peer.heard = looked;
          listen(r);
        }
        if (slept) peer.heard = looked;
        if (due) send(r);
        if (seconds_since(peer.heard) > silence_) {
          int none = -1;
          lost_.compare_exchange_strong(none, r);
        }
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(interval / 3));
    }
    for (Peer& peer : peers_) {
      if (peer.receiving == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&peer.receiving);
      MPI_Request_free(&peer.receiving);
    }
  }

  void listen(int r) { MPI_Irecv(&peers_[r].received, 1, MPI_CHAR, r, 0, comm_, &peers_[r].receiving); }

  // Beats do not pile up where nothing gets through.
  void send(int r) {
    Peer& peer = peers_[r];
    int gone = 1;
    if (MPI_Test(&peer.sending, &gone, MPI_STATUS_IGNORE) != MPI_SUCCESS || !gone) return;
    MPI_Isend(&peer.sent, 1, MPI_CHAR, r, 0, comm_, &peer.sending);
  }

  MPI_Comm comm_;
  std::atomic<double> silence_;
  int rank_ = 0, size_ = 1;
  std::vector<Peer> peers_;
  std::atomic<int> lost_{-1};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace audio2vec::mpi
