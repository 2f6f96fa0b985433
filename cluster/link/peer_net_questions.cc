// What nodes ask each other for operators.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cluster/link/peer_net_impl.h"

namespace skein::cluster {
namespace {

// What comes back after nobody waits any longer finds it still there.
struct Answers {
  std::mutex mutex;
  std::condition_variable all;
  std::vector<std::optional<admin::Response>> responses;
  size_t missing = 0;
};

}  // namespace

std::vector<std::optional<admin::Response>> PeerNet::Impl::Ask(const std::vector<NodeNumber>& nodes,
                                                               const admin::Request& request,
                                                               int ms) {
  std::vector<std::shared_ptr<Asker>> askers(nodes.size());
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < nodes.size(); ++i) {
      // Without a link nobody is there, or a question would only wait for the same connection.
      if (nodes[i] >= peers_.size()) continue;
      const Peer& peer = peers_[nodes[i]];
      if (peer.up && peer.mute_until <= options_.clock()) askers[i] = peer.asker;
    }
  }
  v1::Question question = ToQuestion(request);
  question.set_cluster(options_.cluster);
  question.set_node(self_);
  const auto answers = std::make_shared<Answers>();
  answers->responses.resize(nodes.size());
  answers->missing =
      nodes.size() - static_cast<size_t>(std::count(askers.begin(), askers.end(), nullptr));
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (askers[i] == nullptr) continue;
    askers[i]->Ask(question, ms, [answers, i](const v1::Answer* answer) {
      const std::lock_guard lock(answers->mutex);
      if (answer != nullptr) {
        admin::Response& response = answers->responses[i].emplace();
        response.status = static_cast<int>(answer->status());
        response.body = answer->body();
      }
      if (--answers->missing == 0) answers->all.notify_all();
    });
  }
  std::vector<std::optional<admin::Response>> responses;
  {
    std::unique_lock lock(answers->mutex);
    answers->all.wait_for(lock, std::chrono::milliseconds(ms + ms / 4),
                          [&] { return answers->missing == 0; });
    responses = answers->responses;
  }
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (askers[i] == nullptr) continue;
    Peer& peer = peers_[nodes[i]];
    peer.misses = responses[i].has_value() ? 0 : peer.misses + 1;
    if (peer.misses >= kMisses) peer.mute_until = options_.clock() + kMuteMs;
  }
  return responses;
}

void PeerNet::Impl::TakeQuestion(AskedQuestion asked) {
  const std::string why = WhyNoAnswer(asked);
  if (why.empty()) return desk_.Take(std::move(asked));
  options_.log->Log(LogLevel::kWarn, "peer.question_refused",
                    {{"node", asked.question->node()}, {"why", why}});
  asked.reply(why);
}

std::string PeerNet::Impl::WhyNoAnswer(const AskedQuestion& asked) {
  const v1::Question& question = *asked.question;
  if (question.cluster() != options_.cluster)
    return absl::StrCat("cluster '", question.cluster(), "' instead of '", options_.cluster, "'");
  {
    const std::lock_guard lock(mutex_);
    const bool known = std::any_of(peers_.begin(), peers_.end(), [&](const Peer& peer) {
      return !peer.asks_as.empty() && peer.asks_as == question.node();
    });
    if (!known) return absl::StrCat("node '", question.node(), "' ", kNotAMember);
  }
  v1::Hello hello;
  hello.set_node(question.node());
  return WhyDoubt(options_, hello, asked.names);
}

}  // namespace skein::cluster
