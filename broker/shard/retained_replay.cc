#include "broker/shard/retained_replay.h"

#include <algorithm>
#include <utility>

namespace skein::shard {

void RetainedReplay::Start(const session::Session& session, std::string_view filter,
                           const routing::SubscriptionOptions& options, bool existed,
                           uint64_t suback) {
  if (filter.starts_with("$share/"))
    return;  // [MQTT-3.3.1-9] does not hold for shared subscriptions (4.8.2)
  if (options.retain_handling == 2 || (options.retain_handling == 1 && existed)) return;
  const auto same = std::find_if(replays_.begin(), replays_.end(), [&](const Replay& replay) {
    return replay.session.token == session.token() && replay.filter == filter;
  });
  if (same != replays_.end()) replays_.erase(same);
  replays_.push_back({SessionRef{session.slot(), session.token()}, std::string(filter), options,
                      suback, state_.ports.retained->Open(filter, state_.ports.wake)});
}

bool RetainedReplay::Run() {
  bool more = false;
  busy_.clear();
  for (size_t count = replays_.size(); count > 0; --count) {
    Replay replay = std::move(replays_.front());
    replays_.pop_front();
    // A session's filters are served one after the other, in the order they were asked for.
    const bool behind = busy_.contains(replay.session.token);
    const Progress progress = behind ? Progress::kWait : Slice(&replay);
    if (progress == Progress::kDone) continue;
    busy_.insert(replay.session.token);
    more |= progress == Progress::kMore;
    replays_.push_back(std::move(replay));
  }
  return more;
}

RetainedReplay::Progress RetainedReplay::Slice(Replay* replay) {
  session::Session* session = state_.sessions.Find(replay->session);
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
