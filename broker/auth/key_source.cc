#include "broker/auth/key_source.h"

#include <utility>

namespace skein::auth {
namespace {

constexpr size_t kMaxSetBytes = 1u << 20;

}  // namespace

KeySource::KeySource(std::shared_ptr<const TokenKeys> keys) : keys_(std::move(keys)) {}

KeySource::KeySource(KeyUrl url, std::shared_ptr<Fetcher> fetcher, Logger* log,
                     std::function<TimeMs()> clock, const KeySource* previous)
    : url_(std::move(url)), fetcher_(std::move(fetcher)), log_(log), clock_(std::move(clock)) {
  if (previous == nullptr || previous->url_.url != url_.url) return;
  MutexLock other(previous->mutex_);
  MutexLock lock(mutex_);
  keys_ = previous->keys_;
  fetched_at_ = previous->fetched_at_;
}

std::shared_ptr<const TokenKeys> KeySource::Keys(uint64_t* version) {
  MutexLock lock(mutex_);
  *version = version_;
  if (fetcher_ != nullptr && clock_() - fetched_at_ > url_.max_age_ms) return nullptr;
  return keys_;
}

void KeySource::Tick() {
  if (fetcher_ == nullptr) return;
  const TimeMs now = clock_();
  {
    MutexLock lock(mutex_);
    // Without any keys it is urgent.
    const TimeMs wait = keys_ == nullptr ? url_.min_refresh_ms : url_.refresh_ms;
    if (under_way_ || now - tried_at_ < wait) return;
  }
  Fetch(now);
}

void KeySource::KeyMissing() {
  if (fetcher_ == nullptr) return;
  const TimeMs now = clock_();
  {
    MutexLock lock(mutex_);
    if (under_way_ || now - tried_at_ < url_.min_refresh_ms) return;
  }
  Fetch(now);
}

void KeySource::Fetch(TimeMs now) {
  {
    MutexLock lock(mutex_);
    if (std::exchange(under_way_, true)) return;
    tried_at_ = now;
  }
  FetchRequest request;
  request.url = url_.url;
  request.ca_file = url_.ca_file;
  request.headers = {"Accept: application/json"};
  request.timeout_ms = url_.timeout_ms;
  request.max_bytes = kMaxSetBytes;
  const bool sent =
      fetcher_->Send(std::move(request), [weak = weak_from_this()](const FetchAnswer& answer) {
        if (const auto self = weak.lock()) self->OnAnswer(answer);
      });
  if (sent) return;
  MutexLock lock(mutex_);
  under_way_ = false;
}

void KeySource::OnAnswer(const FetchAnswer& answer) {
  std::string error = answer.error;
  std::shared_ptr<const TokenKeys> keys;
  if (answer.status == 200) {
    auto parsed = TokenKeys::FromJwks(answer.body);
    if (parsed.ok()) {
      keys = std::move(*parsed);
    } else {
      error = std::string(parsed.status().message());
    }
  } else if (answer.status != 0) {
    error = "HTTP status " + std::to_string(answer.status);
  }
  if (keys == nullptr && log_ != nullptr)
    log_->Log(LogLevel::kWarn, "keys.failed", {{"url", url_.url}, {"error", error}});
  MutexLock lock(mutex_);
  under_way_ = false;
  if (keys == nullptr) return;
  keys_ = std::move(keys);
  fetched_at_ = clock_();
  ++version_;
}

}  // namespace skein::auth
