#include "cmd/skeinmq-bench/fleet.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmq-bench/clock.h"

namespace skein::bench {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr int kEventsPerTurn = 512;
constexpr size_t kKeptOutputCapacity = 64 * 1024;

std::string NameOf(const Client& client) {
  static constexpr const char* kRoles[] = {"publisher ", "subscriber ", "client "};
  return absl::StrCat(kRoles[static_cast<int>(client.spec.role)], client.spec.number);
}

absl::Status SystemError(std::string_view what) {
  return absl::UnavailableError(absl::StrCat(std::string(what), ": ", std::strerror(errno)));
}

std::string ClientIdOf(const ClientSpec& spec) {
  static constexpr const char* kPrefixes[] = {"p", "s", "c"};
  return absl::StrCat("b", getpid(), kPrefixes[static_cast<int>(spec.role)], spec.number);
}

}  // namespace

struct Fleet::Sink {
  Fleet& fleet;
  Client& client;
  uint64_t now_ns;

  void OnPublish(const Delivery& delivery) { fleet.HandlePublish(client, delivery, now_ns); }
  void OnPacket(uint8_t type, std::string_view body) { fleet.HandlePacket(client, type, body); }
};

Fleet::Fleet(const FleetTarget& target, FleetHandler& handler)
    : target_(target),
      handler_(handler),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(Parser::kMaxHead + kReadBytes, '\0') {}

Fleet::~Fleet() {
  for (Client& client : clients_) {
    if (client.fd >= 0) close(client.fd);
  }
  close(epoll_fd_);
}

Client& Fleet::Add(ClientSpec spec) {
  Client& client = clients_.emplace_back();
  client.spec = std::move(spec);
  client.parser = Parser(target_.version);
  return client;
}

absl::Status Fleet::Start(Client& client) {
  client.fd = socket(target_.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client.fd < 0) return SystemError("socket");
  const int on = 1;
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client.started_ns = NowNanos();
  client.state = Client::State::kConnecting;
  ++started_;
  const auto* address = reinterpret_cast<const sockaddr*>(&target_.address);
  if (connect(client.fd, address, target_.address_bytes) != 0 && errno != EINPROGRESS) {
    return SystemError("connect");
  }
  client.waits_for_room = true;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = &client;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, client.fd, &event) != 0) return SystemError("epoll_ctl");
  return absl::OkStatus();
}

absl::Status Fleet::Turn(uint64_t wait_ns) {
  // By index: a handler called while writing may touch more clients.
  for (size_t at = 0; at < dirty_.size(); ++at) {
    dirty_[at]->dirty = false;
    if (absl::Status status = Flush(*dirty_[at]); !status.ok()) return status;
  }
  dirty_.clear();
  std::array<epoll_event, kEventsPerTurn> events;
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(wait_ns / kNanosPerSecond);
  wait.tv_nsec = static_cast<long>(wait_ns % kNanosPerSecond);
  const int count = epoll_pwait2(epoll_fd_, events.data(), kEventsPerTurn, &wait, nullptr);
  if (count < 0 && errno != EINTR) return SystemError("epoll_wait");
  for (int at = 0; at < count; ++at) {
    auto& client = *static_cast<Client*>(events[static_cast<size_t>(at)].data.ptr);
    if (absl::Status status = HandleEvent(client, events[static_cast<size_t>(at)].events);
        !status.ok()) {
      return status;
    }
  }
  return failure_;
}

void Fleet::Touch(Client& client) {
  if (client.dirty) return;
  client.dirty = true;
  dirty_.push_back(&client);
}

absl::Status Fleet::HandleEvent(Client& client, uint32_t events) {
  if (client.state == Client::State::kConnecting) return FinishConnect(client);
  if ((events & EPOLLOUT) != 0) Touch(client);
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) return Read(client);
  return absl::OkStatus();
}

absl::Status Fleet::FinishConnect(Client& client) {
  int error = 0;
  socklen_t bytes = sizeof error;
  getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  if (error != 0) {
    errno = error;
    return SystemError(absl::StrCat(NameOf(client), ": connect"));
  }
  client.state = Client::State::kConnackWait;
  client.out = EncodeConnect(target_.version, ClientIdOf(client.spec), client.spec.keep_alive_s);
  Touch(client);
  return absl::OkStatus();
}

absl::Status Fleet::Read(Client& client) {
  const std::string& carry = client.parser.carry();
  const size_t kept = carry.size();
  std::memcpy(buffer_.data(), carry.data(), kept);
  const ssize_t got = read(client.fd, buffer_.data() + kept, kReadBytes);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return SystemError(absl::StrCat(NameOf(client), ": read"));
  }
  if (got == 0) {
    return absl::UnavailableError(
        absl::StrCat(NameOf(client), ": the broker closed the connection"));
  }
  Sink sink{*this, client, NowNanos()};
  if (!client.parser.Feed({buffer_.data(), kept + static_cast<size_t>(got)}, sink)) {
    Fail(client, "malformed packet");
  }
  return failure_;
}

