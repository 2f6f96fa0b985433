#include "storage/rocksdb/frame_builder.h"

#include <algorithm>
#include <variant>

#include <google/protobuf/arena.h>

#include "skein/storage/v1/record.pb.h"
#include "storage/log/message_codec.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

constexpr size_t kFirstBlock = size_t{1} << 20;
constexpr size_t kMaxBlock = size_t{1} << 20;
constexpr size_t kRecordOverhead = 32;  // about what a record has around its message
constexpr int kMaxBodies = UINT16_MAX;  // a body's index has 16 bits

google::protobuf::ArenaOptions WithFirstBlock(std::vector<char>* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block->data();
  options.initial_block_size = block->size();
  options.max_block_size = kMaxBlock;
  return options;
}

}  // namespace

FrameBuilder::FrameBuilder(uint32_t partitions)
    : block_(kFirstBlock),
      arena_(std::make_unique<google::protobuf::Arena>(WithFirstBlock(&block_))),
      next_sequence_(partitions, 1),
      partitions_(partitions) {}

FrameBuilder::~FrameBuilder() = default;

void FrameBuilder::Add(const StagedRecord& staged) {
  Entry& entry = EntryFor(staged.key.partition);
  v1::Record* record = entry.frame->add_records();
  EncodeStaged(staged, record);
  entry.bytes += kRecordOverhead;
  if (const auto* enqueued = std::get_if<StagedEnqueued>(&staged.body))
    SetContent(enqueued->message, &entry, record);
}

FrameBuilder::Entry& FrameBuilder::EntryFor(session::PartitionId number) {
  Partition& partition = partitions_[number];
  if (partition.entry != SIZE_MAX && entries_[partition.entry].bytes < kMaxFrameBytes)
    return entries_[partition.entry];
  partition = {};
  partition.entry = entries_.size();
  entries_.push_back({number, next_sequence_[number]++,
                      google::protobuf::Arena::CreateMessage<v1::Frame>(arena_.get())});
  return entries_.back();
}

void FrameBuilder::SetContent(const mqtt::MessagePtr& message, Entry* entry, v1::Record* record) {
  v1::Enqueued* enqueued = record->mutable_enqueued();
  const bool may_share = message->payload().size() >= kMinSharedBytes;
  Partition& partition = partitions_[entry->partition];
  const auto known =
      std::find_if(partition.recent.begin(), partition.recent.end(),
                   [&message](const Recent& recent) { return recent.message == message.get(); });
  const bool full = entry->frame->bodies_size() == kMaxBodies;
  if (!may_share || known == partition.recent.end() || (known->body == 0 && full)) {
    EncodeMessage(*message, enqueued->mutable_message());
    entry->bytes += message->cost();
    if (!may_share) return;
    partition.recent[partition.next_recent++ % partition.recent.size()] = {message.get(), record};
    return;
  }
  if (known->body == 0) {
    // The second use: the first one's message becomes the body of both.
    const auto index = static_cast<uint16_t>(entry->frame->bodies_size());
    known->body = BodyNumber(entry->sequence, index);
    v1::Enqueued* first = known->first->mutable_enqueued();
    v1::Body* body = entry->frame->add_bodies();
    body->set_number(known->body);
    body->unsafe_arena_set_allocated_message(first->unsafe_arena_release_message());
    first->set_body(known->body);
  }
  enqueued->set_body(known->body);
}

void FrameBuilder::Reset() {
  for (const Entry& entry : entries_)
    partitions_[entry.partition].entry = SIZE_MAX;
  entries_.clear();
  arena_->Reset();
}

}  // namespace skein::storage
