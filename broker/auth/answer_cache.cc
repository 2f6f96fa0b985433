#include "broker/auth/answer_cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "absl/strings/str_cat.h"

namespace skein::auth {

AnswerCache::AnswerCache(size_t max_entries) : max_entries_(max_entries), secret_(32, '\0') {
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret_.data()),
                 static_cast<int>(secret_.size())) != 1)
    secret_.clear();
}

std::string AnswerCache::KeyOf(std::initializer_list<std::string_view> parts) const {
  if (secret_.empty()) return {};
  std::string all;
  for (const std::string_view part : parts) {
    absl::StrAppend(&all, part.size(), ":");  // keeps "ab" + "c" apart from "a" + "bc"
    all.append(part);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> mark{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(all.data()), all.size(), mark.data(), &size);
  OPENSSL_cleanse(all.data(), all.size());
  return {mark.begin(), mark.begin() + size};
}

std::optional<Decision> AnswerCache::Find(const std::string& key, TimeMs now) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (key.empty() || found == entries_.end() || found->second.until <= now) return std::nullopt;
  return found->second.decision;
}

void AnswerCache::Keep(const std::string& key, const Decision& decision, TimeMs until) {
  if (key.empty() || max_entries_ == 0) return;
  MutexLock lock(mutex_);
  const bool added = entries_.insert_or_assign(key, Entry{decision, until}).second;
  if (!added) return;
  order_.push_back(key);
  if (order_.size() <= max_entries_) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

}  // namespace skein::auth
