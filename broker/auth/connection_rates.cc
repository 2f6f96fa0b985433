#include "broker/auth/connection_rates.h"

#include <algorithm>

namespace skein::auth {
namespace {

constexpr TimeMs kCleanEveryMs = 1'000;

// IPv4 addresses are mapped into ::ffff:0:0/96.
IpBytes SourceOf(IpBytes address) {
  const bool ipv4 =
      address[10] == 0xff && address[11] == 0xff &&
      std::all_of(address.begin(), address.begin() + 10, [](uint8_t b) { return !b; });
  if (!ipv4) std::fill(address.begin() + 8, address.end(), 0);
  return address;
}

bool Take(Rate& rate, uint32_t per_second, TimeMs now) {
  if (rate.ready_at() > now) return false;
  rate.Take(1, per_second, now);
  return true;
}

}  // namespace

void ConnectionRates::Configure(const Options& options) {
  MutexLock lock(mutex_);
  options_ = options;
  if (options.per_source == 0) sources_.clear();
}

const char* ConnectionRates::AdmitAny(TimeMs now) {
  MutexLock lock(mutex_);
  if (options_.all == 0 || Take(all_, options_.all, now)) return nullptr;
  return "the listener's connection_rate";
}

const char* ConnectionRates::AdmitSource(const IpBytes& source, TimeMs now) {
  MutexLock lock(mutex_);
  if (options_.per_source == 0) return nullptr;
  const IpBytes key = SourceOf(source);
  auto found = sources_.find(key);
  if (found == sources_.end()) {
    if (sources_.size() >= kMaxSources && now >= next_cleaning_) {
      next_cleaning_ = now + kCleanEveryMs;
      absl::erase_if(sources_, [now](const auto& entry) { return entry.second.even_at() <= now; });
    }
    if (sources_.size() >= kMaxSources) return "connections from too many sources at once";
    found = sources_.try_emplace(key).first;
  }
  if (Take(found->second, options_.per_source, now)) return nullptr;
  return "the listener's connection_rate_per_source";
}

}  // namespace skein::auth
