// A row between memory, its form on disk and what recovery yields.
#include <climits>
#include <utility>

#include "skein/storage/v1/state.pb.h"
#include "storage/log/message_codec.h"
#include "storage/rocksdb/session_row.h"

namespace skein::storage {
namespace {

using Numbers = google::protobuf::RepeatedField<uint64_t>;

void EncodeIntervals(const IntervalSet& set, Numbers* out) {
  for (const Interval& each : set.intervals()) {
    out->Add(each.first);
    out->Add(each.last);
  }
}

bool DecodeIntervals(const Numbers& numbers, IntervalSet* set) {
  set->clear();
  if (numbers.size() % 2 != 0) return false;
  for (int i = 0; i < numbers.size(); i += 2) {
    if (numbers[i] > numbers[i + 1]) return false;
    set->Add(numbers[i], numbers[i + 1]);
  }
  return true;
}

bool Parse(std::string_view value, google::protobuf::MessageLite* message) {
  return value.size() <= INT_MAX &&
         message->ParseFromArray(value.data(), static_cast<int>(value.size()));
}

}  // namespace

void EncodeRow(const SessionRow& row, std::string* value) {
  thread_local v1::SessionRow out;
  out.Clear();
  out.set_client_id(row.client_id);
  out.set_expiry_seconds(row.expiry_seconds);
  out.set_version(row.version);
  if (row.disconnected_at != kNever) out.set_disconnected_at_ms(row.disconnected_at);
  if (!row.will.empty()) Parse(row.will, out.mutable_will());
  if (row.will_due != kNever) out.set_will_due_ms(row.will_due);
  for (const session::InboundTaken& taken : row.inbound) {
    out.add_inbound(taken.packet_id);
    out.add_inbound_once(taken.once);
  }
  out.set_first_sequence(row.queue.first_sequence);
  out.set_last_sequence(row.queue.last_sequence);
  out.set_last_sent(row.last_sent);
  out.set_queued_messages(row.queued_messages);
  out.set_queued_bytes(row.queued_bytes);
  for (const SentMessage& each : row.queue.sent) {
    v1::SentEntry* entry = out.add_sent();
    entry->set_sequence(each.sequence);
    entry->set_packet_id(each.packet_id);
    entry->set_released(each.released);
    if (each.body_known) entry->set_body(each.body);
  }
  EncodeIntervals(row.queue.gone, out.mutable_gone());
  EncodeIntervals(row.garbage, out.mutable_garbage());
  out.set_may_share_bodies(row.may_share_bodies);
  out.SerializeToString(value);
}

void EncodeEnded(const SessionRow& row, std::string* value) {
  v1::EndedSession out;
  EncodeIntervals(row.garbage, out.mutable_garbage());
  out.set_may_share_bodies(row.may_share_bodies);
  out.SerializeToString(value);
}

bool DecodeRow(std::string_view value, SessionRow* row) {
  thread_local v1::SessionRow in;
  if (!Parse(value, &in)) return false;
  row->client_id.assign(in.client_id());
  row->expiry_seconds = in.expiry_seconds();
  row->version = static_cast<uint8_t>(in.version());
  row->disconnected_at = in.has_disconnected_at_ms() ? in.disconnected_at_ms() : kNever;
  row->will.clear();
  if (in.has_will()) in.will().SerializeToString(&row->will);
  row->will_due = in.has_will_due_ms() ? in.will_due_ms() : kNever;
  row->inbound.clear();
  for (int i = 0; i < in.inbound_size(); ++i) {
    row->inbound.push_back({static_cast<PacketId>(in.inbound(i)),
                            i < in.inbound_once_size() ? in.inbound_once(i) : 0});
  }
  row->queue.first_sequence = in.first_sequence();
  row->queue.last_sequence = in.last_sequence();
  row->last_sent = in.last_sent();
  row->queued_messages = in.queued_messages();
  row->queued_bytes = in.queued_bytes();
  row->queue.sent = {};
  for (const v1::SentEntry& each : in.sent()) {
    row->queue.sent.Insert({each.sequence(), static_cast<PacketId>(each.packet_id()),
                            each.released(), each.has_body(), each.body()});
  }
  row->doomed.clear();
  row->may_share_bodies = in.may_share_bodies();
  return DecodeIntervals(in.gone(), &row->queue.gone) &&
         DecodeIntervals(in.garbage(), &row->garbage);
}

bool DecodeEnded(std::string_view value, SessionRow* row) {
  v1::EndedSession in;
  if (!Parse(value, &in)) return false;
  *row = {};
  row->may_share_bodies = in.may_share_bodies();
  return DecodeIntervals(in.garbage(), &row->garbage);
}

void RowToImage(const SessionRow& row, session::SessionImage* image) {
  image->client_id.assign(row.client_id);
  image->expiry_seconds = row.expiry_seconds;
  image->version = row.version;
  image->disconnected_at = row.disconnected_at;
  image->will.reset();
  if (v1::Will will; !row.will.empty() && Parse(row.will, &will)) {
    image->will = session::WillRecord{DecodeMessage(will.message()), will.delay_seconds(),
                                      will.user_name(), will.trusted()};
  }
  image->will_due = row.will_due;
  image->inbound = row.inbound;
  image->first_sequence = row.queue.first_sequence;
  image->last_sequence = row.queue.last_sequence;
  image->last_sent = row.last_sent;
  image->queued_messages = row.queued_messages;
  image->queued_bytes = row.queued_bytes;
}

}  // namespace skein::storage
