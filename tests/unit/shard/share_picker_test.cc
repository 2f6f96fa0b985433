// Which place, and which member: how a load spreads, and what stays where it was.
#include "broker/shard/share_picker.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/session/session.h"
#include "broker/shard/peers.h"

namespace skein::shard {
namespace {

using Route = routing::RouteTable::SharedRoute;

constexpr ShardId kShards = 2;
constexpr std::string_view kText = "$share/g/t/+";

mqtt::MessagePtr From(const std::string& client_id, const std::string& topic = "t/0") {
  mqtt::Message::Init init;
  init.topic = topic;
  init.qos = Qos::kAtLeastOnce;
  init.client_hash = session::Session(client_id, 0, 1).client_hash();
  return mqtt::Message::Make(init);
}

SharePicker Make(ShareStrategy strategy, NodeNumber node = 0, ShardId self = 0) {
  ShareStrategies strategies;
  strategies.usual = strategy;
  return SharePicker(strategies, node, self, kShards, [] { return uint64_t{88172645463325252}; });
}

// A shard of a peer, as shards of another node number it.
PlaceId Peer(NodeNumber node, ShardId shard) {
  return static_cast<PlaceId>(kShards + node * kMaxShardsANode + shard);
}

Route Places(const std::vector<std::pair<PlaceId, uint32_t>>& weights) {
  Route route;
  route.text = kText;
  for (const auto& [place, weight] : weights)
    route.shares.push_back({place, weight});
  return route;
}

std::map<PlaceId, int> Spread(SharePicker* picker, Route* route, int messages = 6'000) {
  std::map<PlaceId, int> counts;
  for (int i = 0; i < messages; ++i) {
    const std::string number = std::to_string(i);
    ++counts[picker->PickPlace(route, *From("client" + number, "t/" + number)).value()];
  }
  return counts;
}

// Members of one shard; the session's slot is the member's number.
struct Members {
  explicit Members(int count) {
    group.name = routing::ShareRef(kText);
    group.share_name_size = 1;
    for (int i = 0; i < count; ++i)
      Add(static_cast<SessionSlot>(i));
  }
  void Add(SessionSlot number) {
    routing::Subscriber subscriber;
    subscriber.session = number;
    group.members.push_back(subscriber);
    if (states.size() <= number) states.resize(number + size_t{1}, MemberState::kReady);
  }
  void Remove(size_t index) {
    group.members[index] = group.members.back();
    group.members.pop_back();
  }
  // The chosen one's number, -1 if nobody was.
  int Pick(SharePicker* picker, const mqtt::MessagePtr& message) {
    const routing::Subscriber* const chosen =
        picker->PickMember(&group, *message, [this](const routing::Subscriber& each) {
          return Member{states[each.session], each.session * 2654435761u + 1};
        });
    return chosen == nullptr ? -1 : static_cast<int>(chosen->session);
  }
  // By message.
  std::vector<int> PickMany(SharePicker* picker, int messages = 1'000) {
    std::vector<int> chosen;
    for (int i = 0; i < messages; ++i) {
      const std::string number = std::to_string(i);
      chosen.push_back(Pick(picker, From("client" + number, "t/" + number)));
    }
    return chosen;
  }

