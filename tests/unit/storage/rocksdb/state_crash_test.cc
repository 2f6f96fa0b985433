// Random records, flushes, sweeps, checkpoints and crashes against a model that knows of no disk.
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skein/storage/v1/state.pb.h"
#include "storage/rocksdb/keys.h"
#include "tests/unit/storage/rocksdb/state_node.h"

namespace skein::storage {
namespace {

struct ModelEntry {
  PacketId packet_id = 0;
  bool released = false;
  std::string payload;
  uint64_t body = 0;  // 0 = its own message
};

struct ModelSession {
  std::string client_id;
  uint32_t expiry = 0;
  TimeMs disconnected_at = kNever;
  bool will = false;
  TimeMs will_due = kNever;
  std::map<std::string, uint32_t> subscriptions;  // filter -> identifier
  std::set<PacketId> inbound;
  std::map<uint64_t, ModelEntry> queue;
  uint64_t last_sequence = 0;
  uint64_t last_sent = 0;
};

// The node and the model, driven by one random source.
class CrashTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  static constexpr size_t kCleanRows = 3;

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t bound) { return Below(bound) == 0; }

  void CommitFrame();
  void AddRecord();
  void Connect(uint64_t number);
  void Enqueue(uint64_t number, ModelSession* session);
  void MoveMessage(uint64_t number, ModelSession* session);
  void DropOldest(uint64_t number, ModelSession* session);
  void ChangeSession(uint64_t number, ModelSession* session);

  void CheckSessions();
  void CheckQueue(uint64_t number, const ModelSession& session);
  void CheckNothingIsLeftOver();
  void CheckSession(const session::SessionImage& image, const ModelSession& session);

  std::mt19937_64 random_{GetParam()};
  StateNode node_{kCleanRows};
  std::map<uint64_t, ModelSession> sessions_;
  uint64_t last_number_ = 0;
  uint64_t last_payload_ = 0;
  std::vector<std::pair<uint64_t, std::string>> bodies_;  // of the frame
};

void CrashTest::CommitFrame() {
  bodies_.clear();
  for (uint64_t i = Below(4); i > 0; --i) {
    std::string payload = "shared " + std::to_string(++last_payload_);
    bodies_.emplace_back(node_.AddBody(payload), payload);
  }
  for (uint64_t i = 1 + Below(12); i > 0; --i)
    AddRecord();
  node_.Commit();
}

void CrashTest::AddRecord() {
  if (last_number_ == 0 || OneIn(25)) {
    Connect(++last_number_);
    return;
  }
  // Often one of the latest; some have ended.
  const uint64_t number = last_number_ - Below(std::min<uint64_t>(last_number_, 8));
  const auto found = sessions_.find(number);
  ModelSession ended;
  ModelSession* session = found == sessions_.end() ? &ended : &found->second;
  switch (Below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      Enqueue(number, session);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      MoveMessage(number, session);
      break;
    case 8:
      if (OneIn(3)) DropOldest(number, session);
      break;
    case 9:
      if (!OneIn(8)) break;
      node_.Add(number)->mutable_ended();
      sessions_.erase(number);
      break;
    default:
      ChangeSession(number, session);
  }
}

