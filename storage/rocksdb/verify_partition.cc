#include "storage/rocksdb/verify_partition.h"

#include <algorithm>
#include <climits>
#include <memory>
#include <optional>
#include <utility>

#include <rocksdb/db.h>

#include "absl/strings/str_cat.h"
#include "skein/storage/v1/record.pb.h"
#include "skein/storage/v1/state.pb.h"
#include "storage/log/frame.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

absl::string_view AsAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

bool Parse(std::string_view value, google::protobuf::MessageLite* message) {
  return value.size() <= INT_MAX &&
         message->ParseFromArray(value.data(), static_cast<int>(value.size()));
}

// The number behind the partition; nothing: the key is not long enough.
std::optional<uint64_t> NumberAt(std::string_view key, size_t at = 2) {
  if (key.size() < at + 8) return std::nullopt;
  uint64_t number = 0;
  for (size_t i = at; i < at + 8; ++i)
    number = number << 8 | static_cast<uint8_t>(key[i]);
  return number;
}

}  // namespace

void PartitionVerifier::Run() {
  using std::string_view;
  ReadApplied();
  Scan(Family::kLog, [this](string_view key, string_view value) { CheckFrame(key, value); });
  Scan(Family::kState, [this](string_view key, string_view value) { CheckState(key, value); });
  Scan(Family::kQueue, [this](string_view key, string_view value) { CheckEntry(key, value); });
  Scan(Family::kBodies, [this](string_view key, string_view value) { CheckBody(key, value); });
  CheckSums();
}

void PartitionVerifier::Problem(std::string_view what, std::string_view why) {
  report_.Problem(absl::StrCat("partition ", partition_, ": ", AsAbsl(what),
                               why.empty() ? "" : ": ", AsAbsl(why)));
}

void PartitionVerifier::Scan(Family family, const Visit& visit) {
  const Key begin = Key().AddU16(static_cast<uint16_t>(partition_));
  const std::string end = PrefixEnd(begin.view());
  const rocksdb::Slice bound(end);
  rocksdb::ReadOptions options;
  if (!end.empty()) options.iterate_upper_bound = &bound;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(options, database_->family(family)));
  for (each->Seek(AsSlice(begin.view())); each->Valid(); each->Next())
    visit(each->key().ToStringView(), each->value().ToStringView());
  if (!each->status().ok()) {
    Problem(absl::StrCat("family '", kFamilyNames[static_cast<size_t>(family)], "'"),
            each->status().ToString());
  }
}

void PartitionVerifier::ReadApplied() {
  std::string value;
  const Key key = StateKey(partition_, StateKind::kApplied);
  const rocksdb::Status status = database_->db()->Get(
      rocksdb::ReadOptions(), database_->family(Family::kState), AsSlice(key.view()), &value);
  if (status.IsNotFound()) return;
  v1::AppliedPosition position;
  if (!status.ok() || !Parse(value, &position)) {
    return Problem("the applied position cannot be read", status.ToString());
  }
  applied_ = position.sequence();
  applied_chain_ = position.chain();
}

void PartitionVerifier::CheckFrame(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> sequence = NumberAt(key);
  if (!sequence || key.size() != 10) return Problem("a key of the log is damaged");
  ++report_.frames;
  const std::string name = absl::StrCat("frame ", *sequence);
  // What lies before the applied position is about to be deleted, and may have begun to be.
  if (*sequence > applied_ && *sequence != std::max(last_frame_, applied_) + 1)
    Problem(name, "frames before it are missing");
  // Is it known what the frame follows?
  const bool chained = *sequence == applied_ + 1 || *sequence == last_frame_ + 1;
  const uint64_t previous = *sequence == applied_ + 1 ? applied_chain_ : last_chain_;
  FrameView view;
  const absl::Status opened = OpenFrame(value, previous, &view);
  v1::Frame frame;
  if (!opened.ok() && (chained || view.serialized.data() == nullptr)) {
    Problem(name, std::string(opened.message()));
  } else if (!Parse(view.serialized, &frame)) {
    Problem(name, "its records cannot be read");
  }
  if (*sequence == applied_ && view.chain != applied_chain_)
    Problem(name, "its chain hash is not that of the applied position");
  last_frame_ = *sequence;
  last_chain_ = view.chain;
  if (*sequence <= applied_) return;
  for (const v1::Record& record : frame.records())
    ahead_.insert(record.session());
}

