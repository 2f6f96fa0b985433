// The protocol of whole sessions under scripts nobody would write.
//
// Purpose: each byte of the input is a step: clients connect, subscribe, publish, acknowledge, send
// rubbish, stop reading and go; the disk and the mail between shards wait; time passes; the process
// dies and recovers. After each step what every client got is checked against its books
// (session_model.h), and the broker's bounds against Limits. Limits: kMaxSteps steps.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "broker/base/check.h"
#include "tests/fuzz/session_model.h"
#include "tests/unit/shard/harness.h"

namespace skein::fuzz {
namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using shard::Node;
using testing_support::PropertyBlock;

constexpr int kClients = 5;
constexpr int kMaxSteps = 400;
constexpr const char* kTopics[] = {"t/a", "t/b", "x", "$SYS/no"};
constexpr const char* kFilters[] = {"t/a",          "t/+", "#",       "+/b",
                                    "$share/g/t/a", "x",   "t/#/bad", "$share/g/#"};

class Script {
 public:
  Script(std::string_view bytes, const shard::NodeOptions& options)
      : bytes_(bytes), limits_(options.limits), node_(options) {}

  void Run() {
    for (int step = 0; step < kMaxSteps && !bytes_.empty(); ++step) {
      Step(Byte());
      if (node_.work_runs)
        node_.Settle();
      else
        node_.Step();
      ReadAll();
      CheckNode();
    }
    Finish();
  }

 private:
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }

  void Send(const ClientModel& client, const std::string& packet) {
    if (client.link >= 0) node_.Feed(client.link, packet);
  }

  void Step(uint8_t op);
  void Connect(ClientModel* client);
  void Subscribe(ClientModel* client);
  void Publish(ClientModel* client);
  void Rubbish(ClientModel* client);
  void Crash(bool lossy);
  void Answer(bool allow);
  void ReadAll();
  void CheckNode();
  void CheckShard(ShardId shard);
  void Finish();

  std::string_view bytes_;
  const Limits limits_;
  Node node_;
  ClientModel clients_[kClients];
  uint32_t messages_ = 0;
};

void Script::Connect(ClientModel* client) {
  const uint8_t how = Byte();
  const uint8_t more = Byte();
  testing_support::ConnectOptions options;
  options.version = how % 4 == 0   ? ProtocolVersion::k31
                    : how % 4 == 1 ? ProtocolVersion::k311
                                   : ProtocolVersion::k5;
  options.clean_start = (how & 4) != 0;
  options.client_id = "client-" + std::to_string(client - clients_);
  options.keep_alive = (how & 8) != 0 ? 10 : 0;
  if ((more & 0x80) != 0) options.user_name = (more & 1) != 0 ? "later" : "bad";
  PropertyBlock properties;
  constexpr uint32_t kExpiries[] = {0, 5, 1000, UINT32_MAX};
  properties.FourByte(PropertyId::kSessionExpiryInterval, kExpiries[how >> 4 & 3]);
  size_t maximum = 65'535;
  if ((how & 0x40) != 0) {
    maximum = 1 + (more & 3);
    properties.TwoByte(PropertyId::kReceiveMaximum, static_cast<uint16_t>(maximum));
  }
  if ((more & 4) != 0) {
    properties.FourByte(PropertyId::kMaximumPacketSize, 60);
    client->NotStrict();
  }
  if ((more & 8) != 0) properties.TwoByte(PropertyId::kTopicAliasMaximum, 1);
  if ((more & 0x10) != 0) {
    properties.Text(PropertyId::kAuthenticationMethod, "M");
    properties.Text(PropertyId::kAuthenticationData, (more & 1) != 0 ? "one" : "ok");
  }
  options.properties = properties.bytes();
  if ((how & 0x80) != 0) {
    options.will.emplace();
    options.will->topic = kTopics[more >> 5 & 1];
    options.will->payload = "will" + std::to_string(++messages_);
    options.will->qos = static_cast<Qos>(more % 3);
    if ((more & 0x40) != 0)
      options.will->properties =
          PropertyBlock().FourByte(PropertyId::kWillDelayInterval, 3).bytes();
  }
  if (options.version != ProtocolVersion::k5) maximum = 65'535;
  const int link = node_.Open(static_cast<ShardId>(more % node_.shards()));
  client->Begin(link, options.version, maximum);
  node_.Feed(link, testing_support::EncodeConnect(options));
}

