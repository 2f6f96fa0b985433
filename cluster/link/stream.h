// One gRPC stream to a peer, opened by either side.
//
// Purpose: turns gRPC's callbacks into events for one thread. For .cc files of this folder only.
// Thread: callbacks on gRPC's, which only post; Read(), Write() and End() on the owner's. Life:
// from kOpened (or Dial()) to kDone, which is the last event; then it may be deleted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {

class Stream {
 public:
  enum class Event { kOpened, kRead, kReadFailed, kWritten, kWriteFailed, kDone };
  using Post = std::function<void(Stream*, Event)>;

  virtual ~Stream() = default;
  // `in` is filled by the next kRead.
  virtual void Read() = 0;
  // Sends `out`; kWritten says that it may be used again.
  virtual void Write() = 0;
  // Gives it up; kDone follows. May be called again.
  virtual void End() = 0;

  v1::Frame in;
  v1::Frame out;
  std::vector<std::string> names;  // of the dialing peer's certificate
  std::string error;               // at kDone, for people; may be empty
};

// The listening side.
class StreamServer {
 public:
  virtual ~StreamServer() = default;
  virtual void Shutdown() = 0;
};

struct StreamCredentials {
  std::string ca, cert, key;  // PEM texts; empty: none
};

absl::StatusOr<StreamCredentials> ReadCredentials(const std::string& ca_file,
                                                  const std::string& cert_file,
                                                  const std::string& key_file);

// A question of a peer. The pointers hold until `reply` is called, once, on any thread; empty: that
// was the answer, else why there is none.
struct AskedQuestion {
  const v1::Question* question = nullptr;
  v1::Answer* answer = nullptr;
  std::vector<std::string> names;  // of the peer's certificate
  std::function<void(const std::string& refusal)> reply;
};
// Called on gRPC's threads; must not wait.
using TakeQuestion = std::function<void(AskedQuestion)>;

// Null: cannot listen there. Streams are announced by kOpened.
std::unique_ptr<StreamServer> ListenForStreams(const std::string& address,
                                               const StreamCredentials& credentials,
                                               Stream::Post post, TakeQuestion take);

// A way to one peer, over which streams are opened.
class StreamDialer {
 public:
  virtual ~StreamDialer() = default;
  // The stream is the caller's from now on; writing may begin at once.
  virtual Stream* Dial() = 0;
};

// name: the peer's node id, which its certificate must have; empty: that of the address.
std::unique_ptr<StreamDialer> MakeDialer(const std::string& address,
                                         const StreamCredentials& credentials,
                                         const std::string& name, Stream::Post post);

// A way to one peer, over which questions are asked. It has a connection of its own.
class Asker {
 public:
  // nullptr: there is no answer.
  using Done = std::function<void(const v1::Answer*)>;
  virtual ~Asker() = default;
  // Calls `done` once, within about `ms`, on a thread of gRPC's.
  virtual void Ask(const v1::Question& question, int ms, Done done) = 0;
};

std::shared_ptr<Asker> MakeAsker(const std::string& address, const StreamCredentials& credentials,
                                 const std::string& name);

}  // namespace skein::cluster