void Fleet::HandlePacket(Client& client, uint8_t type, std::string_view body) {
  switch (type) {
    case kConnack:
      return HandleConnack(client, body);
    case kSuback:
      return HandleSuback(client, body);
    case kPuback:
    case kPubrec:
    case kPubrel:
    case kPubcomp:
      return HandleAck(client, type, body);
    case kPingresp:
      ++pings_answered_;
      return;
    case kDisconnect:
      return Fail(client, absl::StrCat("DISCONNECT with reason ",
                                       body.empty() ? 0 : static_cast<uint8_t>(body[0])));
    default:
      return Fail(client, absl::StrCat("unexpected packet type ", type));
  }
}

void Fleet::HandleConnack(Client& client, std::string_view body) {
  const std::optional<Connack> connack = DecodeConnack(target_.version, body);
  if (!connack || client.state != Client::State::kConnackWait) return Fail(client, "bad CONNACK");
  if (connack->reason != 0)
    return Fail(client, absl::StrCat("CONNACK with code ", connack->reason));
  connect_times_.Record(NowNanos() - client.started_ns);
  client.receive_maximum = connack->receive_maximum;
  if (client.spec.qos > connack->maximum_qos)
    return Fail(client, "the broker's maximum QoS is too low");
  if (client.spec.filter.empty()) return BecomeReady(client);
  client.state = Client::State::kSubackWait;
  client.out += EncodeSubscribe(target_.version, 1, client.spec.filter, client.spec.qos);
  Touch(client);
}

void Fleet::HandleSuback(Client& client, std::string_view body) {
  const std::optional<Suback> suback = DecodeSuback(target_.version, body);
  if (!suback || client.state != Client::State::kSubackWait || suback->packet_id != 1) {
    return Fail(client, "bad SUBACK");
  }
  if (suback->code != client.spec.qos)
    return Fail(client, absl::StrCat("SUBACK with code ", suback->code));
  BecomeReady(client);
}

void Fleet::HandleAck(Client& client, uint8_t type, std::string_view body) {
  if (body.size() < 2) return Fail(client, "acknowledgement without packet id");
  const auto id =
      static_cast<uint16_t>(static_cast<uint8_t>(body[0]) << 8 | static_cast<uint8_t>(body[1]));
  const uint8_t reason = body.size() > 2 ? static_cast<uint8_t>(body[2]) : 0;
  if (reason >= 0x80) return Fail(client, absl::StrCat("acknowledgement with reason ", reason));
  if (type == kPubrel) {
    AppendAck(client.out, kPubcomp, id);
    return Touch(client);
  }
  if (client.spec.role != Role::kPublisher) return Fail(client, "acknowledgement of nothing");
  uint32_t& counter = type == kPubrec ? client.received : client.completed;
  if (id != PacketIdOf(counter)) {
    return Fail(client,
                absl::StrCat("acknowledgement of ", id, ", expected ", PacketIdOf(counter)));
  }
  ++counter;
  if (type == kPubrec) {
    AppendAck(client.out, kPubrel, id);
    return Touch(client);
  }
  handler_.OnAcknowledged(client);
}

void Fleet::HandlePublish(Client& client, const Delivery& delivery, uint64_t now_ns) {
  if (delivery.qos > 0) {
    AppendAck(client.out, delivery.qos == 1 ? kPuback : kPubrec, delivery.packet_id);
    Touch(client);
  }
  handler_.OnDelivery(client, delivery, now_ns);
}

void Fleet::BecomeReady(Client& client) {
  client.state = Client::State::kReady;
  ++ready_;
  handler_.OnReady(client);
}

void Fleet::Fail(const Client& client, std::string_view what) {
  if (!failure_.ok()) return;
  failure_ = absl::FailedPreconditionError(absl::StrCat(NameOf(client), ": ", std::string(what)));
}

absl::Status Fleet::Flush(Client& client) {
  while (client.unwritten() > 0) {
    const ssize_t put =
        send(client.fd, client.out.data() + client.out_at, client.unwritten(), MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return SystemError(absl::StrCat(NameOf(client), ": write"));
      if (client.out_at > kKeptOutputCapacity) {
        client.out.erase(0, client.out_at);
        client.out_at = 0;
      }
      Arm(client, true);
      return absl::OkStatus();
    }
    client.out_at += static_cast<size_t>(put);
  }
  client.out_at = 0;
  client.out.clear();
  if (client.out.capacity() > kKeptOutputCapacity) client.out.shrink_to_fit();
  if (client.waits_for_room) {
    Arm(client, false);
    handler_.OnRoom(client);
  }
  return absl::OkStatus();
}

void Fleet::Arm(Client& client, bool for_writing) {
  if (client.waits_for_room == for_writing) return;
  client.waits_for_room = for_writing;
  epoll_event event{};
  event.events = for_writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &client;
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, client.fd, &event);
}

void Fleet::CloseAll() {
  for (Client& client : clients_) {
    if (client.fd < 0) continue;
    send(client.fd, kDisconnectBytes.data(), kDisconnectBytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(client.fd);
    client.fd = -1;
    client.state = Client::State::kClosed;
  }
}

}  // namespace skein::bench