void Script::Subscribe(ClientModel* client) {
  const uint8_t how = Byte();
  testing_support::FilterOptions filter;
  filter.filter = kFilters[how % std::size(kFilters)];
  const bool shared = filter.filter.starts_with('$');
  if (shared) client->NotStrict();  // a second copy of a message is right
  filter.qos = static_cast<Qos>((how >> 3) % 3);
  const bool v5 = client->version == ProtocolVersion::k5;
  if (v5 && !shared) filter.no_local = (how & 0x20) != 0;
  if (v5) filter.retain_as_published = (how & 0x40) != 0;
  PropertyBlock properties;
  if ((how & 0x80) != 0) properties.Varint(PropertyId::kSubscriptionIdentifier, 1 + how % 200);
  Send(*client,
       testing_support::EncodeSubscribe(client->version, 77, {filter}, properties.bytes()));
}

void Script::Publish(ClientModel* client) {
  const uint8_t how = Byte();
  testing_support::PublishOptions options;
  options.version = client->version;
  options.topic = kTopics[how & 3];
  options.qos = static_cast<Qos>((how >> 2) % 3);
  options.retain = (how & 0x10) != 0;
  options.packet_id = static_cast<PacketId>(1 + (how >> 5));
  options.payload = (options.retain ? "r" : "m") + std::to_string(++messages_);
  if ((how & 0x20) != 0) options.payload += std::string(700, '.');
  if (how == 0xFF) options.properties = PropertyBlock().TwoByte(PropertyId::kTopicAlias, 1).bytes();
  if (how == 0xFE)
    options.properties = PropertyBlock().FourByte(PropertyId::kMessageExpiryInterval, 2).bytes();
  Send(*client, testing_support::EncodePublish(options));
  if (options.qos != Qos::kExactlyOnce) return;
  options.dup = true;
  client->last_publish = testing_support::EncodePublish(options);
}

void Script::Rubbish(ClientModel* client) {
  client->NotStrict();
  const size_t wished = Byte() % 24;
  const size_t size = std::min(wished, bytes_.size());
  const std::string bytes(bytes_.substr(0, size));
  bytes_.remove_prefix(size);
  Send(*client, bytes);
}

void Script::Crash(bool lossy) {
  if (!lossy) {
    for (ShardId shard = 0; shard < node_.shards(); ++shard)
      node_.MakeDurable(shard);
  }
  ReadAll();
  for (ClientModel& client : clients_) {
    client.Begin(-1, client.version, client.receive_maximum);
    // What was not durable, or on its way between shards, may come again.
    client.Forget();
    client.NotStrict();
  }
  node_.Crash();
}

void Script::Answer(bool allow) {
  auto& answers = node_.authenticator().answers;
  if (answers.empty()) return;
  const auto done = answers.front();
  answers.erase(answers.begin());
  done(allow ? auth::Decision::Allow() : auth::Decision::Deny(mqtt::ReasonCode::kBanned, "no"));
}

void Script::Step(uint8_t op) {
  ClientModel& client = clients_[(op >> 4) % kClients];
  switch (op & 15) {
    case 0:
      return Connect(&client);
    case 1:
      return Subscribe(&client);
    case 2:
    case 3:
      return Publish(&client);
    case 4:
    case 5:
      return Send(client, client.Acknowledge(Byte()));
    case 6:
      return Send(client, testing_support::EncodeUnsubscribe(
                              client.version, 78, {kFilters[Byte() % std::size(kFilters)]}));
    case 7: {  // any acknowledgement; PUBREL of what the client published among them
      client.NotStrict();
      const auto type = static_cast<PacketType>(4 + Byte() % 4);
      client.last_publish.clear();
      return Send(client,
                  testing_support::EncodeClientAck(type, static_cast<PacketId>(1 + Byte() % 8)));
    }
    case 8:
      return Rubbish(&client);
    case 9:
      if (client.link >= 0) node_.SetReading(client.link, !node_.link(client.link).reading);
      return;
    case 10:
      if (client.link >= 0) node_.Drop(client.link);
      return;
    case 11: {
      const uint8_t how = Byte();
      const std::string expiry =
          PropertyBlock().FourByte(PropertyId::kSessionExpiryInterval, how % 8).bytes();
      return Send(client, testing_support::EncodeClientDisconnect(
                              client.version, static_cast<mqtt::ReasonCode>(how & 4),
                              (how & 8) != 0 ? expiry : ""));
    }
    case 12:
      return node_.Advance(TimeMs{1} << (Byte() % 24));
    case 13:
      if (op >> 4 == 0) node_.disk_runs = !node_.disk_runs;
      if (op >> 4 == 1) node_.mail_runs = !node_.mail_runs;
      if (op >> 4 == 2) node_.work_runs = !node_.work_runs;
      if (op >> 4 == 3) node_.MakeDurable(0);
      if (op >> 4 == 4 && node_.shards() > 1) node_.DeliverMail(0, 1);
      if (op >> 4 == 5 && node_.shards() > 1) node_.DeliverMail(1, 0);
      if (op >> 4 == 6) Answer((Byte() & 1) != 0);
      if (op >> 4 == 7) Send(client, testing_support::EncodePingreq());
      return;
    case 14:
      if (op >> 4 >= 14) Crash(op >> 4 == 14);
      return Send(client, client.last_publish);
    default:
      return Send(client,
                  testing_support::EncodeClientAuth(
                      static_cast<mqtt::ReasonCode>(0x18 + (op >> 4 & 1)),
                      PropertyBlock()
                          .Text(PropertyId::kAuthenticationMethod, "M")
                          .Text(PropertyId::kAuthenticationData, (Byte() & 1) ? "ok" : "one")
                          .bytes()));
  }
}

