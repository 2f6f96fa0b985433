#include "broker/auth/chain.h"

#include <optional>
#include <utility>

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using mqtt::ReasonCode;

// A request that outlives the call.
class KeptRequest {
 public:
  explicit KeptRequest(const ConnectRequest& request)
      : client_id_(request.client_id),
        user_name_(request.user_name.value_or("")),
        password_(request.password.value_or("")),
        method_(request.method),
        data_(request.data),
        listener_(request.listener),
        address_(request.address),
        request_(request) {
    request_.client_id = client_id_;
    if (request_.user_name.has_value()) request_.user_name = user_name_;
    if (request_.password.has_value()) request_.password = password_;
    request_.method = method_;
    request_.data = data_;
    request_.listener = listener_;
    request_.address = address_;
    if (request.certificate == nullptr) return;
    certificate_ = *request.certificate;
    request_.certificate = &*certificate_;
  }
  KeptRequest(const KeptRequest&) = delete;

  const ConnectRequest& get() const { return request_; }

 private:
  std::string client_id_, user_name_, password_, method_, data_, listener_, address_;
  std::optional<ClientCertificate> certificate_;
  ConnectRequest request_;
};

// One walk along a listener's authenticators. While one of them takes its time nothing here is
// touched; its answer goes on, on whatever thread it comes.
class Walk : public std::enable_shared_from_this<Walk> {
 public:
  using List = std::vector<std::shared_ptr<Authenticator>>;

  Walk(std::shared_ptr<const ChainOptions> options, const List& list, const ConnectRequest& request,
       Done done)
      : options_(std::move(options)), list_(list), request_(request), done_(std::move(done)) {}

  // Asks the next one and those after it.
  Decision Go(std::unique_ptr<Exchange>* exchange) {
    while (next_ < list_.size()) {
      Authenticator& authenticator = *list_[next_++];
      Decision decision = authenticator.Begin(request_.get(), Later(), exchange);
      if (decision.kind != Kind::kIgnore) return Checked(std::move(decision));
    }
    return Otherwise();
  }

  Done Later() {
    return [self = shared_from_this()](Decision decision) {
      if (decision.kind == Kind::kIgnore) {
        std::unique_ptr<Exchange> none;
        decision = self->Go(&none);
        if (decision.kind == Kind::kPending) return;
        if (decision.kind == Kind::kContinue)
          decision = Decision::Deny(ReasonCode::kImplementationSpecificError,
                                    "a conversation cannot begin behind a slow authenticator");
      }
      self->done_(self->Checked(std::move(decision)));
    };
  }

  // What is granted still has to fit the client.
  Decision Checked(Decision decision) const {
    if (decision.kind != Kind::kAllow) return decision;
    const std::string& user = decision.grant.user_name;
    const std::string_view id = decision.grant.client_id.empty()
                                    ? request_.get().client_id
                                    : std::string_view(decision.grant.client_id);
    if (options_->bans != nullptr) {
      if (const char* why = options_->bans->Find(id, user, request_.get().address))
        return Decision::Deny(ReasonCode::kBanned, why);
    }
    if (options_->user_name_is_client_id && !user.empty() && user != id) {
      return Decision::Deny(ReasonCode::kClientIdentifierNotValid,
                            "the client id is not the user name");
    }
    if (options_->bans != nullptr && !request_.get().again) {
      if (const char* why = options_->bans->NoteConnect(id))
        return Decision::Deny(ReasonCode::kBanned, why);
    }
    return decision;
  }

 private:
  Decision Otherwise() const {
    const ConnectRequest& request = request_.get();
    if (!request.method.empty()) {
      return Decision::Deny(ReasonCode::kBadAuthenticationMethod,
                            "[MQTT-4.12.0-1] no authenticator knows the method");
    }
    const bool nameless = !request.user_name.has_value() && !request.password.has_value();
    if (!nameless && (!list_.empty() || !request.listener_allows_anonymous)) {
      return Decision::Deny(ReasonCode::kBadUserNameOrPassword,
                            "no authenticator of the listener lets the client in");
    }
    if (!request.listener_allows_anonymous) {
      return Decision::Deny(ReasonCode::kNotAuthorized,
                            "the listener does not allow anonymous clients");
    }
    return Checked(Decision::Allow());
  }

  const std::shared_ptr<const ChainOptions> options_;  // owns list_
  const List& list_;
  const KeptRequest request_;
  const Done done_;
  size_t next_ = 0;
};

// A conversation whose outcome is checked like any other.
class CheckedExchange final : public Exchange {
 public:
  CheckedExchange(std::shared_ptr<Walk> walk, std::unique_ptr<Exchange> inner)
      : walk_(std::move(walk)), inner_(std::move(inner)) {}

  Decision Step(std::string_view data, const Done& done) override {
    return walk_->Checked(inner_->Step(data, [walk = walk_, done](Decision decision) {
      done(walk->Checked(std::move(decision)));
    }));
  }

 private:
  const std::shared_ptr<Walk> walk_;
  const std::unique_ptr<Exchange> inner_;
};

}  // namespace

Chain::Chain(ChainOptions options)
    : options_(std::make_shared<const ChainOptions>(std::move(options))) {}

void Chain::Replace(ChainOptions options) {
  auto next = std::make_shared<const ChainOptions>(std::move(options));
  MutexLock lock(mutex_);
  options_.swap(next);
}

Decision Chain::Begin(const ConnectRequest& request, const Done& done,
                      std::unique_ptr<Exchange>* exchange) {
  static const Walk::List kNobody;
  std::shared_ptr<const ChainOptions> options;
  {
    MutexLock lock(mutex_);
    options = options_;
  }
  if (options->admit && !request.again) {
    if (const char* why = options->admit(request.listener, request.address))
      return Decision::Deny(mqtt::ReasonCode::kConnectionRateExceeded, why);
  }
  if (options->bans != nullptr) {
    const char* why =
        options->bans->Find(request.client_id, request.user_name.value_or(""), request.address);
    if (why != nullptr) return Decision::Deny(mqtt::ReasonCode::kBanned, why);
  }
  const auto found = options->listeners.find(request.listener);
  const Walk::List& list = found == options->listeners.end() ? kNobody : found->second;
  auto walk = std::make_shared<Walk>(std::move(options), list, request, done);
  Decision decision = walk->Go(exchange);
  if (*exchange != nullptr) {
    *exchange = std::make_unique<CheckedExchange>(std::move(walk), std::move(*exchange));
  }
  return decision;
}

}  // namespace skein::auth