void PartitionVerifier::CheckState(std::string_view key, std::string_view value) {
  const char kind = key.size() > 2 ? key[2] : '\0';
  if (kind == static_cast<char>(StateKind::kApplied) && key.size() == 3) return;
  const std::optional<NumberedKey> parsed = ParseStateKey(key);
  if (!parsed) return Problem("a key of the state is damaged");
  switch (static_cast<StateKind>(kind)) {
    case StateKind::kSession:
      return CheckSession(parsed->number, value);
    case StateKind::kEnded:
      return CheckEnded(parsed->number, value);
    case StateKind::kSubscription: {
      ++report_.subscriptions;
      subscribers_.insert(parsed->number);
      v1::Subscribed options;
      if (parsed->rest.empty() || !Parse(value, &options) || options.qos() > 2)
        Problem(absl::StrCat("a subscription of session ", parsed->number, " is damaged"));
      return;
    }
    case StateKind::kBodyUses: {
      v1::BodyUses uses;
      if (!Parse(value, &uses))
        return Problem(absl::StrCat("the count of body ", parsed->number, " is damaged"));
      uses_[parsed->number] = uses.count();
      return;
    }
    default:
      return Problem("a key of the state is of no known kind");
  }
}

void PartitionVerifier::CheckSession(uint64_t number, std::string_view value) {
  ++report_.sessions;
  Queue& queue = queues_[number];
  const std::string name = absl::StrCat("session ", number);
  if (!DecodeRow(value, &queue.row)) return Problem(name, "its row is damaged");
  // Of a session that is over the queue may be left, for others of its shared groups.
  const bool over = queue.row.expiry_seconds == 0 && queue.row.disconnected_at != kNever;
  if (!over && !client_ids_.insert(queue.row.client_id).second)
    Problem(name, "another session has its client id '" + queue.row.client_id + "'");
}

void PartitionVerifier::CheckEnded(uint64_t number, std::string_view value) {
  Queue& queue = queues_[number];
  queue.ended = true;
  if (!DecodeEnded(value, &queue.row))
    Problem(absl::StrCat("ended session ", number), "its row is damaged");
}

void PartitionVerifier::CheckEntry(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> number = NumberAt(key);
  const std::optional<uint64_t> sequence = ParseQueueKey(key);
  if (!number || !sequence) return Problem("a key of the queues is damaged");
  ++report_.queue_entries;
  v1::Enqueued entry;
  if (!Parse(value, &entry) || entry.qos() > 2 || entry.sequence() != *sequence ||
      entry.content_case() == v1::Enqueued::CONTENT_NOT_SET) {
    return Problem(absl::StrCat("message ", *sequence, " of session ", *number, " is damaged"));
  }
  CheckPlace(*number, *sequence);
  if (entry.body() != 0) ++references_[entry.body()];
}

// Whether the session knows the entry.
void PartitionVerifier::CheckPlace(uint64_t number, uint64_t sequence) {
  const auto found = queues_.find(number);
  if (found == queues_.end()) {
    if (!ahead_.contains(number))
      Problem(
          absl::StrCat("message ", sequence, " is of session ", number, ", which is not there"));
    return;
  }
  Queue& queue = found->second;
  if (!queue.ended && queue.row.queue.Queued(sequence)) {
    ++queue.found;
  } else if (!queue.row.garbage.Contains(sequence) && !ahead_.contains(number)) {
    Problem(absl::StrCat("message ", sequence, " is not in the queue of session ", number));
  }
}

void PartitionVerifier::CheckBody(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> number = NumberAt(key);
  if (!number || key.size() != 10) return Problem("a key of the bodies is damaged");
  ++report_.bodies;
  const std::string name = absl::StrCat("body ", *number);
  v1::Message message;
  if (!Parse(value, &message) || message.topic().empty() || message.qos() > 2)
    Problem(name, "it is damaged");
  const auto uses = uses_.find(*number);
  const auto found = references_.find(*number);
  const uint64_t counted = uses == uses_.end() ? 0 : uses->second;
  const uint64_t references = found == references_.end() ? 0 : found->second;
  if (!Ahead(*number) && (counted != references || counted == 0)) {
    Problem(name, absl::StrCat(counted, " uses are counted, ", references, " found"));
  }
  if (uses != uses_.end()) uses_.erase(uses);
  if (found != references_.end()) references_.erase(found);
}

void PartitionVerifier::CheckSums() {
  for (const auto& [number, queue] : queues_) {
    if (queue.ended || queue.found == queue.row.queued_messages) continue;
    Problem(absl::StrCat("session ", number, " counts ", queue.row.queued_messages,
                         " queued messages, ", queue.found, " are there"));
  }
  for (const uint64_t number : subscribers_) {
    if (!queues_.contains(number) && !ahead_.contains(number))
      Problem(absl::StrCat("subscriptions of session ", number, ", which is not there"));
  }
  for (const auto& [body, count] : references_) {
    if (Ahead(body)) continue;
    Problem(absl::StrCat("body ", body, " is missing, ", count, " messages refer to it"));
  }
  for (const auto& [body, count] : uses_) {
    if (count > 0 && !Ahead(body))
      Problem(absl::StrCat("body ", body, " is missing, ", count, " uses are counted"));
  }
}

}  // namespace skein::storage
