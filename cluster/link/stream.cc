#include "cluster/link/stream.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "skein/cluster/v1/peer.grpc.pb.h"

namespace skein::cluster {
namespace {

constexpr int kKeepAliveMs = 3'000;
constexpr int kKeepAliveTimeoutMs = 3'000;

absl::StatusOr<std::string> ReadPem(const std::string& file) {
  if (file.empty()) return std::string();
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  }
  return text;
}

class ServerStream final : public Stream, public grpc::ServerBidiReactor<v1::Frame, v1::Frame> {
 public:
  explicit ServerStream(Post post) : post_(std::move(post)) {}

  // Nothing may be started after the end: what it would report could come after kDone.
  void Read() override {
    if (!ended_) StartRead(&in);
  }
  void Write() override {
    if (!ended_) StartWrite(&out);
  }
  void End() override {
    if (std::exchange(ended_, true)) return;
    Finish(grpc::Status::OK);
  }

  void OnReadDone(bool ok) override { post_(this, ok ? Event::kRead : Event::kReadFailed); }
  void OnWriteDone(bool ok) override { post_(this, ok ? Event::kWritten : Event::kWriteFailed); }
  void OnDone() override { post_(this, Event::kDone); }

 private:
  const Post post_;
  bool ended_ = false;  // the owner's thread
};

class Service final : public v1::Peer::CallbackService {
 public:
  Service(Stream::Post post, TakeQuestion take) : post_(std::move(post)), take_(std::move(take)) {}

  grpc::ServerBidiReactor<v1::Frame, v1::Frame>* Link(
      grpc::CallbackServerContext* context) override {
    auto* const stream = new ServerStream(post_);  // the owner deletes it after kDone
    stream->names = NamesOf(*context);
    post_(stream, Stream::Event::kOpened);
    return stream;
  }

  grpc::ServerUnaryReactor* Ask(grpc::CallbackServerContext* context, const v1::Question* question,
                                v1::Answer* answer) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    take_({question, answer, NamesOf(*context), [reactor](const std::string& refusal) {
             reactor->Finish(refusal.empty()
                                 ? grpc::Status::OK
                                 : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, refusal));
           }});
    return reactor;
  }

 private:
  static std::vector<std::string> NamesOf(const grpc::CallbackServerContext& context) {
    std::vector<std::string> names;
    for (const grpc::string_ref& name :
         context.auth_context()->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME))
      names.emplace_back(name.data(), name.size());
    return names;
  }

  const Stream::Post post_;
  const TakeQuestion take_;
};

class Server final : public StreamServer {
 public:
  Server(Stream::Post post, TakeQuestion take) : service_(std::move(post), std::move(take)) {}

  bool Start(const std::string& address, const StreamCredentials& credentials) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, Credentials(credentials));
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = builder.BuildAndStart();
    return server_ != nullptr;
  }
  void Shutdown() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

 private:
  static std::shared_ptr<grpc::ServerCredentials> Credentials(const StreamCredentials& given) {
    if (given.cert.empty()) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = given.ca;
    options.pem_key_cert_pairs.push_back({given.key, given.cert});
    return grpc::SslServerCredentials(options);
  }

  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

class ClientStream final : public Stream, public grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
 public:
  ClientStream(v1::Peer::Stub* stub, Post post) : post_(std::move(post)) {
    stub->async()->Link(&context_, this);
    AddHold();  // reads and writes are started from outside of the callbacks
    StartCall();
  }

  // Nothing may be started after the end: what it would report could come after kDone.
  void Read() override {
    if (!ended_) StartRead(&in);
  }
  void Write() override {
    if (!ended_) StartWrite(&out);
  }
  void End() override {
    if (std::exchange(ended_, true)) return;
    context_.TryCancel();
    RemoveHold();
  }

  void OnReadDone(bool ok) override { post_(this, ok ? Event::kRead : Event::kReadFailed); }
  void OnWriteDone(bool ok) override { post_(this, ok ? Event::kWritten : Event::kWriteFailed); }
  void OnDone(const grpc::Status& status) override {
    error = status.error_message();
    post_(this, Event::kDone);
  }

 private:
  const Post post_;
  grpc::ClientContext context_;
  bool ended_ = false;  // the owner's thread
};

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address, const StreamCredentials& given,
                                         const std::string& name) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1'000);
  // Peers of one address must not share a connection that another process's end has broken.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!given.cert.empty()) {
    credentials = grpc::SslCredentials({given.ca, given.key, given.cert});
    if (!name.empty()) arguments.SetSslTargetNameOverride(name);
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

class Dialer final : public StreamDialer {
 public:
  Dialer(const std::string& address, const StreamCredentials& given, const std::string& name,
         Stream::Post post)
      : post_(std::move(post)), stub_(v1::Peer::NewStub(ChannelTo(address, given, name))) {}

  Stream* Dial() override { return new ClientStream(stub_.get(), post_); }

 private:
  const Stream::Post post_;
  const std::unique_ptr<v1::Peer::Stub> stub_;
};

class QuestionAsker final : public Asker {
 public:
  QuestionAsker(const std::string& address, const StreamCredentials& given, const std::string& name)
      : stub_(v1::Peer::NewStub(ChannelTo(address, given, name))) {}

  void Ask(const v1::Question& question, int ms, Done done) override {
    // Everything that gRPC uses until it is done.
    struct Call {
      grpc::ClientContext context;
      v1::Question question;
      v1::Answer answer;
      std::shared_ptr<v1::Peer::Stub> stub;
    };
    auto call = std::make_shared<Call>();
    call->question = question;
    call->stub = stub_;
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(ms));
    stub_->async()->Ask(&call->context, &call->question, &call->answer,
                        [call, done = std::move(done)](const grpc::Status& status) {
                          done(status.ok() ? &call->answer : nullptr);
                        });
  }

 private:
  const std::shared_ptr<v1::Peer::Stub> stub_;
};

}  // namespace

absl::StatusOr<StreamCredentials> ReadCredentials(const std::string& ca_file,
                                                  const std::string& cert_file,
                                                  const std::string& key_file) {
  StreamCredentials credentials;
  for (const auto& [file, text] :
       {std::pair{&ca_file, &credentials.ca}, std::pair{&cert_file, &credentials.cert},
        std::pair{&key_file, &credentials.key}}) {
    absl::StatusOr<std::string> read = ReadPem(*file);
    if (!read.ok()) return read.status();
    *text = std::move(*read);
  }
  return credentials;
}

std::unique_ptr<StreamServer> ListenForStreams(const std::string& address,
                                               const StreamCredentials& credentials,
                                               Stream::Post post, TakeQuestion take) {
  auto server = std::make_unique<Server>(std::move(post), std::move(take));
  if (!server->Start(address, credentials)) return nullptr;
  return server;
}

std::unique_ptr<StreamDialer> MakeDialer(const std::string& address,
                                         const StreamCredentials& credentials,
                                         const std::string& name, Stream::Post post) {
  return std::make_unique<Dialer>(address, credentials, name, std::move(post));
}

std::shared_ptr<Asker> MakeAsker(const std::string& address, const StreamCredentials& credentials,
                                 const std::string& name) {
  return std::make_shared<QuestionAsker>(address, credentials, name);
}

}  // namespace skein::cluster
