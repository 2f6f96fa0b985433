#include "tests/unit/shard/transcript.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <sstream>

namespace skein::shard {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using mqtt::ReasonCode;
using testing_support::PropertyBlock;
using testing_support::ServerPacket;

namespace {

using Words = std::vector<std::string>;

Words Split(const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string word; in >> word;)
    words.push_back(word);
  return words;
}

// "key=value" among the words.
std::optional<std::string> Value(const Words& words, std::string_view key) {
  for (const std::string& word : words) {
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=')
      return word.substr(key.size() + 1);
  }
  return std::nullopt;
}

bool Has(const Words& words, std::string_view wanted) {
  for (const std::string& word : words) {
    if (word == wanted) return true;
  }
  return false;
}

uint32_t Number(const std::string& text) {
  return static_cast<uint32_t>(std::stoul(text, nullptr, 0));
}

uint32_t NumberOf(const Words& words, std::string_view key, uint32_t otherwise) {
  const auto text = Value(words, key);
  return text ? Number(*text) : otherwise;
}

Qos QosOf(const Words& words) {
  if (Has(words, "q2")) return Qos::kExactlyOnce;
  return Has(words, "q1") ? Qos::kAtLeastOnce : Qos::kAtMostOnce;
}

std::string Payload(const std::string& text) {
  if (text == "-") return "";
  return text.starts_with("bytes:") ? std::string(Number(text.substr(6)), 'x') : text;
}

std::string Hex(uint32_t value) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", value);
  return text;
}

void AddText(std::string* line, const ServerPacket& packet, PropertyId id, const char* name) {
  if (const auto* property = packet.Find(id))
    *line += std::string(" ") + name + "=" + property->text;
}

void AddNumber(std::string* line, const ServerPacket& packet, PropertyId id, const char* name) {
  auto numbers = packet.Numbers(id);
  std::sort(numbers.begin(), numbers.end());  // the standard gives several no order
  for (size_t i = 0; i < numbers.size(); ++i)
    *line += (i == 0 ? std::string(" ") + name + "=" : ",") + std::to_string(numbers[i]);
}

std::string DescribePublish(const ServerPacket& packet) {
  std::string line = "publish " + (packet.topic.empty() ? "-" : packet.topic) + " ";
  if (packet.payload.size() > 64) {
    line += "bytes:" + std::to_string(packet.payload.size());
  } else {
    line += packet.payload.empty() ? "-" : packet.payload;
  }
  if (packet.qos != Qos::kAtMostOnce)
    line += " q" + std::to_string(static_cast<int>(packet.qos)) + " #" +
            std::to_string(packet.packet_id);
  if (packet.dup) line += " dup";
  if (packet.retain) line += " retain";
  AddNumber(&line, packet, PropertyId::kSubscriptionIdentifier, "id");
  AddNumber(&line, packet, PropertyId::kTopicAlias, "alias");
  AddNumber(&line, packet, PropertyId::kMessageExpiryInterval, "expiry");
  return line;
}

const char* NameOf(PacketType type) {
  static constexpr const char* kNames[] = {
      "?", "?",      "connack", "publish",  "puback", "pubrec",   "pubrel",     "pubcomp",
      "?", "suback", "?",       "unsuback", "?",      "pingresp", "disconnect", "auth"};
  return kNames[static_cast<size_t>(type)];
}

}  // namespace

std::string Describe(const ServerPacket& packet) {
  if (packet.type == PacketType::kPublish) return DescribePublish(packet);
  std::string line = NameOf(packet.type);
  if (packet.packet_id != 0) line += " " + std::to_string(packet.packet_id);
  if (packet.session_present) line += " present";
  if (packet.reason != 0) line += " " + Hex(packet.reason);
  for (const uint8_t reason : packet.reasons)
    line += " " + Hex(reason);
  AddText(&line, packet, PropertyId::kAssignedClientIdentifier, "assigned");
  AddNumber(&line, packet, PropertyId::kSessionExpiryInterval, "expiry");
  AddNumber(&line, packet, PropertyId::kServerKeepAlive, "keepalive");
  AddText(&line, packet, PropertyId::kAuthenticationMethod, "method");
  AddText(&line, packet, PropertyId::kAuthenticationData, "data");
  return line;
}