void Script::ReadAll() {
  for (ClientModel& client : clients_) {
    if (client.link < 0) continue;
    const std::string output = std::exchange(node_.link(client.link).output, {});
    client.Read(output);
  }
}

void Script::CheckShard(ShardId id) {
  shard::ShardState& state = node_.core(id).state();
  uint64_t queued_bytes = node_.core(id).redispatcher().budgeted();
  size_t subscriptions = 0;
  state.sessions.ForEach([&](session::Session& session) {
    subscriptions += session.subscriptions.size();
    SKEIN_CHECK(session.subscriptions.size() <= limits_.max_subscriptions_per_session);
    SKEIN_CHECK(session.connected() || session.durable());
    queued_bytes += session.stored.bytes;
    if (const session::Outbound* outbound = session.outbound_if_any()) {
      SKEIN_CHECK(outbound->queued() <= limits_.max_queued_messages);
      SKEIN_CHECK(outbound->queued_bytes() <= limits_.max_queued_bytes);
      queued_bytes += outbound->queued_bytes();
    }
    if (!session.connected()) return;
    const shard::Connection& connection = state.connections[session.connection];
    SKEIN_CHECK(connection.open() && connection.session == session.slot());
  });
  SKEIN_CHECK(queued_bytes == state.budget.used);
  SKEIN_CHECK(subscriptions == state.subscriptions.size());
  SKEIN_CHECK(node_.stats(id).sessions.value() == static_cast<int64_t>(state.sessions.size()));
  for (shard::ConnectionSlot slot = 0; slot < state.connections.slots(); ++slot) {
    const shard::Connection& connection = state.connections[slot];
    SKEIN_CHECK(connection.out.bytes() <= 2 * limits_.max_output_bytes + (64u << 10));
    if (!connection.open() || connection.session == kNoSession) continue;
    SKEIN_CHECK(state.sessions[connection.session].connection == slot) << "two live connections";
  }
}

void Script::CheckNode() {
  for (ShardId id = 0; id < node_.shards(); ++id)
    CheckShard(id);
}

// Everybody reads, nothing waits any more, and all connections end.
void Script::Finish() {
  node_.disk_runs = node_.mail_runs = node_.work_runs = true;
  for (size_t id = 0; id < node_.links(); ++id)
    node_.SetReading(static_cast<int>(id), true);
  node_.Settle();
  ReadAll();
  CheckNode();
  node_.CloseAll(mqtt::ReasonCode::kServerShuttingDown);
  node_.Settle();
  node_.Advance(60'000);
  ReadAll();
  for (ShardId id = 0; id < node_.shards(); ++id)
    SKEIN_CHECK(node_.core(id).state().connections.size() == 0);
}

}  // namespace
}  // namespace skein::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  skein::shard::NodeOptions options;
  options.shards = static_cast<skein::ShardId>(1 + (data[0] & 1));
  options.limits.max_packet_size = 4096;
  options.limits.max_output_bytes = 2048;
  options.limits.max_queued_messages = 4;
  options.limits.max_queued_bytes = 3000;
  options.limits.max_total_queued_bytes = 8000;
  options.limits.max_subscriptions_per_session = 3;
  options.limits.max_inflight = 4;
  options.limits.receive_maximum = 5;
  options.limits.fanout_slice = (data[0] & 2) != 0 ? 1 : 1000;
  skein::fuzz::Script({reinterpret_cast<const char*>(data) + 1, size - 1}, options).Run();
  return 0;
}
