// Answers what peers ask.
//
// Purpose: takes questions from gRPC's threads, which must not wait, to threads that may: an answer
// needs the shards. Owner: PeerNet. Thread: Take() and Stop() on any. Life: from construction to
// Stop(). Limits: kThreads at a time, kWaiting wait for one; more are refused, and their askers
// take the node for silent. Answers larger than kMostBytes are refused, too.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/admin/http.h"
#include "cluster/link/stream.h"

namespace skein::cluster {

class QuestionDesk {
 public:
  static constexpr size_t kThreads = 2;
  static constexpr size_t kWaiting = 32;
  static constexpr size_t kMostBytes = 8u << 20;

  // An empty handler answers nothing.
  explicit QuestionDesk(admin::Handler handler);
  ~QuestionDesk() { Stop(); }

  void Take(AskedQuestion asked);

  // Refuses what waits; returns when what is under way has been answered.
  void Stop();

 private:
  void Run();

  const admin::Handler handler_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<AskedQuestion> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// A request as it goes over the wire, and back.
v1::Question ToQuestion(const admin::Request& request);
admin::Request ToRequest(const v1::Question& question);

}  // namespace skein::cluster
