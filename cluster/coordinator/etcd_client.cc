#include "cluster/coordinator/etcd_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cluster/coordinator/etcd_txn.h"
#include "etcd/etcd.grpc.pb.h"

namespace skein::cluster {
namespace {

struct Endpoint {
  std::unique_ptr<api::KV::Stub> kv;
  std::unique_ptr<api::Lease::Stub> lease;
  std::unique_ptr<api::Watch::Stub> watch;
  std::unique_ptr<api::Auth::Stub> auth;
};

Endpoint Connect(const std::string& address, const EtcdOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1'000);
  arguments.SetMaxReceiveMessageSize(-1);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    credentials = grpc::SslCredentials(
        {options.credentials.ca, options.credentials.key, options.credentials.cert});
  }
  const auto channel = grpc::CreateCustomChannel(address, credentials, arguments);
  return {api::KV::NewStub(channel), api::Lease::NewStub(channel), api::Watch::NewStub(channel),
          api::Auth::NewStub(channel)};
}

absl::Status ToStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat("etcd: ", status.error_message()));
}

// Another endpoint may do better.
bool IsTransient(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
         absl::StrContains(status.error_message(), "no leader");
}

bool IsLoggedOut(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         absl::StrContains(status.error_message(), "invalid auth token") ||
         absl::StrContains(status.error_message(), "user name is empty");
}

}  // namespace

class EtcdClient::Impl {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Impl(EtcdOptions options) : options_(std::move(options)) {
    for (const std::string& address : options_.endpoints)
      endpoints_.push_back(Connect(address, options_));
  }

  // Does `call` with the endpoint that answered last, then with the others. patient: if none does,
  // waits until one is connected. Somebody has to: gRPC goes on with a handshake while a call waits
  // for it, and with calls that fail at once it may never come to its end.
  template <class Call>
  absl::Status Do(Call call, bool patient = false) {
    grpc::Status status(grpc::StatusCode::DEADLINE_EXCEEDED, "not in time");
    bool logged_in = false;
    for (size_t tries = 0; tries <= endpoints_.size();) {
      const size_t at = current();
      const int timeout = static_cast<int>(std::min<int64_t>(LeftMs(), kCallMs));
      if (timeout <= 0) break;
      const bool wait = patient && tries == endpoints_.size();
      const grpc::Status before = status;
      if (MustLogIn()) status = LogIn(at, timeout, wait);
      if (!MustLogIn()) {
        status = With(timeout, true, [&](auto* context) {
          context->set_wait_for_ready(wait);
          return call(endpoints_[at], context);
        });
      }
      if (status.ok()) break;
      if (IsLoggedOut(status) && !options_.user.empty() && !std::exchange(logged_in, true)) {
        const grpc::Status login = LogIn(at, timeout, wait);
        if (!login.ok()) return ToStatus(login);
        continue;
      }
      if (!IsTransient(status)) break;
      if (wait) status = before;  // says more than that the time is over
      ++tries;
      Advance(at);
    }
    return ToStatus(status);
  }

  absl::Status Watch(const std::string& prefix, int64_t after, const OnChanges& on_changes) {
    const size_t at = current();
    grpc::Status ended;
    const grpc::Status status = With(0, true, [&](grpc::ClientContext* context) {
      auto stream = endpoints_[at].watch->Watch(context);
      api::WatchRequest request;
      request.mutable_create_request()->set_key(prefix);
      request.mutable_create_request()->set_range_end(EndOf(prefix));
      request.mutable_create_request()->set_start_revision(after + 1);
      request.mutable_create_request()->set_progress_notify(true);
      stream->Write(request);
      api::WatchResponse response;
      while (stream->Read(&response)) {
        if (response.canceled()) {
          context->TryCancel();
          ended = grpc::Status(grpc::StatusCode::ABORTED, response.cancel_reason());
          continue;
        }
        std::vector<Change> changes;
        for (api::Event& event : *response.mutable_events()) {
          std::unique_ptr<std::string> value;
          if (event.type() == api::Event::PUT)
            value = std::make_unique<std::string>(std::move(*event.mutable_kv()->mutable_value()));
          changes.emplace_back(std::move(*event.mutable_kv()->mutable_key()), std::move(value));
        }
        if (!changes.empty()) on_changes(std::move(changes));
      }
      return stream->Finish();
    });
    if (IsLoggedOut(status) && !options_.user.empty()) LogIn(at, kCallMs, false);
    if (IsTransient(status)) Advance(at);
    return ToStatus(ended.ok() ? status : ended);
  }

  void EndBy(Clock::time_point limit) { limit_.store(limit.time_since_epoch()); }

