// HTTP requests that nobody waits for.
//
// Purpose: asks web servers on one thread of its own, with connections that are kept, for the HTTP
// back end and for key sets. Owner: cmd/. Thread: Send() on any; `done` is called once on the
// fetcher's thread, unless Stop() comes first. Limits: kMaxInFlight requests under
// way, kMaxWaiting behind them (Send() refuses more), an answer's size and time as the request
// says, waiting included. Redirects are not followed, proxies of the environment not used,
// certificates always verified.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace skein::auth {

struct FetchRequest {
  std::string url;
  std::string body;  // empty: GET, else POST
  std::vector<std::string> headers;
  std::string ca_file;    // empty: the system's authorities
  std::string cert_file;  // empty: no client certificate
  std::string key_file;
  int64_t timeout_ms = 5'000;
  size_t max_bytes = 64 * 1024;  // of the answer
};

struct FetchAnswer {
  int status = 0;  // 0: there was no answer
  std::string content_type;
  std::string body;
  std::string error;  // for people, when there was no answer
};

class Fetcher {
 public:
  static constexpr size_t kMaxInFlight = 256;
  static constexpr size_t kMaxWaiting = 1'000;

  using Done = std::function<void(FetchAnswer)>;

  Fetcher();
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;

  // False: too many wait, or it has stopped; `done` is not called.
  bool Send(FetchRequest request, Done done);
  // Gives up what is under way. Nothing is called after it.
  void Stop();

 private:
  struct Transfer;
  struct Loop;
  void Run();

  std::unique_ptr<Loop> loop_;
  std::mutex mutex_;  // guards waiting_ and stopping_
  std::deque<std::unique_ptr<Transfer>> waiting_;
  bool stopping_ = false;
  bool started_ = false;
  std::thread thread_;
};

}  // namespace skein::auth
