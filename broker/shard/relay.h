// Clients of one node whose session lives on another.
//
// Purpose: at the edge, where the client is connected, a Relay moves bytes between the network
// connection and the peer; at the owner, a RelayTransport makes them look like a connection. The
// protocol is spoken by the owner alone. Thread: confined to the shard. Limits: kWindow bytes each
// way are under way; the sender then waits for credit, so a client that does not read holds up
// itself only.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "broker/net/transport.h"
#include "broker/shard/mail.h"
#include "broker/shard/peers.h"

namespace skein::shard {

inline constexpr uint64_t kRelayWindow = 256 * 1024;

// At the edge.
struct Relay {
  uint64_t id = 0;  // generation and slot
  int fd = -1;
  std::unique_ptr<net::Transport> transport;  // null: plain TCP
  uint16_t listener = 0;
  uint16_t owner = 0;  // the place
  std::string out;     // for the client; `written` of it are gone
  size_t written = 0;
  uint64_t credit = kRelayWindow;  // bytes that may still go to the owner
  uint64_t earned = 0;             // bytes for the client that are gone, and not told yet
  bool ending = false;             // the owner has finished
  bool shut = false;               // and the client has been told
  bool read_armed = true;
  bool write_armed = false;
};

// At the owner. The descriptor of its connection is -1.
class RelayTransport final : public net::Transport {
 public:
  RelayTransport(RelayOpen* open, uint16_t edge)
      : relay_(open->relay),
        edge_(edge),
        peer_(open->peer),
        certificate_(std::move(open->certificate)) {}

  // From the edge.
  void Feed(std::string_view bytes) {
    if (read_ == in_.size()) {
      in_.clear();
      read_ = 0;
    }
    in_.append(bytes);
  }
  void AddCredit(uint64_t bytes) { credit_ += bytes; }
  // For the edge: what is to be sent now.
  std::string TakeOutput() { return std::exchange(out_, {}); }
  uint64_t TakeConsumed() { return std::exchange(consumed_, 0); }
  bool TakeShutdown() { return std::exchange(shut_, false); }

  uint64_t relay() const { return relay_; }
  uint16_t edge() const { return edge_; }

  net::IoResult Read(char* buffer, size_t size) override {
    const size_t bytes = std::min(size, in_.size() - read_);
    if (bytes == 0) return {net::IoStatus::kWouldBlock};
    std::memcpy(buffer, in_.data() + read_, bytes);
    read_ += bytes;
    consumed_ += bytes;
    return {net::IoStatus::kOk, bytes};
  }
  net::IoResult Write(const iovec* parts, int count) override {
    size_t taken = 0;
    for (int i = 0; i < count && credit_ > 0; ++i) {
      const size_t bytes = std::min<uint64_t>(parts[i].iov_len, credit_);
      out_.append(static_cast<const char*>(parts[i].iov_base), bytes);
      credit_ -= bytes;
      taken += bytes;
    }
    if (taken == 0) return {net::IoStatus::kWouldBlock};
    return {net::IoStatus::kOk, taken};
  }
  net::IoResult Flush() override { return {net::IoStatus::kOk}; }
  bool wants_write() const override { return false; }
  bool has_input() const override { return read_ < in_.size(); }
  bool handshaking() const override { return false; }
  void Shutdown() override { shut_ = true; }
  const net::PeerAddress* peer() const override { return &peer_; }
  const CertificateIdentity* certificate() const override { return certificate_.get(); }
  std::string_view failure() const override { return {}; }

 private:
  const uint64_t relay_;
  const uint16_t edge_;
  const net::PeerAddress peer_;
  const std::unique_ptr<CertificateIdentity> certificate_;
  std::string in_;
  size_t read_ = 0;
  std::string out_;
  uint64_t credit_ = kRelayWindow;
  uint64_t consumed_ = 0;
  bool shut_ = false;
};

}  // namespace skein::shard
