#include "storage/rocksdb/session_row.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skein::storage {
namespace {

using ::testing::ElementsAre;

// A row with the sequences 1 .. last waiting, each of cost 10.
SessionRow Waiting(uint64_t last) {
  SessionRow row;
  for (uint64_t sequence = 1; sequence <= last; ++sequence)
    row.Enqueue(sequence, 0, 10, 0);
  return row;
}

bool Complete(SessionRow* row, uint64_t sequence, uint64_t cost) {
  uint64_t body = 0;
  return row->Complete(sequence, cost, &body);
}

TEST(SessionRowTest, TheFirstSequenceFollowsTheOldestMessage) {
  SessionRow row = Waiting(4);
  EXPECT_TRUE(row.Send(1, 11));
  EXPECT_TRUE(row.Send(2, 12));
  EXPECT_TRUE(Complete(&row, 2, 10));
  EXPECT_EQ(row.queue.first_sequence, 1u);
  EXPECT_THAT(row.queue.gone.intervals(), ElementsAre(Interval{2, 2}));
  EXPECT_TRUE(Complete(&row, 1, 10));
  EXPECT_EQ(row.queue.first_sequence, 3u);
  EXPECT_TRUE(row.queue.gone.empty());
  EXPECT_EQ(row.queued_messages, 2u);
  EXPECT_EQ(row.queued_bytes, 20u);
  EXPECT_EQ(row.last_sent, 2u);
}

TEST(SessionRowTest, WhatIsNotQueuedIsIgnored) {
  SessionRow row = Waiting(2);
  EXPECT_FALSE(row.Send(3, 1));
  EXPECT_FALSE(row.Release(1)) << "not sent";
  EXPECT_TRUE(Complete(&row, 1, 10));
  EXPECT_FALSE(Complete(&row, 1, 10));
  EXPECT_FALSE(row.Send(1, 1));
  EXPECT_FALSE(row.Enqueue(2, 0, 10, 0)) << "sequences ascend";
  EXPECT_EQ(row.queued_messages, 1u);
}

TEST(SessionRowTest, GapsAreNotQueued) {
  SessionRow row;
  row.Enqueue(5, 0, 1, 0);
  EXPECT_EQ(row.queue.first_sequence, 5u);
  row.Enqueue(9, 0, 1, 0);
  EXPECT_FALSE(row.Send(7, 1));
  EXPECT_TRUE(Complete(&row, 5, 1));
  EXPECT_EQ(row.queue.first_sequence, 9u);
  EXPECT_THAT(row.garbage.intervals(), ElementsAre(Interval{5, 5}));
}

TEST(SessionRowTest, TheBodyOfWhatWasSentAtOnceIsKnown) {
  SessionRow row;
  row.Enqueue(1, 11, 1, 500);
  row.Enqueue(2, 0, 1, 600);
  row.Send(2, 12);
  std::string value;
  EncodeRow(row, &value);
  ASSERT_TRUE(DecodeRow(value, &row));
  EXPECT_TRUE(row.may_share_bodies);
  uint64_t body = 0;
  EXPECT_TRUE(row.Complete(1, 1, &body));
  EXPECT_EQ(body, 500u);
  EXPECT_THAT(row.doomed.intervals(), ElementsAre(Interval{1, 1}));
  EXPECT_TRUE(row.garbage.empty());
  EXPECT_TRUE(row.Complete(2, 1, &body));
  EXPECT_EQ(body, 0u) << "its entry has to be read";
  EXPECT_THAT(row.garbage.intervals(), ElementsAre(Interval{2, 2}));
}

TEST(SessionRowTest, DropOldestSparesWhatWasSent) {
  SessionRow row = Waiting(10);
  row.Send(1, 1);
  row.Send(2, 2);
  EXPECT_TRUE(row.DropOldest(6, 30));
  EXPECT_EQ(row.queue.first_sequence, 1u);
  EXPECT_THAT(row.queue.gone.intervals(), ElementsAre(Interval{3, 5}));
  EXPECT_EQ(row.queued_messages, 7u);
  EXPECT_EQ(row.queued_bytes, 70u);
  EXPECT_TRUE(row.DropOldest(100, 1000)) << "an estimate that is too high";
  EXPECT_EQ(row.queued_messages, 2u);
  EXPECT_EQ(row.queue.sent.size(), 2u);
}

TEST(SessionRowTest, EndTurnsTheWholeQueueIntoGarbage) {
  SessionRow row = Waiting(6);
  row.Send(1, 1);
  Complete(&row, 3, 10);
  row.garbage.clear();  // as if it was deleted meanwhile
  row.End();
  EXPECT_THAT(row.garbage.intervals(), ElementsAre(Interval{1, 2}, Interval{4, 6}));
  EXPECT_EQ(row.queued_messages, 0u);
}

TEST(SessionRowTest, InboundIdsAreASet) {
  SessionRow row;
  for (const PacketId id : {7, 3, 7, 9})
    row.TakeInbound({id});
  row.ReleaseInbound(3);
  row.ReleaseInbound(4);
  EXPECT_THAT(row.inbound, ElementsAre(session::InboundTaken{7}, session::InboundTaken{9}));
}

TEST(SessionRowTest, SurvivesItsFormOnDisk) {
  SessionRow row = Waiting(9);
  row.client_id = std::string("c\0d", 3);
  row.expiry_seconds = UINT32_MAX;
  row.version = 5;
  row.disconnected_at = 0;
  row.will_due = 12'345;
  row.Send(1, 65'535);
  row.Send(2, 3);
  row.Release(2);
  Complete(&row, 5, 10);
  row.TakeInbound({65'535});
  row.may_share_bodies = true;
  std::string value;
  EncodeRow(row, &value);
  SessionRow again = Waiting(3);
  ASSERT_TRUE(DecodeRow(value, &again));
  EXPECT_EQ(again, row);
  EXPECT_FALSE(DecodeRow(value.substr(0, value.size() - 1), &again));
}

// The same records on a map of messages.
class RowModel {
 public:
  struct Entry {
    PacketId packet_id = 0;
    bool released = false;
  };
  std::map<uint64_t, Entry> entries;
  uint64_t last = 0;

  void Check(const SessionRow& row) const {
    ASSERT_EQ(row.queued_messages, entries.size());
    ASSERT_EQ(row.queued_bytes, entries.size());
    ASSERT_EQ(row.queue.first_sequence, entries.empty() ? last + 1 : entries.begin()->first);
    for (uint64_t sequence = 0; sequence <= last + 1; ++sequence) {
      const auto found = entries.find(sequence);
      ASSERT_EQ(row.queue.Queued(sequence), found != entries.end()) << sequence;
      const SentMessage* sent = row.queue.sent.Find(sequence);
      ASSERT_EQ(sent != nullptr, found != entries.end() && found->second.packet_id != 0);
      if (sent == nullptr) continue;
      ASSERT_EQ(sent->packet_id, found->second.packet_id);
      ASSERT_EQ(sent->released, found->second.released);
    }
  }
};

// Every message counts 1, so that what leaves is what is subtracted.
void Step(std::mt19937_64& random, SessionRow* row, RowModel* model) {
  const uint64_t sequence = 1 + random() % (model->last + 2);
  const auto packet_id = static_cast<PacketId>(1 + random() % 1000);
  const auto found = model->entries.find(sequence);
  const bool queued = found != model->entries.end();
  switch (random() % 8) {
    case 0:
    case 1:
    case 2: {
      model->last += 1 + (random() % 4 == 0 ? random() % 3 : 0);
      const PacketId sent_with = random() % 3 == 0 ? packet_id : PacketId{0};
      model->entries[model->last] = {sent_with, false};
      ASSERT_TRUE(row->Enqueue(model->last, sent_with, 1, 0));
      return;
    }
    case 3:
      ASSERT_EQ(row->Send(sequence, packet_id), queued);
      if (queued) found->second.packet_id = packet_id;
      return;
    case 4:
      ASSERT_EQ(row->Release(sequence), queued && found->second.packet_id != 0);
      if (queued && found->second.packet_id != 0) found->second.released = true;
      return;
    case 5:
    case 6:
      ASSERT_EQ(Complete(row, sequence, 1), queued);
      model->entries.erase(sequence);
      return;
    default:
      if (random() % 4 != 0) return;
      const size_t dropped = std::erase_if(model->entries, [&](const auto& each) {
        return each.first < sequence && each.second.packet_id == 0;
      });
      ASSERT_EQ(row->DropOldest(sequence, dropped), dropped > 0);
  }
}

TEST(SessionRowTest, AgreesWithAMapOfMessages) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 100; ++round) {
    SessionRow row;
    RowModel model;
    for (int step = 0; step < 120; ++step) {
      ASSERT_NO_FATAL_FAILURE(Step(random, &row, &model));
      ASSERT_NO_FATAL_FAILURE(model.Check(row));
    }
    // What left the queue is garbage, once; what never came is not.
    for (const Interval& run : row.garbage.intervals()) {
      for (uint64_t each = run.first; each <= run.last; ++each) {
        ASSERT_FALSE(row.queue.Queued(each));
      }
    }
    row.doomed.clear();  // as a checkpoint does before it writes the row
    std::string value;
    EncodeRow(row, &value);
    SessionRow again;
    ASSERT_TRUE(DecodeRow(value, &again));
    ASSERT_EQ(again, row);
  }
}

}  // namespace
}  // namespace skein::storage
