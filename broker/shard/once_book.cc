#include "broker/shard/once_book.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "broker/shard/once_name.h"

namespace skein::shard {
namespace {

// No client id has U+0000 in it [MQTT-1.5.4-2].
constexpr std::string_view kClientId("\0given", 6);

// So many are dropped at once from a book that is full.
constexpr size_t kDroppedAtOnce = 256;

mqtt::MessagePtr MakeEntry() {
  mqtt::Message::Init init;
  init.topic = "given";
  init.qos = Qos::kAtLeastOnce;
  return mqtt::Message::Make(init);
}

}  // namespace

OnceBook::OnceBook(ShardState* state) : state_(*state), entry_(MakeEntry()) {}

bool OnceBook::IsBook(const session::SessionImage& image) {
  return image.client_id == kClientId;
}

void OnceBook::Restore(const session::SessionImage& image) {
  Book& book = books_[image.key.partition];
  book.key = image.key;
  book.first_sequence = image.first_sequence;
  book.last_sequence = image.last_sequence;
  book.known = image.queued_messages == 0;
  state_.last_session_number = std::max(state_.last_session_number, image.key.number);
}

void OnceBook::Load() {
  for (const auto& [partition, book] : books_) {
    if (book.known) continue;
    ++loading_;
    Ask(partition, book, book.first_sequence);
  }
}

void OnceBook::Ask(session::PartitionId partition, const Book& book, uint64_t from) {
  session::QueueRead read;
  read.key = book.key;
  read.token = kPageBit | partition;
  read.from = from;
  read.max_messages = kMaxAPartition;
  read.max_bytes = UINT64_MAX;
  read.after = state_.last_lsn;
  state_.ports.store->ReadQueue(read);
}

void OnceBook::OnPage(session::QueuePage* page) {
  const auto partition = static_cast<session::PartitionId>(page->token & ~kPageBit);
  const auto found = books_.find(partition);
  if (found == books_.end() || found->second.known || found->second.key != page->key) return;
  Book& book = found->second;
  for (const session::StoredDelivery& entry : page->entries) {
    if (entry.subscription_ids.size() != 2) continue;
    book.given.Add(JoinOnce(entry.subscription_ids), kMaxAPartition + kDroppedAtOnce);
  }
  if (page->end) {
    book.known = true;
    --loading_;
  } else {
    Ask(partition, book, page->next);
  }
}

bool OnceBook::Known(session::PartitionId partition) const {
  const auto found = books_.find(partition);
  return found == books_.end() || found->second.known;
}

bool OnceBook::Has(uint64_t id, session::PartitionId partition) const {
  const auto found = books_.find(partition);
  return found != books_.end() && found->second.given.ids.contains(id);
}

OnceBook::Book& OnceBook::Open(session::PartitionId partition) {
  Book& book = books_[partition];
  if (book.key.number != 0) return book;
  book.key = {partition, ++state_.last_session_number};
  state_.last_lsn = state_.ports.store->Append(
      book.key, session::Connected{kClientId, UINT32_MAX, 5, {}}, state_.commit_group);
  return book;
}

void OnceBook::Remember(uint64_t id, session::PartitionId partition) {
  Book& book = Open(partition);
  if (book.given.ids.contains(id)) return;
  const std::array<uint32_t, 2> halves = SplitOnce(id);
  state_.last_lsn = state_.ports.store->Append(
      book.key,
      session::Enqueued{++book.last_sequence, entry_, halves, Qos::kAtLeastOnce, false, 0},
      state_.commit_group);
  book.given.Add(id, kMaxAPartition + kDroppedAtOnce);
  if (book.last_sequence - book.first_sequence + 1 < kMaxAPartition + kDroppedAtOnce) return;
  book.first_sequence += kDroppedAtOnce;
  state_.last_lsn = state_.ports.store->Append(
      book.key,
      session::DroppedOldest{book.first_sequence, kDroppedAtOnce, kDroppedAtOnce * entry_->cost()});
}

std::vector<uint64_t> OnceBook::Of(session::PartitionId partition) const {
  const auto found = books_.find(partition);
  if (found == books_.end()) return {};
  return {found->second.given.order.begin(), found->second.given.order.end()};
}

void OnceBook::Take(session::PartitionId partition, const std::vector<uint64_t>& ids) {
  Forget(partition);
  for (const uint64_t id : ids)
    Remember(id, partition);
}

void OnceBook::Forget(session::PartitionId partition) {
  const auto found = books_.find(partition);
  if (found == books_.end()) return;
  if (!found->second.known) --loading_;
  state_.last_lsn = state_.ports.store->Append(found->second.key, session::Ended{});
  books_.erase(found);
}

void OnceBook::Ids::Add(uint64_t id, size_t maximum) {
  if (!ids.insert(id).second) return;
  order.push_back(id);
  if (order.size() <= maximum) return;
  ids.erase(order.front());
  order.pop_front();
}

}  // namespace skein::shard
