#include "broker/mqtt/message.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "broker/base/check.h"
#include "broker/mqtt/constants.h"

namespace skein::mqtt {

namespace {

// What an allocator adds to one allocation, roughly.
constexpr size_t kAllocationOverhead = 16;

char* Put(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

}  // namespace

MessagePtr Message::Make(const Init& init) {
  SKEIN_CHECK(init.topic.size() <= UINT16_MAX);
  SKEIN_CHECK(init.properties.size() <= kMaxVarint && init.payload.size() <= kMaxVarint);
  const size_t bytes = init.topic.size() + init.properties.size() + init.payload.size();
  auto* message = new (::operator new(sizeof(Message) + bytes)) Message();
  message->topic_size_ = static_cast<uint16_t>(init.topic.size());
  message->properties_size_ = static_cast<uint32_t>(init.properties.size());
  message->payload_size_ = static_cast<uint32_t>(init.payload.size());
  message->expiry_seconds_ = init.expiry_seconds;
  message->received_at_ = init.received_at;
  message->publisher_ = init.publisher;
  message->client_hash_ = init.client_hash;
  message->bits_ = static_cast<uint8_t>(static_cast<uint8_t>(init.qos) |
                                        (init.retain ? kRetainBit : uint8_t{0}));
  message->fraction_ = init.fraction;
  char* at = reinterpret_cast<char*>(message + 1);
  Put(Put(Put(at, init.topic), init.properties), init.payload);
  return MessagePtr::Adopt(message);
}

void Message::Free(const Message* message) {
  message->~Message();
  ::operator delete(const_cast<Message*>(message));
}

MessagePtr Message::ReceivedAt(TimeMs time) const {
  Init init;
  init.topic = topic();
  init.properties = properties();
  init.payload = payload();
  init.qos = qos();
  init.retain = retain();
  init.expiry_seconds = expiry_seconds_;
  init.received_at = time;
  init.publisher = publisher_;
  init.client_hash = client_hash_;
  return Make(init);
}

uint32_t Message::expiry_left(TimeMs now) const {
  const TimeMs waited = std::max<TimeMs>(now - received_at_, 0) / 1000;
  return waited >= expiry_seconds_ ? 1 : static_cast<uint32_t>(expiry_seconds_ - waited);
}

size_t Message::cost() const {
  return sizeof(Message) + topic_size_ + properties_size_ + payload_size_ + kAllocationOverhead;
}

}  // namespace skein::mqtt
