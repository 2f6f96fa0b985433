// The name of a shared group, as the messages that came through it keep it.
//
// Purpose: which group a waiting message is of, in the eight bytes that a reference takes, also
// when the last member has left the shard. Thread: the name is immutable; references may be copied
// and dropped on any thread. Limits: the text is a topic filter.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

namespace skein::routing {

class ShareRef {
 public:
  ShareRef() = default;  // of no group
  // text: "$share/{name}/{filter}".
  explicit ShareRef(std::string_view text) : name_(new Name{std::string(text)}) {}
  ShareRef(const ShareRef& other) : name_(other.name_) {
    if (name_ != nullptr) name_->references.fetch_add(1, std::memory_order_relaxed);
  }
  ShareRef(ShareRef&& other) noexcept : name_(std::exchange(other.name_, nullptr)) {}
  ShareRef& operator=(ShareRef other) noexcept {
    std::swap(name_, other.name_);
    return *this;
  }
  ~ShareRef() {
    if (name_ != nullptr && name_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete name_;
  }

  explicit operator bool() const { return name_ != nullptr; }
  // Empty: of no group.
  std::string_view text() const {
    return name_ == nullptr ? std::string_view() : std::string_view(name_->text);
  }

 private:
  struct Name {
    const std::string text;
    std::atomic<uint32_t> references{1};
  };
  Name* name_ = nullptr;
};

}  // namespace skein::routing