  void Cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (grpc::ClientContext* context : active_)
      context->TryCancel();
  }

 private:
  int64_t LeftMs() const {
    const Clock::duration left = limit_.load() - Clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  }
  size_t current() {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  bool MustLogIn() {
    const std::lock_guard lock(mutex_);
    return !options_.user.empty() && token_.empty();
  }
  void Advance(size_t from) {
    const std::lock_guard lock(mutex_);
    if (current_ == from) current_ = (from + 1) % endpoints_.size();
  }

  // A call that Cancel() finds.
  template <class Call>
  grpc::Status With(int timeout_ms, bool token, Call call) {
    grpc::ClientContext context;
    if (timeout_ms > 0) {
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::milliseconds(timeout_ms));
    }
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_) return {grpc::StatusCode::CANCELLED, "stopping"};
      if (token && !token_.empty()) context.AddMetadata("token", token_);
      active_.insert(&context);
    }
    grpc::Status status = call(&context);
    const std::lock_guard lock(mutex_);
    active_.erase(&context);
    return status;
  }

  grpc::Status LogIn(size_t at, int timeout_ms, bool wait) {
    api::AuthenticateRequest request;
    request.set_name(options_.user);
    request.set_password(options_.password);
    api::AuthenticateResponse response;
    const grpc::Status status = With(timeout_ms, false, [&](grpc::ClientContext* context) {
      context->set_wait_for_ready(wait);
      return endpoints_[at].auth->Authenticate(context, request, &response);
    });
    const std::lock_guard lock(mutex_);
    if (status.ok()) token_ = response.token();
    return status;
  }

  const EtcdOptions options_;
  std::vector<Endpoint> endpoints_;
  std::atomic<Clock::duration> limit_{Clock::duration::max()};  // since the clock's epoch
  std::mutex mutex_;
  size_t current_ = 0;
  bool cancelled_ = false;
  std::string token_;
  std::set<grpc::ClientContext*> active_;
};

EtcdClient::EtcdClient(EtcdOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

EtcdClient::~EtcdClient() = default;

absl::Status EtcdClient::ReadAll(const std::string& prefix, Snapshot* snapshot) {
  api::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(EndOf(prefix));
  api::RangeResponse response;
  const auto read = [&](const Endpoint& endpoint, auto* context) {
    return endpoint.kv->Range(context, request, &response);
  };
  const absl::Status status = impl_->Do(read, /*patient=*/true);
  if (!status.ok()) return status;
  snapshot->revision = response.header().revision();
  snapshot->values.clear();
  for (api::KeyValue& each : *response.mutable_kvs())
    snapshot->values[each.key()] = std::move(*each.mutable_value());
  return absl::OkStatus();
}

absl::Status EtcdClient::Txn(const api::TxnRequest& request, bool* succeeded) {
  api::TxnResponse response;
  const absl::Status status = impl_->Do([&](const Endpoint& endpoint, auto* context) {
    return endpoint.kv->Txn(context, request, &response);
  });
  *succeeded = response.succeeded();
  return status;
}

absl::Status EtcdClient::Grant(int64_t ttl_seconds, int64_t* lease) {
  api::LeaseGrantRequest request;
  request.set_ttl(ttl_seconds);
  api::LeaseGrantResponse response;
  const absl::Status status = impl_->Do([&](const Endpoint& endpoint, auto* context) {
    return endpoint.lease->LeaseGrant(context, request, &response);
  });
  *lease = response.id();
  return status;
}

absl::Status EtcdClient::KeepAlive(int64_t lease) {
  api::LeaseKeepAliveRequest request;
  request.set_id(lease);
  api::LeaseKeepAliveResponse response;
  const absl::Status status = impl_->Do([&](const Endpoint& endpoint, auto* context) {
    auto stream = endpoint.lease->LeaseKeepAlive(context);
    const bool answered = stream->Write(request) && stream->Read(&response);
    if (answered) {
      context->TryCancel();
      stream->Finish();
      return grpc::Status::OK;
    }
    return stream->Finish();
  });
  if (!status.ok()) return status;
  return response.ttl() > 0 ? absl::OkStatus() : absl::NotFoundError("etcd: the lease has run out");
}

absl::Status EtcdClient::Revoke(int64_t lease) {
  api::LeaseRevokeRequest request;
  request.set_id(lease);
  api::LeaseRevokeResponse response;
  return impl_->Do([&](const Endpoint& endpoint, auto* context) {
    return endpoint.lease->LeaseRevoke(context, request, &response);
  });
}

absl::Status EtcdClient::Watch(const std::string& prefix, int64_t after,
                               const OnChanges& on_changes) {
  return impl_->Watch(prefix, after, on_changes);
}

void EtcdClient::EndBy(std::chrono::steady_clock::time_point limit) {
  impl_->EndBy(limit);
}

void EtcdClient::Cancel() {
  impl_->Cancel();
}

}  // namespace skein::cluster
