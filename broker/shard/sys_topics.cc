#include "broker/shard/sys_topics.h"

#include <algorithm>
#include <utility>

#include "broker/routing/topic.h"

namespace skein::shard {
namespace {

class Reader final : public RetainedReader {
 public:
  explicit Reader(std::vector<mqtt::MessagePtr> messages) : messages_(std::move(messages)) {}

  void StartAfter(std::string_view topic) override {
    while (next_ < messages_.size() && messages_[next_]->topic() <= topic)
      ++next_;
  }

  Result Read(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out) override {
    for (; limit > 0 && next_ < messages_.size(); ++next_) {
      if (messages_[next_]->expired(now)) continue;
      out->push_back(std::move(messages_[next_]));
      --limit;
    }
    return next_ == messages_.size() ? Result::kDone : Result::kMore;
  }

 private:
  std::vector<mqtt::MessagePtr> messages_;
  size_t next_ = 0;
};

}  // namespace

bool SysTopics::Set(const mqtt::MessagePtr& message, TimeMs now) {
  MutexLock lock(mutex_);
  const auto known = topics_.find(message->topic());
  if (known != topics_.end()) {
    known->second = message;
    return true;
  }
  if (topics_.size() >= kMaxTopics)
    std::erase_if(topics_, [now](const auto& entry) { return entry.second->expired(now); });
  if (topics_.size() >= kMaxTopics) return false;
  topics_.emplace(message->topic(), message);
  return true;
}

std::unique_ptr<RetainedReader> SysTopics::Open(std::string_view topic_filter) const {
  std::vector<mqtt::MessagePtr> found;
  MutexLock lock(mutex_);
  for (const auto& [topic, message] : topics_) {
    if (routing::TopicMatchesFilter(topic, topic_filter)) found.push_back(message);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& one, const auto& other) { return one->topic() < other->topic(); });
  return std::make_unique<Reader>(std::move(found));
}

size_t SysTopics::size() const {
  MutexLock lock(mutex_);
  return topics_.size();
}

}  // namespace skein::shard