std::string Transcript::Connect(const std::string& name, const Words& words) {
  testing_support::ConnectOptions options;
  if (Has(words, "v31")) options.version = ProtocolVersion::k31;
  if (Has(words, "v311")) options.version = ProtocolVersion::k311;
  options.clean_start = !Has(words, "keep");
  options.keep_alive = static_cast<uint16_t>(NumberOf(words, "keepalive", 0));
  options.client_id = Value(words, "id").value_or(name);
  if (options.client_id == "-") options.client_id.clear();
  options.user_name = Value(words, "user");
  PropertyBlock properties;
  if (const auto v = Value(words, "expiry"))
    properties.FourByte(PropertyId::kSessionExpiryInterval, Number(*v));
  if (const auto v = Value(words, "rm"))
    properties.TwoByte(PropertyId::kReceiveMaximum, static_cast<uint16_t>(Number(*v)));
  if (const auto v = Value(words, "max"))
    properties.FourByte(PropertyId::kMaximumPacketSize, Number(*v));
  if (const auto v = Value(words, "alias"))
    properties.TwoByte(PropertyId::kTopicAliasMaximum, static_cast<uint16_t>(Number(*v)));
  if (Has(words, "noproblem")) properties.Byte(PropertyId::kRequestProblemInformation, 0);
  if (const auto v = Value(words, "method")) properties.Text(PropertyId::kAuthenticationMethod, *v);
  if (const auto v = Value(words, "data")) properties.Text(PropertyId::kAuthenticationData, *v);
  options.properties = properties.bytes();
  if (const auto v = Value(words, "will")) {
    testing_support::WillOptions will;
    will.topic = v->substr(0, v->find(':'));
    will.payload = v->substr(v->find(':') + 1);
    will.qos = static_cast<Qos>(NumberOf(words, "willqos", 0));
    will.retain = Has(words, "willretain");
    if (const auto delay = Value(words, "willdelay"))
      will.properties =
          PropertyBlock().FourByte(PropertyId::kWillDelayInterval, Number(*delay)).bytes();
    options.will = will;
  }
  Client& client = clients_[name];
  client.version = options.version;
  return testing_support::EncodeConnect(options);
}

std::string Transcript::Publish(const Client& client, const Words& words) {
  testing_support::PublishOptions options;
  options.version = client.version;
  options.packet_id = static_cast<PacketId>(words[1] == "-" ? 0 : Number(words[1]));
  options.topic = words[2] == "-" ? "" : words[2];
  options.payload = Payload(words[3]);
  options.qos = QosOf(words);
  options.retain = Has(words, "retain");
  options.dup = Has(words, "dup");
  PropertyBlock properties;
  if (const auto v = Value(words, "expiry"))
    properties.FourByte(PropertyId::kMessageExpiryInterval, Number(*v));
  if (const auto v = Value(words, "alias"))
    properties.TwoByte(PropertyId::kTopicAlias, static_cast<uint16_t>(Number(*v)));
  if (Has(words, "text")) properties.Byte(PropertyId::kPayloadFormatIndicator, 1);
  options.properties = properties.bytes();
  return testing_support::EncodePublish(options);
}

std::string Transcript::Subscribe(const Client& client, const Words& words) {
  std::vector<testing_support::FilterOptions> filters;
  PropertyBlock properties;
  for (size_t i = 2; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "q1" || word == "q2") {
      filters.back().qos = word == "q1" ? Qos::kAtLeastOnce : Qos::kExactlyOnce;
    } else if (word == "nl") {
      filters.back().no_local = true;
    } else if (word == "rap") {
      filters.back().retain_as_published = true;
    } else if (word.starts_with("rh=")) {
      filters.back().retain_handling = static_cast<uint8_t>(Number(word.substr(3)));
    } else if (word.starts_with("id=")) {
      properties.Varint(PropertyId::kSubscriptionIdentifier, Number(word.substr(3)));
    } else {
      filters.emplace_back().filter = word;
    }
  }
  return testing_support::EncodeSubscribe(client.version, static_cast<PacketId>(Number(words[1])),
                                          filters, properties.bytes());
}

