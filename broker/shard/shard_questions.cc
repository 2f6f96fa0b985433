// The shard runner's fourth part: what an operator asks of it.
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

bool Shard::AnswerQuestions() {
  if (!questions_waiting_.load(std::memory_order_acquire)) return false;
  std::shared_ptr<Question> first;
  {
    MutexLock lock(auth_mutex_);
    first = questions_.front();
  }
  if (!first->Answer(core_->state())) return true;
  MutexLock lock(auth_mutex_);
  questions_.pop_front();
  questions_waiting_.store(!questions_.empty(), std::memory_order_release);
  return !questions_.empty();
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
