#include "cmd/skeinmqd/admin_messages.h"

#include <chrono>
#include <memory>
#include <semaphore>
#include <utility>

#include "broker/shard/broker.h"
#include "cmd/skeinmqd/admin_shards.h"

namespace skein {
namespace {

using Left = shard::Question::Left;
using Publication = shard::OperatorDesk::Publication;

// Publishes in an order, a slice at a time, and waits for what has to be durable and answered.
struct PublishOrder {
  static constexpr size_t kSlice = 50;

  Left Step(shard::Core* core) {
    shard::OperatorDesk& desk = core->desk();
    for (size_t i = 0; i < kSlice && begun.size() < messages.size(); ++i) {
      mqtt::Message::Init& init = messages[begun.size()];
      init.received_at = core->state().now;
      const mqtt::MessagePtr message = mqtt::Message::Make(init);
      begun.push_back(keep ? desk.Keep(message) : desk.Publish(message));
    }
    if (begun.size() < messages.size()) return Left::kMore;
    for (; arrived < begun.size(); ++arrived) {
      if (!desk.Arrived(*begun[arrived])) return Left::kWaits;
    }
    return Left::kNothing;
  }

  // What the inits refer to.
  std::vector<std::string> texts;
  std::vector<mqtt::Message::Init> messages;
  bool keep = false;
  std::vector<std::shared_ptr<Publication>> begun;
  size_t arrived = 0;
};

absl::Status Run(shard::Broker* broker, const std::shared_ptr<PublishOrder>& order) {
  const auto question =
      std::make_shared<shard::Question>([order](shard::Core* core) { return order->Step(core); });
  if (!broker->Ask(0, question))
    return absl::UnavailableError("too many questions wait already; try again");
  if (absl::Status status = AwaitAll({question}); !status.ok()) {
    return absl::UnavailableError(
        "there is no acknowledgement yet, it may still come; a node that is not reached may be "
        "why");
  }
  for (const auto& publication : order->begun) {
    if (publication->refused) {
      return absl::ResourceExhaustedError(
          "it is refused: the disk is nearly full, or a node with sessions that want it is away "
          "and "
          "limits.max_outbox_bytes is reached");
    }
    if (publication->retained_full) {
      return absl::ResourceExhaustedError(
          "it is not retained: limits.max_retained_messages or limits.max_retained_bytes is "
          "reached");
    }
  }
  return absl::OkStatus();
}

// The order owns what a message is made of, for the asker may give up.
void Add(const mqtt::Message::Init& message, PublishOrder* order) {
  order->texts.reserve(3);
  mqtt::Message::Init init = message;
  for (std::string_view* part : {&init.topic, &init.properties, &init.payload}) {
    order->texts.emplace_back(*part);
    *part = order->texts.back();
  }
  order->messages.push_back(init);
}

}  // namespace

absl::StatusOr<admin::RetainedPage> AdminMessages::Retained(const std::string& filter,
                                                            const std::string& after,
                                                            size_t limit) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto woken = std::make_shared<std::counting_semaphore<>>(0);
  const auto reader = (*broker)->retained()->Open(filter, [woken] { woken->release(); });
  if (!after.empty()) reader->StartAfter(after);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kReadMs);
  admin::RetainedPage page;
  page.more = true;
  // One more than is asked for tells whether there are more.
  while (page.messages.size() <= limit && std::chrono::steady_clock::now() < end) {
    const auto result =
        reader->Read((*broker)->Now(), limit + 1 - page.messages.size(), &page.messages);
    page.more = result != shard::RetainedReader::Result::kDone;
    if (!page.more) break;
    if (result == shard::RetainedReader::Result::kPending && !woken->try_acquire_until(end)) break;
  }
  if (page.messages.size() > limit) {
    page.messages.pop_back();
    page.more = true;
  }
  if (page.more && page.messages.empty())
    return absl::UnavailableError("the disk is too slow to answer; try again");
  return page;
}

absl::StatusOr<admin::Published> AdminMessages::Publish(const mqtt::Message::Init& message) {
  const auto broker = node_.serving();
  if (!broker.ok()) return broker.status();
  const auto order = std::make_shared<PublishOrder>();
  Add(message, order.get());
  if (absl::Status status = Run(*broker, order); !status.ok()) return status;
  return admin::Published{order->begun.front()->matched};
}

absl::Status AdminMessages::Remove(const std::vector<std::string>& topics) {
  const auto broker = node_.serving();
  if (!broker.ok()) return broker.status();
  const auto order = std::make_shared<PublishOrder>();
  order->texts = topics;
  for (const std::string& topic : order->texts) {
    mqtt::Message::Init init;
    init.topic = topic;
    init.qos = Qos::kAtLeastOnce;
    init.retain = true;
    order->messages.push_back(init);
  }
  return Run(*broker, order);
}

absl::Status AdminMessages::Keep(const mqtt::Message::Init& message) {
  const auto broker = node_.serving();
  if (!broker.ok()) return broker.status();
  const auto order = std::make_shared<PublishOrder>();
  order->keep = true;
  Add(message, order.get());
  return Run(*broker, order);
}

}  // namespace skein
