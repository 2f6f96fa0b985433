#include "broker/auth/fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace skein::auth {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPollMs = 1'000;
constexpr long kConnectionsAHost = 32;  // NOLINT(google-runtime-int): libcurl's type
constexpr long kConnectionsKept = 64;   // NOLINT(google-runtime-int)

}  // namespace

struct Fetcher::Transfer {
  FetchRequest request;
  Done done;
  Steady::time_point deadline;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  FetchAnswer answer;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = "";

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  ~Transfer() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }

  static size_t Take(char* data, size_t, size_t size, void* self) {
    auto* const transfer = static_cast<Transfer*>(self);
    if (transfer->answer.body.size() + size > transfer->request.max_bytes) {
      transfer->too_large = true;
      return 0;
    }
    transfer->answer.body.append(data, size);
    return size;
  }

  // False: libcurl cannot.
  bool Prepare();
  void Finish(CURLcode code);
};

bool Fetcher::Transfer::Prepare() {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
  easy = curl_easy_init();
  if (easy == nullptr || left <= 0) return false;
  for (const std::string& header : request.headers)
    headers = curl_slist_append(headers, header.c_str());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(left));  // NOLINT
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::Take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "skeinmqd");
  if (!request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE,
                     static_cast<long>(request.body.size()));  // NOLINT
  }
  if (!request.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request.ca_file.c_str());
  if (!request.cert_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, request.cert_file.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, request.key_file.c_str());
  }
  return true;
}

void Fetcher::Transfer::Finish(CURLcode code) {
  if (code == CURLE_OK) {
    long status = 0;  // NOLINT(google-runtime-int)
    const char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    answer.status = static_cast<int>(status);
    if (type != nullptr) answer.content_type = type;
  } else {
    answer.body.clear();
    answer.error = too_large ? "the answer is too large"
                             : (error[0] != '\0' ? error : curl_easy_strerror(code));
  }
  done(std::move(answer));
}

struct Fetcher::Loop {
  CURLM* multi = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> running;

  Loop() : multi(curl_multi_init()) {
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, kConnectionsAHost);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kConnectionsKept);
  }
  ~Loop() {
    Drop();
    curl_multi_cleanup(multi);
  }
  void Drop() {
    for (auto& [easy, transfer] : running)
      curl_multi_remove_handle(multi, easy);
    running.clear();
  }

  void Start(std::unique_ptr<Transfer> transfer) {
    if (!transfer->Prepare()) {
      transfer->answer.error = "waited too long to be sent";
      transfer->done(std::move(transfer->answer));
      return;
    }
    CURL* const easy = transfer->easy;
    running[easy] = std::move(transfer);
    curl_multi_add_handle(multi, easy);
  }

  void Reap() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      const auto found = running.find(message->easy_handle);
      const std::unique_ptr<Transfer> transfer = std::move(found->second);
      running.erase(found);
      curl_multi_remove_handle(multi, transfer->easy);
      transfer->Finish(code);
    }
  }
};

Fetcher::Fetcher() {
  static const CURLcode kInitialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)kInitialized;
  loop_ = std::make_unique<Loop>();
}

Fetcher::~Fetcher() {
  Stop();
}

bool Fetcher::Send(FetchRequest request, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->deadline = Steady::now() + std::chrono::milliseconds(request.timeout_ms);
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= kMaxWaiting) return false;
    waiting_.push_back(std::move(transfer));
    // Nobody who does without HTTP pays for a thread.
    if (!std::exchange(started_, true)) thread_ = std::thread([this] { Run(); });
  }
  curl_multi_wakeup(loop_->multi);
  return true;
}

void Fetcher::Run() {
  for (;;) {
    std::vector<std::unique_ptr<Transfer>> next;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      while (!waiting_.empty() && loop_->running.size() + next.size() < kMaxInFlight) {
        next.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    for (std::unique_ptr<Transfer>& transfer : next)
      loop_->Start(std::move(transfer));
    int running = 0;
    curl_multi_perform(loop_->multi, &running);
    loop_->Reap();
    curl_multi_poll(loop_->multi, nullptr, 0, kPollMs, nullptr);
  }
}

void Fetcher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(loop_->multi);
  if (thread_.joinable()) thread_.join();
  waiting_.clear();
  loop_->Drop();
}

}  // namespace skein::auth
