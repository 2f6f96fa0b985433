#include "broker/shard/retained_replay.h"

#include <utility>

namespace skein::shard {

void RetainedReplay::Start(const session::Session& session, std::string_view filter,
                           const routing::SubscriptionOptions& options, bool existed,
                           uint64_t suback) {
  if (filter.starts_with("$share/"))
    return;  // [MQTT-3.3.1-9] does not hold for shared subscriptions (4.8.2)
  if (options.retain_handling == 2 || (options.retain_handling == 1 && existed)) return;
  const auto [found, added] = of_session_.try_emplace(session.token());
  if (added) {
    found->second = waiting_.emplace(waiting_.end());
    found->second->session = {session.slot(), session.token()};
  }
  Waiting& waiting = *found->second;
  const bool own = state_.ports.sys != nullptr && SysTopics::IsAbout(filter);
  waiting.newest[std::string(filter)] = ++number_;
  waiting.replays.push_back({std::string(filter), options, suback, number_,
                             own ? state_.ports.sys->Open(filter)
                                 : state_.ports.retained->Open(filter, state_.ports.wake)});
  // Whoever asks for the same again and again has what it asked for before waiting in between.
  if (waiting.replays.size() < 2 * waiting.newest.size() + kFilters) return;
  std::erase_if(waiting.replays, [&](const Replay& replay) {
    return waiting.newest.at(replay.filter) != replay.number;
  });
}

bool RetainedReplay::Run() {
  bool more = false;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    const Progress progress = Serve(&*waiting);
    more |= progress == Progress::kMore;
    if (progress == Progress::kDone) {
      of_session_.erase(waiting->session.token);
      waiting = waiting_.erase(waiting);
    } else {
      ++waiting;
    }
  }
  return more;
}

RetainedReplay::Progress RetainedReplay::Serve(Waiting* waiting) {
  for (size_t served = 0; served < kFilters; ++served) {
    if (waiting->replays.empty()) return Progress::kDone;
    Replay& replay = waiting->replays.front();
    const auto newest = waiting->newest.find(replay.filter);
    if (newest->second == replay.number) {
      const Progress progress = Slice(waiting->session, &replay);
      if (progress != Progress::kDone) return progress;
      waiting->newest.erase(newest);
    }
    waiting->replays.pop_front();
  }
  return waiting->replays.empty() ? Progress::kDone : Progress::kMore;
}

RetainedReplay::Progress RetainedReplay::Slice(const SessionRef& ref, Replay* replay) {
  session::Session* session = state_.sessions.Find(ref);
  if (session == nullptr) return Progress::kDone;
  const routing::FilterId filter = state_.subscriptions.Find(replay->filter);
  if (filter == routing::kNoFilter || !session->subscriptions.contains(filter))
    return Progress::kDone;
  if (!session->connected()) return Progress::kDone;
  if (session->has_queued()) return Progress::kWait;
  const Connection& connection = state_.connections[session->connection];
  if (connection.state != Connection::State::kServing || !sender_.HasRoom(connection))
    return Progress::kWait;
  if (connection.held != nullptr && connection.held->Waits(replay->suback)) return Progress::kWait;
  const uint32_t identifier = replay->options.identifier;
  const std::span<const uint32_t> ids =
      identifier == 0 ? std::span<const uint32_t>{} : std::span(&identifier, 1);
  // One at a time, so that no more than one message ever waits in the session's queue for this.
  for (size_t i = 0; i < kSlice; ++i) {
    found_.clear();
    const RetainedReader::Result result = replay->reader->Read(state_.now, 1, &found_);
    for (const mqtt::MessagePtr& message : found_) {
      if (replay->options.no_local && message->publisher() == session->token()) continue;
      dispatcher_.Offer(*session, message, replay->options.qos, true, ids, nullptr, nullptr);
    }
    if (result == RetainedReader::Result::kDone) return Progress::kDone;
    if (result == RetainedReader::Result::kPending) return Progress::kWait;
    if (session->has_queued() || !sender_.HasRoom(connection)) return Progress::kWait;
  }
  return Progress::kMore;
}

}  // namespace skein::shard