  routing::SharedGroup group;
  std::vector<MemberState> states;
};

class EveryStrategy : public ::testing::TestWithParam<ShareStrategy> {};
// To which it is all the same where a place is.
class EveryPlaceStrategy : public EveryStrategy {};

TEST_P(EveryPlaceStrategy, PlacesGetMessagesByTheirConnectedMembers) {
  SharePicker picker = Make(GetParam());
  Route route = Places({{0, 2}, {1, 4}, {Peer(1, 0), 6}, {Peer(1, 1), 1}});
  auto counts = Spread(&picker, &route);
  EXPECT_NEAR(counts[0], 1'000, 150);
  EXPECT_NEAR(counts[1], 2'000, 200);
  EXPECT_NEAR(counts[Peer(1, 0)], 3'000, 250);
  EXPECT_EQ(counts[Peer(1, 1)], 0) << "its members are away";
}

TEST_P(EveryPlaceStrategy, PlacesThatAreAwayShareWhatNobodyElseTakes) {
  SharePicker picker = Make(GetParam());
  Route route = Places({{0, 1}, {1, 1}, {Peer(1, 0), 1}});
  for (const auto& [place, count] : Spread(&picker, &route))
    EXPECT_NEAR(count, 2'000, 200) << place;
}

TEST_P(EveryStrategy, WhoWasTriedIsNotAskedAgain) {
  SharePicker picker = Make(GetParam());
  Route route = Places({{0, 2}, {1, 4}, {Peer(1, 0), 1}});
  const std::vector<PlaceId> one{1}, two{1, 0}, all{1, 0, Peer(1, 0)};
  EXPECT_EQ(picker.PickPlace(&route, *From("c"), one), 0);
  EXPECT_EQ(picker.PickPlace(&route, *From("c"), two), Peer(1, 0));
  EXPECT_EQ(picker.PickPlace(&route, *From("c"), all), std::nullopt);
}

TEST_P(EveryStrategy, MembersShareTheLoad) {
  SharePicker picker = Make(GetParam());
  Members members(4);
  std::map<int, int> counts;
  for (const int chosen : members.PickMany(&picker, 4'000))
    ++counts[chosen];
  for (int member = 0; member < 4; ++member)
    EXPECT_NEAR(counts[member], 1'000, 150) << member;
}

TEST_P(EveryStrategy, WhoIsConnectedComesFirstThenWhoIsAwayAndNobodyElse) {
  SharePicker picker = Make(GetParam());
  Members members(3);
  members.states = {MemberState::kUnfit, MemberState::kAway, MemberState::kBusy};
  for (const int chosen : members.PickMany(&picker, 50))
    EXPECT_EQ(chosen, 2);
  members.states[2] = MemberState::kUnfit;
  for (const int chosen : members.PickMany(&picker, 50))
    EXPECT_EQ(chosen, 1);
  members.states[1] = MemberState::kUnfit;
  EXPECT_EQ(members.Pick(&picker, From("c")), -1);
}

TEST_P(EveryStrategy, WhoLeftIsNeverChosen) {
  SharePicker picker = Make(GetParam());
  Members members(3);
  members.PickMany(&picker, 100);
  members.Remove(1);
  for (const int chosen : members.PickMany(&picker, 100))
    EXPECT_NE(chosen, 1);
}

constexpr ShareStrategy kPlaceStrategies[] = {ShareStrategy::kRoundRobin, ShareStrategy::kRandom,
                                              ShareStrategy::kSticky, ShareStrategy::kHashClient,
                                              ShareStrategy::kHashTopic};
std::string NameOf(const ::testing::TestParamInfo<ShareStrategy>& test) {
  return std::string(kShareStrategyNames[static_cast<size_t>(test.param)]);
}
INSTANTIATE_TEST_SUITE_P(All, EveryPlaceStrategy, ::testing::ValuesIn(kPlaceStrategies), NameOf);
INSTANTIATE_TEST_SUITE_P(All, EveryStrategy, ::testing::ValuesIn(kPlaceStrategies), NameOf);
INSTANTIATE_TEST_SUITE_P(LocalFirst, EveryStrategy, ::testing::Values(ShareStrategy::kLocalFirst),
                         NameOf);

TEST(SharePicker, LocalFirstGoesFromTheShardToTheNodeToTheOthers) {
  SharePicker picker = Make(ShareStrategy::kLocalFirst, /*node=*/1, /*self=*/1);
  Route all = Places({{Peer(0, 0), 8}, {0, 2}, {1, 2}});
  EXPECT_EQ(Spread(&picker, &all, 100).at(1), 100);
  Route node = Places({{Peer(0, 0), 8}, {0, 2}, {1, 1}});
  EXPECT_EQ(Spread(&picker, &node, 100).at(0), 100);
  Route others = Places({{Peer(0, 0), 4}, {Peer(2, 0), 2}, {0, 1}, {1, 1}});
  auto counts = Spread(&picker, &others, 300);
  EXPECT_EQ(counts[Peer(0, 0)], 200);
  EXPECT_EQ(counts[Peer(2, 0)], 100);
  Route away = Places({{Peer(0, 0), 1}, {0, 1}, {1, 1}});
  EXPECT_EQ(Spread(&picker, &away, 100).at(1), 100);
}

TEST(SharePicker, AHashIsTheSameOnEveryNode) {
  // The same three shards, as nodes 0 and 1 number them.
  Route at0 = Places({{0, 2}, {1, 4}, {Peer(1, 0), 2}});
  Route at1 = Places({{0, 2}, {Peer(0, 1), 4}, {Peer(0, 0), 2}});
  const std::map<PlaceId, PlaceId> same{{0, Peer(0, 0)}, {1, Peer(0, 1)}, {Peer(1, 0), 0}};
  for (const auto strategy : {ShareStrategy::kHashClient, ShareStrategy::kHashTopic}) {
    SharePicker node0 = Make(strategy, 0, 1), node1 = Make(strategy, 1, 0);
    std::set<PlaceId> seen;
    for (int i = 0; i < 200; ++i) {
      const auto message = From("c" + std::to_string(i), "t/" + std::to_string(i));
      const PlaceId place = *node0.PickPlace(&at0, *message);
      EXPECT_EQ(*node1.PickPlace(&at1, *message), same.at(place));
      seen.insert(place);
    }
    EXPECT_EQ(seen.size(), 3u);
  }
}

TEST(SharePicker, HashesDependOnWhatTheirNamesSay) {
  Members members(8);
  SharePicker by_client = Make(ShareStrategy::kHashClient),
              by_topic = Make(ShareStrategy::kHashTopic);
  std::set<int> clients, topics;
  for (int i = 0; i < 50; ++i) {
    const std::string number = std::to_string(i);
    clients.insert(members.Pick(&by_client, From("one", "t/" + number)));
    topics.insert(members.Pick(&by_topic, From("c" + number, "t/one")));
  }
  EXPECT_EQ(clients.size(), 1u);
  EXPECT_EQ(topics.size(), 1u);
}

TEST(SharePicker, ABusyMemberKeepsItsKeys) {
  Members members(4);
  SharePicker picker = Make(ShareStrategy::kHashTopic);
  const std::vector<int> before = members.PickMany(&picker);
  members.states[2] = MemberState::kBusy;
  EXPECT_EQ(members.PickMany(&picker), before) << "else the order of a topic would be lost";
}

TEST(SharePicker, AMemberThatLeavesMovesItsOwnKeysOnly) {
  Members members(8);
  SharePicker picker = Make(ShareStrategy::kHashTopic);
  const std::vector<int> before = members.PickMany(&picker);
  members.Remove(3);
  const std::vector<int> after = members.PickMany(&picker);
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != 3) {
      EXPECT_EQ(after[i], before[i]);
    }
  }
}

TEST(SharePicker, AWeightThatChangesMovesFewKeysOfOthers) {
  SharePicker picker = Make(ShareStrategy::kHashTopic);
  Route before = Places({{0, 8}, {1, 8}, {Peer(1, 0), 8}});
  Route after = Places({{0, 8}, {1, 6}, {Peer(1, 0), 8}});
  int moved = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto message = From("c", "t/" + std::to_string(i));
    const PlaceId was = *picker.PickPlace(&before, *message);
    const PlaceId is = *picker.PickPlace(&after, *message);
    if (was == is) continue;
    ++moved;
    EXPECT_EQ(was, 1) << "only away from where a member left";
  }
  EXPECT_NEAR(moved, 3'000 / 3 - 3'000 * 3 / 11, 60);
}

TEST(SharePicker, StickyStaysWhenOthersCome) {
  SharePicker picker = Make(ShareStrategy::kSticky);
  Members members(2);
  const std::vector<int> before = members.PickMany(&picker, 200);
  for (SessionSlot number = 2; number < 10; ++number)
    members.Add(number);
  EXPECT_EQ(members.PickMany(&picker, 200), before);
  Route route = Places({{0, 2}});
  const auto publisher = From("p");
  ASSERT_EQ(picker.PickPlace(&route, *publisher), 0);
  Route more = Places({{0, 2}, {1, 100}, {Peer(1, 0), 100}});
  EXPECT_EQ(picker.PickPlace(&more, *publisher), 0);
  more.shares[0].weight = 1;
  EXPECT_NE(picker.PickPlace(&more, *publisher), 0) << "its members are away";
}

TEST(SharePicker, StickyFindsAnotherMemberForGood) {
  SharePicker picker = Make(ShareStrategy::kSticky);
  Members members(3);
  const auto publisher = From("p");
  const int first = members.Pick(&picker, publisher);
  members.states[static_cast<size_t>(first)] = MemberState::kAway;
  const int second = members.Pick(&picker, publisher);
  EXPECT_NE(second, first);
  members.states[static_cast<size_t>(first)] = MemberState::kReady;
  EXPECT_EQ(members.Pick(&picker, publisher), second);
}

TEST(SharePicker, AGroupCanHaveAStrategyOfItsOwn) {
  ShareStrategies strategies;
  strategies.groups["g"] = ShareStrategy::kHashTopic;
  SharePicker picker(strategies, 0, 0, 1, [] { return uint64_t{1}; });
  Members own(4), other(4);
  other.group.name = routing::ShareRef("$share/h/t/+");
  std::set<int> of_own, of_other;
  for (int i = 0; i < 20; ++i) {
    of_own.insert(own.Pick(&picker, From("c")));
    of_other.insert(other.Pick(&picker, From("c")));
  }
  EXPECT_EQ(of_own.size(), 1u);
  EXPECT_EQ(of_other.size(), 4u);
}

}  // namespace
}  // namespace skein::shard