std::string Transcript::Packet(const Client& client, const Words& words) {
  const std::string& kind = words[0];
  if (kind == "publish") return Publish(client, words);
  if (kind == "subscribe") return Subscribe(client, words);
  if (kind == "ping") return testing_support::EncodePingreq();
  if (kind == "raw") return testing_support::FromHex(words[1]);
  if (kind == "unsubscribe")
    return testing_support::EncodeUnsubscribe(client.version,
                                              static_cast<PacketId>(Number(words[1])),
                                              Words(words.begin() + 2, words.end()));
  PropertyBlock properties;
  if (const auto v = Value(words, "expiry"))
    properties.FourByte(PropertyId::kSessionExpiryInterval, Number(*v));
  if (const auto v = Value(words, "method")) properties.Text(PropertyId::kAuthenticationMethod, *v);
  if (const auto v = Value(words, "data")) properties.Text(PropertyId::kAuthenticationData, *v);
  if (kind == "disconnect" || kind == "auth") {
    const bool given = words.size() > 1 && words[1].starts_with("0x");
    const auto reason = static_cast<ReasonCode>(given ? Number(words[1]) : 0);
    return kind == "auth" ? testing_support::EncodeClientAuth(reason, properties.bytes())
                          : testing_support::EncodeClientDisconnect(client.version, reason,
                                                                    properties.bytes());
  }
  for (int type = 4; type <= 7; ++type) {
    if (kind != NameOf(static_cast<PacketType>(type))) continue;
    const auto reason = static_cast<ReasonCode>(words.size() > 2 ? Number(words[2]) : 0);
    return testing_support::EncodeClientAck(static_cast<PacketType>(type),
                                            static_cast<PacketId>(Number(words[1])), reason);
  }
  ADD_FAILURE() << "no such packet: " << kind;
  return "";
}

// Several packets on one line, divided by " + ", arrive in one piece.
void Transcript::Send(const std::string& name, const Words& words) {
  std::string bytes;
  Words packet;
  for (size_t i = 0; i <= words.size(); ++i) {
    if (i < words.size() && words[i] != "+") {
      packet.push_back(words[i]);
      continue;
    }
    if (packet[0] == "connect") {
      bytes += Connect(name, packet);
      Client& client = clients_[name];
      if (client.link < 0 || node_.Find(client.link) == nullptr) {
        client.link = node_.Open(static_cast<ShardId>(NumberOf(packet, "at", 0)));
        client.told_closed = false;
      }
    } else {
      bytes += Packet(clients_[name], packet);
    }
    packet.clear();
  }
  node_.Feed(clients_[name].link, bytes);
}

void Transcript::Collect() {
  for (auto& [name, client] : clients_) {
    if (client.link < 0) continue;
    Node::Link& link = node_.link(client.link);
    std::string_view bytes = link.output;
    while (!bytes.empty()) {
      const auto packet = testing_support::TakeServerPacket(&bytes, client.version);
      if (!packet) {
        client.inbox.push_back("not a packet");
        break;
      }
      client.inbox.push_back(Describe(*packet));
    }
    link.output.clear();
    if (!link.connected && node_.mail_runs && !client.told_closed) {
      client.told_closed = true;
      client.inbox.push_back("closed");
    }
  }
}

void Transcript::ExpectAllRead(const std::string& line) {
  for (auto& [name, client] : clients_) {
    for (const std::string& packet : client.inbox)
      ADD_FAILURE() << name << " got \"" << packet << "\" before: " << line;
    client.inbox.clear();
  }
}

void Transcript::Expect(const std::string& name, const std::string& wanted) {
  std::deque<std::string>& inbox = clients_[name].inbox;
  if (inbox.empty()) {
    ADD_FAILURE() << name << " got nothing, wanted: " << wanted;
    return;
  }
  EXPECT_EQ(inbox.front(), wanted) << "at " << name;
  inbox.pop_front();
}

