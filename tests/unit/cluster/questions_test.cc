// Two nodes ask each other over real connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <semaphore>
#include <thread>

#include "broker/net/clock.h"
#include "broker/net/listener.h"
#include "cluster/link/peer_net.h"
#include "cluster/link/question_desk.h"

namespace skein::cluster {
namespace {

std::string FreeAddress() {
  const auto listener = net::Listener::Bind({"127.0.0.1", 0});
  return "127.0.0.1:" + std::to_string(listener->endpoint().port);
}

class QuestionsTest : public testing::Test {
 protected:
  QuestionsTest() : members_{{"a", FreeAddress(), 0}, {"b", FreeAddress(), 1}} {}

  std::unique_ptr<PeerNet> Start(shard::NodeNumber self, admin::Handler answer) {
    PeerNetOptions options;
    options.members = members_;
    options.self = self;
    options.listen = members_[self].address;
    options.log = &log_;
    options.clock = [this] { return clock_.Now(); };
    options.backlog = [] { return size_t{0}; };
    options.deliver = [](ShardId, shard::PeerEvent) {};
    options.answer = std::move(answer);
    auto net = std::make_unique<PeerNet>(std::move(options));
    EXPECT_TRUE(net->Start().ok());
    return net;
  }
  static void AwaitLink(const PeerNet& net) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (net.Linked().empty() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_FALSE(net.Linked().empty());
  }

  const net::Clock clock_;
  NullLogger log_;
  std::vector<Member> members_;
};

admin::Response Echo(const admin::Request& request) {
  std::string body = request.peer + "|" + request.who + "|" + request.method + "|" + request.path;
  for (const auto& [name, value] : request.query)
    body += "|" + name + "=" + value;
  EXPECT_TRUE(request.from_node);
  return {201, body + "|" + request.body, {}};
}

TEST_F(QuestionsTest, EitherSideAsksAndIsAnswered) {
  const auto a = Start(0, Echo);
  const auto b = Start(1, Echo);
  AwaitLink(*a);
  AwaitLink(*b);
  admin::Request request;
  request.method = "DELETE";
  request.path = "/x/%2F";
  request.query = {{"q", "\xff"}};
  request.body = std::string("\0z", 2);
  request.who = "ops";
  const auto of_b = a->Ask({1}, request, 20'000);
  ASSERT_TRUE(of_b[0].has_value());
  EXPECT_EQ(of_b[0]->status, 201);
  EXPECT_EQ(of_b[0]->body, std::string("a|ops|DELETE|/x/%2F|q=\xff|\0z", 26));
  const auto of_a = b->Ask({0, 7}, request, 20'000);
  ASSERT_TRUE(of_a[0].has_value());
  EXPECT_EQ(of_a[0]->body.substr(0, 2), "b|");
  EXPECT_FALSE(of_a[1].has_value()) << "there is no node 7";
}

TEST_F(QuestionsTest, WhoDoesNotAnswerInTimeIsSilent) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  const auto a = Start(0, Echo);
  const auto b = Start(1, [&](const admin::Request&) {
    gone.wait();
    return admin::Response{};
  });
  AwaitLink(*a);
  EXPECT_FALSE(a->Ask({1}, {}, 50)[0].has_value());
  go.set_value();
  b->StopAnswering();
  EXPECT_FALSE(a->Ask({1}, {}, 20'000)[0].has_value()) << "it stops";
}

TEST_F(QuestionsTest, NobodyWaitsAgainAndAgainForOneThatHangs) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> heard = 0;
  const auto a = Start(0, Echo);
  const auto b = Start(1, [&](const admin::Request&) {
    ++heard;
    gone.wait();
    return admin::Response{};
  });
  AwaitLink(*a);
  EXPECT_FALSE(a->Ask({1}, {}, 500)[0].has_value());
  EXPECT_FALSE(a->Ask({1}, {}, 500)[0].has_value());
  EXPECT_FALSE(a->Ask({1}, {}, 20'000)[0].has_value()) << "it is not asked";
  EXPECT_LE(heard, 2);
  go.set_value();
}

TEST(QuestionDeskTest, RefusesWhatIsTooMuch) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::counting_semaphore<> begun{0};
  QuestionDesk desk([&](const admin::Request&) {
    begun.release();
    gone.wait();
    return admin::Response{200, std::string(QuestionDesk::kMostBytes + 1, 'x'), {}};
  });
  const v1::Question question;
  v1::Answer answer;
  std::mutex mutex;
  std::vector<std::string> refusals;
  const auto reply = [&](const std::string& refusal) {
    const std::lock_guard lock(mutex);
    refusals.push_back(refusal);
  };
  for (size_t i = 0; i < QuestionDesk::kThreads; ++i)
    desk.Take({&question, &answer, {}, reply});
  for (size_t i = 0; i < QuestionDesk::kThreads; ++i)
    begun.acquire();
  for (size_t i = 0; i < QuestionDesk::kWaiting; ++i)
    desk.Take({&question, &answer, {}, reply});
  {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(refusals.empty());
  }
  desk.Take({&question, &answer, {}, reply});
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(refusals.size(), 1u) << "the queue is full";
  }
  go.set_value();
  desk.Stop();
  EXPECT_EQ(refusals.size(), QuestionDesk::kThreads + QuestionDesk::kWaiting + 1);
  EXPECT_THAT(refusals, testing::Contains("the answer is too large"));
}

}  // namespace
}  // namespace skein::cluster
