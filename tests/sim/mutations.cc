// What each mutation does to the mail between shards.
#include "tests/sim/world.h"

namespace skein::sim {

using shard::Mail;

const char* NameOf(Mutation mutation) {
  switch (mutation) {
    case Mutation::kNone:
      return "none";
    case Mutation::kAnswersBeforeDisk:
      return "answers before the disk";
    case Mutation::kSubackWithoutWait:
      return "SUBACK without wait";
    case Mutation::kLosesForwards:
      return "loses forwards";
    case Mutation::kAnswersForPeers:
      return "answers for peers";
    case Mutation::kDoublesForwards:
      return "doubles forwards";
    case Mutation::kReordersForwards:
      return "reorders forwards";
    case Mutation::kLosesDurableRoutes:
      return "loses durable routes";
    case Mutation::kNoFreeze:
      return "no freeze";
    case Mutation::kMovesWithoutMessages:
      return "moves without messages";
    case Mutation::kMovesWithoutSessions:
      return "moves without sessions";
    case Mutation::kLosesRetained:
      return "loses retained messages";
    case Mutation::kForgetsRemovals:
      return "forgets removals";
    case Mutation::kGhostRoutes:
      return "ghost routes";
    case Mutation::kTwoOwners:
      return "two owners";
  }
  return "?";
}

// False: the mail is lost.
bool World::Mutate(ShardId from, ShardId to, Mail* mail) {
  auto* const forward = std::get_if<shard::ForwardedPublish>(mail);
  switch (options_.mutation) {
    case Mutation::kLosesForwards:
      return forward == nullptr || !OneIn(8);
    case Mutation::kAnswersForPeers:
      if (forward == nullptr || forward->token == 0 || !OneIn(4)) return true;
      node_->Bring(to, from, shard::PublishDone{forward->token, false});
      return false;
    case Mutation::kDoublesForwards: {
      if (forward == nullptr || forward->groups != nullptr || !OneIn(4)) return true;
      shard::ForwardedPublish copy;
      copy.message = forward->message;
      node_->Bring(from, to, std::move(copy));
      return true;
    }
    case Mutation::kReordersForwards:
      if (forward == nullptr || forward->groups != nullptr) return true;
      if (kept_back_ == nullptr) {
        kept_back_from_ = {from, to};
        kept_back_ = std::make_unique<Mail>(std::move(*mail));
        return false;
      }
      if (kept_back_from_ != std::pair{from, to}) return true;
      node_->Bring(from, to, std::move(*mail));
      *mail = std::move(*kept_back_);
      kept_back_.reset();
      return true;
    case Mutation::kLosesDurableRoutes:
      if (auto* route = std::get_if<shard::DurableRoute>(mail)) route->filter = "lost";
      return true;
    case Mutation::kNoFreeze:
      if (auto* freeze = std::get_if<shard::Freeze>(mail); freeze != nullptr && !freeze->thaw) {
        node_->Bring(to, from, shard::Frozen{freeze->partition, freeze->move});
        return false;
      }
      return true;
    case Mutation::kMovesWithoutSessions:
    case Mutation::kMovesWithoutMessages:
      return MutateMove(mail);
    case Mutation::kLosesRetained: {
      auto* const change = std::get_if<shard::RetainedChange>(mail);
      return change == nullptr || change->message->payload().empty() || !OneIn(3);
    }
    case Mutation::kForgetsRemovals: {
      auto* const change = std::get_if<shard::RetainedChange>(mail);
      return change == nullptr || !change->message->payload().empty();
    }
    case Mutation::kGhostRoutes:
      if (auto* route = std::get_if<shard::RouteChange>(mail);
          route != nullptr && route->weight == 0)
        route->weight = 1;
      return true;
    case Mutation::kTwoOwners:
      return to >= 2 || !std::holds_alternative<shard::RowChange>(*mail);
    default:
      return true;
  }
}

bool World::MutateMove(Mail* mail) {
  if (std::holds_alternative<shard::MoveBegin>(*mail)) left_out_ = 0;
  const bool message = std::holds_alternative<shard::MovedMessage>(*mail);
  const bool session = std::holds_alternative<shard::MovedSession>(*mail);
  if (message || (session && options_.mutation == Mutation::kMovesWithoutSessions)) {
    ++left_out_;
    return false;
  }
  if (auto* end = std::get_if<shard::MoveEnd>(mail)) end->parts -= left_out_;
  return true;
}

}  // namespace skein::sim
