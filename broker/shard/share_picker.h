// Who of a shared group is given a message.
//
// Purpose: the two choices of a strategy. The publisher's shard picks a place, that place picks one
// of its members. Connected members come before those that are not. Hashes are rendezvous hashes,
// of the places by their weight, then of the members by their client id: publishers on all nodes
// agree, and a member that comes or goes moves few keys besides its own. Thread: confined to its
// shard; pure but for the random numbers it is given. Limits: in turn and at random kMembersTried
// members are looked at, hashes look at all that the shard has. About the last kStickyEntries
// choices of `sticky` are remembered; what was forgotten is chosen by hash. Nothing is allocated
// per message.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "broker/mqtt/message.h"
#include "broker/routing/route_table.h"
#include "broker/routing/subscription_table.h"
#include "broker/shard/mail.h"
#include "broker/shard/share_strategy.h"

namespace skein::shard {

// What can be done with a member now, better ones last.
enum class MemberState : uint8_t {
  kUnfit,  // it may not have the message, or is away and the message does not wait
  kAway,   // it would get it when it comes back
  kBusy,   // connected, but the message would have to wait
  kReady,
};

// A member as the picker sees it.
struct Member {
  MemberState state = MemberState::kUnfit;
  uint64_t hash = 0;  // of its client id
};

class SharePicker {
 public:
  static constexpr size_t kMembersTried = 256;
  static constexpr size_t kStickyEntries = 16'384;

  // shards: of this node. random: unpredictable enough to spread a load.
  SharePicker(ShareStrategies strategies, NodeNumber node, ShardId self, ShardId shards,
              std::function<uint64_t()> random);

  // Nothing: all places with members are among `tried`. Weights as RouteChange has them.
  std::optional<PlaceId> PickPlace(routing::RouteTable::SharedRoute* route,
                                   const mqtt::Message& message,
                                   std::span<const PlaceId> tried = {});

  // Null: no member is fit. `look` is asked about members of the group.
  const routing::Subscriber* PickMember(routing::SharedGroup* group, const mqtt::Message& message,
                                        absl::FunctionRef<Member(const routing::Subscriber&)> look);

 private:
  using Share = routing::RouteTable::Share;
  static constexpr size_t kWays = 8;
  struct Choice {
    uint64_t key = 0;  // 0: none
    uint64_t chosen = 0;
  };

  ShareStrategy StrategyOf(std::string_view filter_text) const;
  // 0: members that can be reached; then those that cannot. With local_first: how far away.
  uint32_t TierOf(const Share& share, ShareStrategy strategy) const;
  // As all nodes number it.
  uint64_t Global(PlaceId place) const;
  uint64_t KeyOf(ShareStrategy strategy, const mqtt::Message& message) const;
  const routing::Subscriber* InTurn(routing::SharedGroup* group, size_t first,
                                    absl::FunctionRef<Member(const routing::Subscriber&)> look);
  const routing::Subscriber* ByHash(const routing::SharedGroup& group, uint64_t key,
                                    absl::FunctionRef<Member(const routing::Subscriber&)> look);
  // What was chosen last for a key of a group; until the next call.
  Choice& Remembered(uint64_t key);
  uint64_t Random();

  const ShareStrategies strategies_;
  const NodeNumber node_;
  const ShardId self_;
  const ShardId shards_;
  const std::function<uint64_t()> seed_;
  uint64_t random_ = 0;  // 0: not seeded yet
  // From the first use on: sets of kWays, by key, the newest of a set first.
  std::unique_ptr<Choice[]> sticky_;
};

}  // namespace skein::shard
