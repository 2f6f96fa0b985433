#include "broker/net/event_loop.h"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>
#include <vector>

#include "broker/net/clock.h"
#include "broker/net/mailbox.h"
#include "gtest/gtest.h"

namespace skein::net {
namespace {

// Long enough for any machine; a wait that needs it has failed.
constexpr int kDeadlineMs = 30'000;

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    near.Reset(fds[0]);
    far.Reset(fds[1]);
  }
  void Send(char byte) {
    const iovec part{&byte, 1};
    EXPECT_EQ(Writev(far.get(), &part, 1).status, IoStatus::kOk);
  }

  Fd near;
  Fd far;
};

std::unique_ptr<EventLoop> MakeLoop() {
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  EXPECT_TRUE(loop.ok()) << loop.status();
  return *std::move(loop);
}

TEST(EventLoopTest, ReportsLevelTriggeredReadinessWithTheTag) {
  auto loop = MakeLoop();
  Pair pair;
  ASSERT_TRUE(loop->Add(pair.near.get(), EPOLLIN, 77));
  EXPECT_TRUE(loop->Wait(0).empty());
  pair.Send('x');
  for (int i = 0; i < 2; ++i) {  // again while it is unread
    const auto events = loop->Wait(kDeadlineMs);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].tag, 77u);
    EXPECT_EQ(events[0].events, static_cast<uint32_t>(EPOLLIN));
  }
  loop->Modify(pair.near.get(), EPOLLOUT, 78);
  const auto writable = loop->Wait(kDeadlineMs);
  ASSERT_EQ(writable.size(), 1u);
  EXPECT_EQ(writable[0].tag, 78u);
  EXPECT_EQ(writable[0].events, static_cast<uint32_t>(EPOLLOUT));
  loop->Remove(pair.near.get());
  EXPECT_TRUE(loop->Wait(0).empty());
}

TEST(EventLoopTest, ReportsAtMostItsLimitAndTheRestLater) {
  auto loop = MakeLoop();
  constexpr size_t kPairs = EventLoop::kMaxEvents / 2 + 50;
  std::vector<Pair> pairs(kPairs);  // both ends are watched
  uint64_t tag = 0;
  for (const Pair& pair : pairs) {
    ASSERT_TRUE(loop->Add(pair.near.get(), EPOLLOUT | EPOLLONESHOT, tag++));
    ASSERT_TRUE(loop->Add(pair.far.get(), EPOLLOUT | EPOLLONESHOT, tag++));
  }
  std::set<uint64_t> seen;
  const auto first = loop->Wait(0);
  EXPECT_EQ(first.size(), static_cast<size_t>(EventLoop::kMaxEvents));
  for (const auto& event : first)
    seen.insert(event.tag);
  for (const auto& event : loop->Wait(0))
    seen.insert(event.tag);
  EXPECT_EQ(seen.size(), 2 * kPairs);
}

TEST(EventLoopTest, WakeBeforeWaitEndsItAtOnceAndOnlyOnce) {
  auto loop = MakeLoop();
  Clock clock;
  const TimeMs start = clock.Now();
  loop->Wake();
  loop->Wake();
  EXPECT_TRUE(loop->Wait(kDeadlineMs).empty());
  EXPECT_LT(clock.Now() - start, kDeadlineMs) << "the wake was lost";
  const TimeMs second = clock.Now();
  EXPECT_TRUE(loop->Wait(20).empty());  // the wakes are used up: this one sleeps
  EXPECT_GE(clock.Now() - second, 19);
}

TEST(EventLoopTest, WakeIsNotReportedAmongEvents) {
  auto loop = MakeLoop();
  Pair pair;
  ASSERT_TRUE(loop->Add(pair.near.get(), EPOLLIN, 5));
  std::thread waker([&loop] { loop->Wake(); });
  EXPECT_TRUE(loop->Wait(-1).empty());
  waker.join();
  pair.Send('x');
  for (int tries = 0; tries < 3; ++tries) {  // a late write of the waker may end one wait early
    const auto events = loop->Wait(kDeadlineMs);
    if (events.empty()) continue;
    EXPECT_EQ(events[0].tag, 5u);
    return;
  }
  FAIL() << "the event was not reported";
}

// Each pushes numbers and wakes; the consumer sleeps without a time-out. A lost wake-up is a hang,
// which a watchdog thread ends.
class WakeStress {
 public:
  WakeStress(int producers, uint64_t items, bool bursts) : items_(items), bursts_(bursts) {
    for (int i = 0; i < producers; ++i)
      rings_.push_back(std::make_unique<SpscRing<uint64_t>>(8));
  }

