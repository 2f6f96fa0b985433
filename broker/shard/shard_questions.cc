// The shard runner's fourth part: what an operator asks of it.
#include <algorithm>
#include <utility>

#include "broker/shard/shard.h"

namespace skein::shard {

bool Shard::Ask(std::shared_ptr<Question> question) {
  {
    MutexLock lock(auth_mutex_);
    if (questions_.size() >= Question::kMaxQuestions) return false;
    questions_.push_back(std::move(question));
    // Says true only while there are some: it changes with the queue.
    questions_waiting_.store(true, std::memory_order_release);
  }
  loop_->Wake();
  return true;
}

Question::Left Question::Answer(Core* core) {
  if (abandoned_.load(std::memory_order_relaxed)) return Left::kNothing;
  Left left = Left::kNothing;
  if (order_ != nullptr) {
    left = order_(core);
  } else if (!step_(core->state())) {
    left = Left::kMore;
  }
  if (left == Left::kNothing) done_.release();
  return left;
}

// One slice of the first that can go on. Those that wait are looked at each turn.
bool Shard::AnswerQuestions() {
  if (!questions_waiting_.load(std::memory_order_acquire)) return false;
  size_t unseen = SIZE_MAX;
  while (unseen > 0) {
    std::shared_ptr<Question> first;
    {
      MutexLock lock(auth_mutex_);
      unseen = std::min(unseen, questions_.size());
      first = questions_.front();
    }
    --unseen;
    const Question::Left left = first->Answer(core_.get());
    if (left == Question::Left::kMore) return true;
    MutexLock lock(auth_mutex_);
    questions_.pop_front();
    if (left == Question::Left::kWaits) questions_.push_back(std::move(first));
    questions_waiting_.store(!questions_.empty(), std::memory_order_release);
    if (left == Question::Left::kNothing) return !questions_.empty();
  }
  return false;
}

void Shard::SendClientsAway() {
  core_->CloseAll(mqtt::ReasonCode::kServerShuttingDown);
  for (const auto& relay : relays_) {
    if (relay != nullptr && core_->state().places[relay->owner].up)
      core_->state().out.mail[relay->owner].emplace_back(RelayEnd{relay->id, true, false});
  }
}

void Shard::Retire() {
  retired_ = true;
  SendClientsAway();
}

}  // namespace skein::shard
