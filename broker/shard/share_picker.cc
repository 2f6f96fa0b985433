#include "broker/shard/share_picker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/routing/topic.h"
#include "broker/shard/peers.h"

namespace skein::shard {
namespace {

uint64_t HashOf(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

// Finalizer of splitmix64: every input bit reaches every output bit.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

// What a candidate is worth to a key. The same on every machine.
uint64_t Worth(uint64_t key, uint64_t candidate) {
  return Mix(key ^ Mix(candidate + 0x9E3779B97F4A7C15u));
}

// The same for candidates of different weight: each wins as often as its weight says, and a weight
// that changes moves only what it must (weighted rendezvous hashing).
double WeightedWorth(uint64_t key, uint64_t candidate, uint32_t weight) {
  const double unit = (static_cast<double>(Worth(key, candidate) >> 11) + 0.5) * 0x1p-53;
  return static_cast<double>(weight) / -std::log(unit);
}

// Connected members, or 1 if all are away; see RouteChange.
uint32_t MembersOf(const routing::RouteTable::Share& share) {
  return std::max(share.weight / 2, 1u);
}

bool IsHash(ShareStrategy strategy) {
  return strategy == ShareStrategy::kSticky || strategy == ShareStrategy::kHashClient ||
         strategy == ShareStrategy::kHashTopic;
}

}  // namespace

SharePicker::SharePicker(ShareStrategies strategies, NodeNumber node, ShardId self, ShardId shards,
                         std::function<uint64_t()> random)
    : strategies_(std::move(strategies)),
      node_(node),
      self_(self),
      shards_(shards),
      seed_(std::move(random)) {}

ShareStrategy SharePicker::StrategyOf(std::string_view filter_text) const {
  if (strategies_.groups.empty()) return strategies_.usual;
  return strategies_.Of(routing::ParseFilter(filter_text).share_name);
}

uint32_t SharePicker::TierOf(const Share& share, ShareStrategy strategy) const {
  const uint32_t away = share.weight < 2 ? 4 : 0;
  if (strategy != ShareStrategy::kLocalFirst) return away;
  if (share.destination == self_) return away;
  return away + (share.destination < shards_ ? 1 : 2);
}

uint64_t SharePicker::Global(PlaceId place) const {
  if (place >= shards_) return uint64_t{place} - shards_;
  return uint64_t{node_} * kMaxShardsANode + place;
}

uint64_t SharePicker::KeyOf(ShareStrategy strategy, const mqtt::Message& message) const {
  // Of a message that was on a disk the publisher is not known any more.
  if (strategy == ShareStrategy::kHashTopic || message.client_hash() == 0)
    return HashOf(message.topic());
  return Mix(message.client_hash());
}

std::optional<PlaceId> SharePicker::PickPlace(routing::RouteTable::SharedRoute* route,
                                              const mqtt::Message& message,
                                              std::span<const PlaceId> tried) {
  const ShareStrategy strategy = StrategyOf(route->text);
  const auto was_tried = [tried](const Share& share) {
    return std::find(tried.begin(), tried.end(), share.destination) != tried.end();
  };
  uint32_t tier = UINT32_MAX;
  uint64_t members = 0;  // in that tier
  for (const Share& share : route->shares) {
    if (was_tried(share)) continue;
    const uint32_t own = TierOf(share, strategy);
    if (own > tier) continue;
    if (own < tier) members = 0;
    tier = own;
    members += MembersOf(share);
  }
  if (members == 0) return std::nullopt;
  const bool hash = IsHash(strategy);
  const bool sticky = strategy == ShareStrategy::kSticky;
  const uint64_t key = hash ? KeyOf(strategy, message) : 0;
  Choice* const remembered = sticky ? &Remembered(key ^ HashOf(route->text)) : nullptr;
  uint64_t rest = hash                                 ? 0
                  : strategy == ShareStrategy::kRandom ? Random() % members
                                                       : route->turn++ % members;
  const Share* best = nullptr;
  double best_worth = -1;
  for (const Share& share : route->shares) {
    if (TierOf(share, strategy) != tier || was_tried(share)) continue;
    if (remembered != nullptr && remembered->chosen == Global(share.destination) + 1)
      return share.destination;
    if (hash) {
      const double worth = WeightedWorth(key, Global(share.destination), MembersOf(share));
      if (worth <= best_worth) continue;
      best = &share;
      best_worth = worth;
      continue;
    }
    best = &share;
    if (rest < MembersOf(share)) break;
    rest -= MembersOf(share);
  }
  if (remembered != nullptr) remembered->chosen = Global(best->destination) + 1;
  return best->destination;
}

const routing::Subscriber* SharePicker::PickMember(
    routing::SharedGroup* group, const mqtt::Message& message,
    absl::FunctionRef<Member(const routing::Subscriber&)> look) {
  if (group->members.empty()) return nullptr;
  const ShareStrategy strategy = strategies_.Of(group->share_name());
  if (strategy == ShareStrategy::kRandom)
    return InTurn(group, Random() % group->members.size(), look);
  if (!IsHash(strategy)) return InTurn(group, group->next, look);
  const uint64_t key = KeyOf(strategy, message);
  if (strategy != ShareStrategy::kSticky) return ByHash(*group, key, look);
  // The place's choice is remembered under another key.
  Choice& remembered = Remembered(~(key ^ HashOf(group->text())));
  for (const routing::Subscriber& member : group->members) {
    if (member.session + uint64_t{1} != remembered.chosen) continue;
    if (look(member).state >= MemberState::kBusy) return &member;
    break;
  }
  const routing::Subscriber* const chosen = ByHash(*group, key, look);
  remembered.chosen = chosen == nullptr ? 0 : chosen->session + uint64_t{1};
  return chosen;
}

const routing::Subscriber* SharePicker::InTurn(
    routing::SharedGroup* group, size_t first,
    absl::FunctionRef<Member(const routing::Subscriber&)> look) {
  const size_t count = group->members.size();
  const routing::Subscriber* best = nullptr;
  MemberState best_state = MemberState::kUnfit;
  for (size_t step = 0; step < std::min(count, kMembersTried); ++step) {
    const size_t index = (first + step) % count;
    const routing::Subscriber& member = group->members[index];
    const MemberState state = look(member).state;
    if (state == MemberState::kReady) {
      group->next = static_cast<uint32_t>((index + 1) % count);
      return &member;
    }
    if (state <= best_state) continue;
    best = &member;
    best_state = state;
  }
  group->next = static_cast<uint32_t>((first + 1) % count);
  return best;
}

const routing::Subscriber* SharePicker::ByHash(
    const routing::SharedGroup& group, uint64_t key,
    absl::FunctionRef<Member(const routing::Subscriber&)> look) {
  const routing::Subscriber* best = nullptr;
  MemberState best_state = MemberState::kUnfit;
  uint64_t best_worth = 0;
  for (const routing::Subscriber& each : group.members) {
    const Member member = look(each);
    // Whether it is busy changes from one message to the next: it must not matter.
    const MemberState state = std::min(member.state, MemberState::kBusy);
    if (state == MemberState::kUnfit || state < best_state) continue;
    const uint64_t worth = Worth(key, member.hash);
    if (state == best_state && worth <= best_worth) continue;
    best = &each;
    best_state = state;
    best_worth = worth;
  }
  return best;
}

SharePicker::Choice& SharePicker::Remembered(uint64_t key) {
  if (sticky_ == nullptr) sticky_ = std::make_unique<Choice[]>(kStickyEntries);
  key |= 1;
  Choice* const set = &sticky_[Mix(key) % (kStickyEntries / kWays) * kWays];
  Choice* const found =
      std::find_if(set, set + kWays, [key](const Choice& each) { return each.key == key; });
  if (found != set + kWays) return *found;
  std::move_backward(set, set + kWays - 1, set + kWays);
  set[0] = {key, 0};
  return set[0];
}

uint64_t SharePicker::Random() {
  if (random_ == 0) random_ = seed_() | 1;
  // xorshift64: a load needs to be spread, not hidden.
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

}  // namespace skein::shard