  // The sum the consumer saw, or 0 when it hung.
  uint64_t Run() {
    std::thread consumer([this] { Consume(); });
    std::vector<std::thread> producers;
    for (auto& ring : rings_)
      producers.emplace_back([this, &ring] { Produce(*ring); });
    const auto deadline = [] {
      return std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
    };
    auto end = deadline();
    for (uint64_t seen = 0; !done_.load() && std::chrono::steady_clock::now() < end;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (seen == turns_.load()) continue;
      seen = turns_.load();
      end = deadline();  // slow, but not hung
    }
    const bool in_time = done_.exchange(true);
    loop_->Wake();
    for (std::thread& producer : producers)
      producer.join();
    consumer.join();
    return in_time ? sum_ : 0;
  }

  uint64_t expected() const { return rings_.size() * items_ * (items_ + 1) / 2; }

 private:
  void Produce(SpscRing<uint64_t>& ring) {
    for (uint64_t i = 1; i <= items_ && !done_.load(std::memory_order_relaxed); ++i) {
      while (!ring.TryPush(uint64_t{i}) && !done_.load(std::memory_order_relaxed)) {
        loop_->Wake();
        std::this_thread::yield();
      }
      if (!bursts_ || i % 5 == 0 || i == items_) loop_->Wake();
      // Let the consumer fall asleep now and then, at changing distances from its last look.
      if (i % 64 == 0) std::this_thread::yield();
    }
  }

  void Consume() {
    uint64_t left = rings_.size() * items_;
    while (left > 0 && !done_.load()) {
      loop_->Wait(-1);
      turns_.fetch_add(1);
      uint64_t item;
      for (auto& ring : rings_) {
        while (ring->TryPop(&item)) {
          sum_ += item;
          --left;
        }
      }
    }
    done_.store(true);
  }

  const uint64_t items_;
  const bool bursts_;
  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  std::vector<std::unique_ptr<SpscRing<uint64_t>>> rings_;
  uint64_t sum_ = 0;                // the consumer's until it is joined
  std::atomic<uint64_t> turns_{0};  // of the consumer
  std::atomic<bool> done_{false};
};

TEST(EventLoopTest, NoWakeUpIsLostWithOneProducer) {
  WakeStress stress(1, 200'000, false);
  EXPECT_EQ(stress.Run(), stress.expected());
}

TEST(EventLoopTest, NoWakeUpIsLostWithSeveralProducers) {
  WakeStress stress(3, 60'000, false);
  EXPECT_EQ(stress.Run(), stress.expected());
}

TEST(EventLoopTest, NoWakeUpIsLostWithBatches) {
  WakeStress stress(2, 100'000, true);
  EXPECT_EQ(stress.Run(), stress.expected());
}

// One item at a time and an answer before the next: each one meets a loop that sleeps or is about
// to.
TEST(EventLoopTest, PingPongBetweenTwoSleepingLoops) {
  constexpr int kRounds = 20'000;
  auto left = MakeLoop();
  auto right = MakeLoop();
  std::atomic<int> ball{0};
  Clock clock;
  const TimeMs end = clock.Now() + kDeadlineMs;
  const auto play = [&](EventLoop& own, EventLoop& other, int parity) {
    for (int round = parity; round < kRounds; round += 2) {
      while (ball.load(std::memory_order_acquire) != round) {
        own.Wait(kDeadlineMs);
        if (clock.Now() >= end) return;
      }
      ball.store(round + 1, std::memory_order_release);
      other.Wake();
    }
  };
  std::thread opponent([&] { play(*right, *left, 1); });
  play(*left, *right, 0);
  opponent.join();
  EXPECT_EQ(ball.load(), kRounds);
}

void Ignore(int) {}

TEST(EventLoopTest, SignalsDoNotEndAWait) {
  struct sigaction action {};
  action.sa_handler = Ignore;  // without SA_RESTART
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  auto loop = MakeLoop();
  const pthread_t self = ::pthread_self();
  std::atomic<bool> done{false};
  std::thread pest([&] {
    while (!done.load()) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
  });
  Clock clock;
  const TimeMs start = clock.Now();
  EXPECT_TRUE(loop->Wait(30).empty());
  EXPECT_GE(clock.Now() - start, 29);
  done.store(true);
  pest.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(ClockTest, NeverGoesBack) {
  const Clock clock;
  TimeMs last = clock.Now();
  for (int i = 0; i < 100'000; ++i) {
    const TimeMs now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace skein::net