void Transcript::PlayStage(const Words& words) {
  const std::string& what = words[0];
  const std::string second = words.size() > 1 ? words[1] : "";
  if (what == "hold" || what == "release") {
    const bool runs = what == "release";
    (second == "disk"    ? node_.disk_runs
     : second == "mail"  ? node_.mail_runs
     : second == "table" ? node_.table_runs
                         : node_.work_runs) = runs;
    node_.Settle();
  } else if (what == "disk") {
    for (ShardId shard = 0; shard < node_.shards(); ++shard) {
      if (second.empty() || Number(second) == shard) node_.MakeDurable(shard);
    }
    node_.Settle();
  } else if (what == "mail") {
    node_.DeliverMail(static_cast<ShardId>(Number(second)), static_cast<ShardId>(Number(words[2])));
    node_.Settle();
  } else if (what == "step") {
    node_.Step();
  } else if (what == "wait") {
    node_.Advance(Number(second));
  } else if (what == "sneak") {
    node_.Sneak(Number(second));
  } else if (what == "crash") {
    if (second.empty()) {
      for (auto& [name, client] : clients_)
        client.told_closed = true;
      node_.Crash();
    } else {
      node_.Kill(static_cast<NodeNumber>(Number(second)));
    }
    node_.Settle();
  } else if (what == "revive") {
    node_.Revive(static_cast<NodeNumber>(Number(second)));
  } else if (what == "give" || what == "take") {
    const session::PartitionId partition = PartitionOf(second, ShardOptions().partitions);
    const auto node = static_cast<NodeNumber>(Number(words[2]));
    if (what == "give") {
      node_.Give(partition, node);
    } else {
      node_.Take(partition, node);
    }
    node_.Settle();
  } else if (what == "part" || what == "join") {
    const auto a = static_cast<NodeNumber>(Number(second));
    const auto b = static_cast<NodeNumber>(Number(words[2]));
    if (what == "part") {
      node_.Part(a, b);
    } else {
      node_.Join(a, b);
    }
    node_.Settle();
  } else if (what == "stop") {
    node_.CloseAll(ReasonCode::kServerShuttingDown);
    node_.Settle();
  } else if (what == "answer") {
    ASSERT_FALSE(node_.authenticator().answers.empty());
    const auto done = node_.authenticator().answers.front();
    node_.authenticator().answers.erase(node_.authenticator().answers.begin());
    done(second == "allow" ? auth::Decision::Allow()
                           : auth::Decision::Deny(ReasonCode::kBanned, "banned"));
    node_.Settle();
  } else {
    ADD_FAILURE() << "not understood: " << what;
  }
}

void Transcript::PlayLine(const std::string& line) {
  Words words = Split(line);
  if (words.empty()) return;
  std::string first = words[0];
  if (first.ends_with("<")) {
    first.pop_back();
    const size_t at = line.find('<') + 1;
    return Expect(first, line.substr(line.find_first_not_of(' ', at)));
  }
  ExpectAllRead(line);
  if (first.ends_with(">")) {
    first.pop_back();
    Send(first, Words(words.begin() + 1, words.end()));
    node_.Settle();
  } else if (words.size() == 2 &&
             (words[1] == "drops" || words[1] == "sleeps" || words[1] == "wakes")) {
    Client& client = clients_[first];
    if (words[1] == "drops") {
      client.told_closed = true;
      node_.Drop(client.link);
    } else {
      node_.SetReading(client.link, words[1] == "wakes");
    }
    node_.Settle();
  } else {
    PlayStage(words);
  }
  Collect();
}

std::map<std::string, int> Transcript::PlayAndCount(const std::string& line) {
  PlayLine(line);
  std::map<std::string, int> counts;
  for (auto& [name, client] : clients_) {
    if (!client.inbox.empty()) counts[name] = static_cast<int>(client.inbox.size());
    client.inbox.clear();
  }
  return counts;
}

void Transcript::Play(std::string_view script) {
  std::istringstream in{std::string(script)};
  std::string line;
  while (std::getline(in, line)) {
    const size_t end = line.find_last_not_of(' ');
    line.resize(end == std::string::npos ? 0 : end + 1);
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    SCOPED_TRACE(line.substr(begin));
    PlayLine(line.substr(begin));
  }
  ExpectAllRead("the end");
}

}  // namespace skein::shard
