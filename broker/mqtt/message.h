// An application message inside the broker: immutable, reference counted, one allocation.
//
// Purpose: what a PUBLISH carries, in the form in which it is fanned out: topic, the forwardable
// MQTT 5 properties as wire bytes, payload. It is made once, on the publisher's shard, and only
// references travel from there.
// Thread: immutable after Make(); references may be dropped on any thread.
// Limits: topic <= 65,535 bytes, properties and payload together < 256 MiB (a PUBLISH cannot be
// longer).
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "broker/base/counter.h"
#include "broker/base/types.h"

namespace skein::mqtt {

class MessagePtr;

class Message {
 public:
  static constexpr uint32_t kNoExpiry = UINT32_MAX;
  static constexpr uint8_t kNotTimed = UINT8_MAX;
  static uint8_t FractionOf(int64_t micros) {
    return static_cast<uint8_t>(micros % 1'000 / kFraction);
  }

  struct Init {
    std::string_view topic;
    // Wire bytes of the properties a server forwards unaltered (payload format indicator, content
    // type, response topic, correlation data, user properties), in the publisher's order, without
    // the length in front.
    std::string_view properties;
    std::string_view payload;
    Qos qos = Qos::kAtMostOnce;
    bool retain = false;
    // Message Expiry Interval in seconds from `received_at`, or kNoExpiry.
    uint32_t expiry_seconds = kNoExpiry;
    TimeMs received_at = 0;
    // FractionOf() the microseconds of that time, for messages whose way is timed.
    uint8_t fraction = kNotTimed;
    // Identifies the publishing session for No Local [MQTT-3.8.3-3]; 0 = none (a will after its
    // session ended).
    uint64_t publisher = 0;
    // Of the publisher's client id, for shared groups that choose by it; 0 = not known.
    uint32_t client_hash = 0;
  };

  static MessagePtr Make(const Init& init);
  // A copy that was received at another time.
  MessagePtr ReceivedAt(TimeMs time) const;

  std::string_view topic() const { return {data(), topic_size_}; }
  std::string_view properties() const { return {data() + topic_size_, properties_size_}; }
  std::string_view payload() const {
    return {data() + topic_size_ + properties_size_, payload_size_};
  }
  Qos qos() const { return static_cast<Qos>(bits_ & 3); }
  bool retain() const { return (bits_ & kRetainBit) != 0; }
  uint64_t publisher() const { return publisher_; }
  uint32_t client_hash() const { return client_hash_; }
  TimeMs received_at() const { return received_at_; }
  // Its way through this node is timed; then received_micros() is when it came, to 4 microseconds.
  bool timed() const { return kObserved && fraction_ != kNotTimed; }
  int64_t received_micros() const { return received_at_ * 1'000 + fraction_ * kFraction; }
  uint32_t expiry_seconds() const { return expiry_seconds_; }
  bool has_expiry() const { return expiry_seconds_ != kNoExpiry; }

  // When the message stops being worth delivering [MQTT-3.3.2-5]; kNever without an expiry
  // interval.
  TimeMs expires_at() const {
    return has_expiry() ? received_at_ + TimeMs{1000} * expiry_seconds_ : kNever;
  }
  bool expired(TimeMs now) const { return now >= expires_at(); }
  // What is left of the interval at `now`, in whole seconds, at least 1 [MQTT-3.3.2-6]. Needs
  // has_expiry().
  uint32_t expiry_left(TimeMs now) const;

  // Bytes this message counts for in a queue's byte limit.
  size_t cost() const;

 private:
  friend class MessagePtr;
  Message() = default;
  static void Free(const Message* message);
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }

  static constexpr int kFraction = 4;  // microseconds, so that a millisecond has fewer than 255
  static constexpr uint8_t kRetainBit = 0x80;

  mutable std::atomic<uint32_t> references_{1};
  uint32_t properties_size_ = 0;
  uint32_t payload_size_ = 0;
  uint32_t expiry_seconds_ = kNoExpiry;
  TimeMs received_at_ = 0;
  uint64_t publisher_ = 0;
  uint32_t client_hash_ = 0;
  uint16_t topic_size_ = 0;
  uint8_t bits_ = 0;              // QoS and RETAIN
  uint8_t fraction_ = kNotTimed;  // of a millisecond
};

// Shared ownership of a message. Copying counts, moving does not.
class MessagePtr {
 public:
  MessagePtr() = default;
  MessagePtr(const MessagePtr& other) : message_(other.message_) {
    if (message_ != nullptr) message_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  MessagePtr(MessagePtr&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  MessagePtr& operator=(MessagePtr other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~MessagePtr() { Release(); }

  const Message* get() const { return message_; }
  const Message& operator*() const { return *message_; }
  const Message* operator->() const { return message_; }
  explicit operator bool() const { return message_ != nullptr; }

  // For containers that keep a raw pointer (OutQueue): detach() gives the reference away, Adopt()
  // takes it back.
  const Message* detach() { return std::exchange(message_, nullptr); }
  static MessagePtr Adopt(const Message* message) {
    MessagePtr result;
    result.message_ = message;
    return result;
  }

 private:
  void Release() {
    if (message_ == nullptr) return;
    // The only owner needs no atomic subtraction: nobody else can take a reference any more.
    if (message_->references_.load(std::memory_order_acquire) == 1 ||
        message_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Message::Free(message_);
    }
  }

  const Message* message_ = nullptr;
};

}  // namespace skein::mqtt
