// A conversation between clients and a node, written down.
//
// Purpose: a test is read as a transcript: what each client sends, and all that it then gets, in
// order. Before anything new happens every packet must have been read, so a transcript also says
// what is not sent. Thread: confined to the test.
//
//   a> connect v5 keep expiry=100       a client sends; its network connection opens with CONNECT
//   a< connack present                  the next that it got; "closed" when the broker hung up
//   a drops | sleeps | wakes            loses the network; stops and starts reading
//   hold disk | mail | work             from now on only when told; "release" undoes it
//   disk [SHARD]                        what was committed is now durable
//   mail FROM TO                        carries the mail between two shards
//   step | wait MS | crash | stop       one tick; time passes; the process dies; it shuts down
//   crash N | revive N | part A B | join A B   one node of a cluster; the link between two
//   sneak MS                            time passes, but no timer has been looked at yet
//   answer allow|deny                   the authenticator that asked for time answers
//
// Words of CONNECT: v31 v311 v5, id=, keep (clean start 0), keepalive=, expiry=, rm=, max=, alias=,
// user=, method=, data=, will=TOPIC:PAYLOAD, willqos=, willdelay=, willretain, noproblem, at=SHARD.
// PUBLISH: publish ID|- TOPIC PAYLOAD with q1 q2 retain dup expiry= alias=; "bytes:N" is a payload
// of N bytes. SUBSCRIBE: subscribe ID FILTER [q1 q2 nl rap rh=] ... id=N. See transcript.cc for the
// rest.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/client_packets.h"
#include "tests/support/server_packets.h"
#include "tests/unit/shard/harness.h"

namespace skein::shard {

class Transcript {
 public:
  explicit Transcript(const NodeOptions& options = {}) : node_(options) {}

  // Plays the lines; anything unexpected is a failure of the running test.
  void Play(std::string_view script);
  // Plays one line and says how many packets each client got by it.
  std::map<std::string, int> PlayAndCount(const std::string& line);
  Node& node() { return node_; }

 private:
  struct Client {
    int link = -1;
    mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
    std::deque<std::string> inbox;
    bool told_closed = false;
  };
  using Words = std::vector<std::string>;

  void PlayLine(const std::string& line);
  void PlayStage(const Words& words);
  void Send(const std::string& name, const Words& words);
  void Expect(const std::string& name, const std::string& wanted);
  std::string Connect(const std::string& name, const Words& words);
  std::string Packet(const Client& client, const Words& words);
  std::string Publish(const Client& client, const Words& words);
  std::string Subscribe(const Client& client, const Words& words);
  void Collect();
  void ExpectAllRead(const std::string& line);

  Node node_;
  std::map<std::string, Client> clients_;
};

// One packet as a line: "publish t/a hello q1 #3 dup", "suback 1 0x00 0x8f".
std::string Describe(const testing_support::ServerPacket& packet);

}  // namespace skein::shard