void CrashTest::Connect(uint64_t number) {
  ModelSession& session = sessions_[number];
  session.client_id = "client " + std::to_string(number);
  session.expiry = static_cast<uint32_t>(Below(1'000));
  session.disconnected_at = session.will_due = kNever;
  session.will = OneIn(2);
  v1::Connected* connected = node_.Connect(number, session.client_id);
  connected->set_expiry_seconds(session.expiry);
  if (session.will) connected->mutable_will()->mutable_message()->set_topic("will");
}

void CrashTest::Enqueue(uint64_t number, ModelSession* session) {
  ModelEntry entry;
  // Now and then some in between were acknowledged before they were written.
  const uint64_t sequence = session->last_sequence + 1 + (OneIn(5) ? Below(4) : 0);
  v1::Enqueued* enqueued = node_.Enqueue(number, sequence);
  if (!bodies_.empty() && OneIn(2)) {
    std::tie(entry.body, entry.payload) = bodies_[Below(bodies_.size())];
    enqueued->set_body(entry.body);
  } else {
    entry.payload = "own " + std::to_string(++last_payload_);
    enqueued->mutable_message()->set_topic("t");
    enqueued->mutable_message()->set_payload(entry.payload);
  }
  const bool waiting = std::any_of(session->queue.begin(), session->queue.end(),
                                   [](const auto& each) { return each.second.packet_id == 0; });
  if (!waiting && OneIn(2)) {
    entry.packet_id = static_cast<PacketId>(1 + Below(100));
    enqueued->set_packet_id(entry.packet_id);
    session->last_sent = sequence;
  }
  session->last_sequence = sequence;
  session->queue[sequence] = std::move(entry);
}

// Sends, releases or completes a message, or one that is not there.
void CrashTest::MoveMessage(uint64_t number, ModelSession* session) {
  const auto oldest = session->queue.begin();
  const uint64_t sequence = oldest != session->queue.end() && !OneIn(3)
                                ? oldest->first
                                : 1 + Below(session->last_sequence + 2);
  const auto found = session->queue.find(sequence);
  const bool queued = found != session->queue.end();
  if (OneIn(2)) {
    node_.Complete(number, sequence);
    session->queue.erase(sequence);
  } else if (OneIn(2)) {
    node_.Add(number)->mutable_released()->set_sequence(sequence);
    if (queued && found->second.packet_id != 0) found->second.released = true;
  } else {
    const auto packet_id = static_cast<PacketId>(1 + Below(100));
    v1::Sent* sent = node_.Add(number)->mutable_sent();
    sent->set_sequence(sequence);
    sent->set_packet_id(packet_id);
    if (!queued) return;
    if (found->second.packet_id == 0) {
      session->last_sent = std::max(session->last_sent, sequence);
    }
    found->second.packet_id = packet_id;
  }
}

void CrashTest::DropOldest(uint64_t number, ModelSession* session) {
  const uint64_t below = 1 + Below(session->last_sequence + 3);
  const size_t dropped = std::erase_if(session->queue, [&](const auto& each) {
    return each.first < below && each.second.packet_id == 0;
  });
  v1::DroppedOldest* record = node_.Add(number)->mutable_dropped_oldest();
  record->set_below(below);
  record->set_messages(dropped);
  record->set_cost(dropped);
}

void CrashTest::ChangeSession(uint64_t number, ModelSession* session) {
  const auto packet_id = static_cast<PacketId>(1 + Below(5));
  const std::string filter = "f/" + std::to_string(Below(4));
  switch (Below(7)) {
    case 0: {
      session->disconnected_at = static_cast<TimeMs>(Below(1'000));
      session->will_due = session->will && OneIn(2) ? TimeMs{5'000} : kNever;
      if (session->will_due == kNever) session->will = false;
      v1::Disconnected* record = node_.Add(number)->mutable_disconnected();
      record->set_at_ms(session->disconnected_at);
      record->set_expiry_seconds(session->expiry);
      if (session->will) record->set_will_due_ms(session->will_due);
      break;
    }
    case 1:
      node_.Add(number)->mutable_will_done();
      session->will = false;
      session->will_due = kNever;
      break;
    case 2:
    case 3: {
      v1::Subscribed* record = node_.Add(number)->mutable_subscribed();
      record->set_filter(filter);
      record->set_identifier(session->subscriptions[filter] = static_cast<uint32_t>(1 + Below(9)));
      break;
    }
    case 4:
      node_.Add(number)->mutable_unsubscribed()->set_filter(filter);
      session->subscriptions.erase(filter);
      break;
    case 5:
      node_.Add(number)->mutable_inbound_taken()->set_packet_id(packet_id);
      session->inbound.insert(packet_id);
      break;
    default:
      node_.Add(number)->mutable_inbound_released()->set_packet_id(packet_id);
      session->inbound.erase(packet_id);
  }
}

void CrashTest::CheckSession(const session::SessionImage& image, const ModelSession& session) {
  ASSERT_EQ(image.client_id, session.client_id);
  ASSERT_EQ(image.expiry_seconds, session.expiry);
  ASSERT_EQ(image.disconnected_at, session.disconnected_at);
  ASSERT_EQ(image.will.has_value(), session.will);
  ASSERT_EQ(image.will_due, session.will_due);
  std::vector<PacketId> inbound;
  for (const session::InboundTaken& taken : image.inbound)
    inbound.push_back(taken.packet_id);
  ASSERT_THAT(inbound, ::testing::ElementsAreArray(session.inbound));
  std::map<std::string, uint32_t> subscriptions;
  for (const auto& [filter, options] : image.subscriptions) {
    subscriptions[filter] = options.identifier;
  }
  ASSERT_EQ(subscriptions, session.subscriptions);
  ASSERT_EQ(image.last_sequence, session.last_sequence);
  ASSERT_EQ(image.last_sent, session.last_sent);
  ASSERT_EQ(image.queued_messages, session.queue.size());
  ASSERT_EQ(image.queued_bytes, session.queue.size());
  ASSERT_EQ(image.first_sequence,
            session.queue.empty() ? session.last_sequence + 1 : session.queue.begin()->first);
}

void CrashTest::CheckSessions() {
  const auto images = node_.Recover();
  ASSERT_EQ(images.size(), sessions_.size());
  auto at = images.begin();
  for (const auto& [number, session] : sessions_) {
    ASSERT_EQ(at->key, node_.KeyOf(number));
    ASSERT_NO_FATAL_FAILURE(CheckSession(*at++, session)) << "session " << number;
    ASSERT_NO_FATAL_FAILURE(CheckQueue(number, session)) << "session " << number;
  }
}

void CrashTest::CheckQueue(uint64_t number, const ModelSession& session) {
  auto expected = session.queue.begin();
  uint64_t next = 1;
  for (bool end = false; !end;) {
    const session::QueuePage page =
        node_.Read(number, next, static_cast<uint32_t>(1 + Below(5)), 1 + Below(5));
    for (const session::StoredDelivery& entry : page.entries) {
      ASSERT_NE(expected, session.queue.end()) << entry.sequence << " should be gone";
      ASSERT_EQ(entry.sequence, expected->first);
      ASSERT_EQ(entry.packet_id, expected->second.packet_id);
      ASSERT_EQ(entry.released, expected->second.released);
      if (!entry.released) {
        ASSERT_TRUE(entry.message);
        ASSERT_EQ(entry.message->payload(), expected->second.payload);
      }
      ++expected;
    }
    ASSERT_TRUE(page.end || page.next > next);
    next = page.next;
    end = page.end;
  }
  ASSERT_EQ(expected, session.queue.end()) << expected->first << " is lost";
}

void CrashTest::CheckNothingIsLeftOver() {
  node_.SweepAll();
  node_.Checkpoint();
  size_t entries = 0;
  size_t subscriptions = 0;
  std::map<std::string, uint64_t> uses;
  std::map<std::string, uint64_t> bodies;
  for (const auto& [number, session] : sessions_) {
    entries += session.queue.size();
    subscriptions += session.subscriptions.size();
    for (const auto& [sequence, entry] : session.queue) {
      if (entry.body == 0) continue;
      ++uses[std::string(StateKey(node_.partition(), StateKind::kBodyUses, entry.body).view())];
      ++bodies[std::string(BodyKey(node_.partition(), entry.body).view())];
    }
  }
  EXPECT_EQ(node_.Family(Family::kQueue).size(), entries);
  const auto stored_bodies = node_.Family(Family::kBodies);
  ASSERT_EQ(stored_bodies.size(), bodies.size());
  for (const auto& [key, body] : stored_bodies)
    ASSERT_TRUE(bodies.contains(key));
  const auto kind = [&](StateKind each) {
    return node_.Family(Family::kState, StateKey(node_.partition(), each).view());
  };
  EXPECT_EQ(kind(StateKind::kEnded).size(), 0u);
  EXPECT_EQ(kind(StateKind::kSession).size(), sessions_.size());
  EXPECT_EQ(kind(StateKind::kSubscription).size(), subscriptions);
  std::map<std::string, uint64_t> stored_uses;
  for (const auto& [key, value] : kind(StateKind::kBodyUses)) {
    v1::BodyUses stored;
    ASSERT_TRUE(stored.ParseFromString(value));
    stored_uses[key] = stored.count();
  }
  EXPECT_EQ(stored_uses, uses);
}

TEST_P(CrashTest, ReplayEndsWhereARunWithoutCrashesDoes) {
  int crashes = 0;
  for (int step = 0; step < 600; ++step) {
    const uint64_t choice = Below(100);
    if (choice < 62) {
      CommitFrame();
    } else if (choice < 77) {
      node_.Sweep(1 + Below(15));
    } else if (choice < 86) {
      node_.Checkpoint();
    } else if (choice < 95) {
      node_.Flush();
    } else if (choice < 98) {
      node_.Crash();
      ++crashes;
      ASSERT_NO_FATAL_FAILURE(CheckSessions()) << "step " << step << ", crash " << crashes;
    } else if (OneIn(3)) {
      ASSERT_NO_FATAL_FAILURE(CheckNothingIsLeftOver()) << "step " << step;
    } else {
      ASSERT_NO_FATAL_FAILURE(CheckSessions()) << "step " << step;
    }
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
  node_.Crash();
  ASSERT_NO_FATAL_FAILURE(CheckSessions());
  ASSERT_NO_FATAL_FAILURE(CheckNothingIsLeftOver());
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace skein::storage
