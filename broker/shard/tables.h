// The connections and sessions of one shard, by slot.
//
// Purpose: stable objects behind small reusable numbers, so that subscriptions, timers and epoll
// tags hold four bytes instead of pointers that could dangle. A handle kept over time is a slot
// with its generation. Thread: confined to the shard. Limits: bounded by Limits::max_connections
// and Limits::max_sessions; the callers ask before they create.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/session/session.h"
#include "broker/shard/connection.h"

namespace skein::shard {

// A session that may be gone when it is looked for.
struct SessionRef {
  SessionSlot slot = kNoSession;
  uint64_t token = 0;
};

// A connection that may be gone when it is looked for.
struct SlotAndGeneration {
  ConnectionSlot slot = 0;
  uint32_t generation = 0;
};

class ConnectionTable {
 public:
  Connection& Open();
  void Free(Connection& connection);  // needs an empty output and a cancelled timer

  Connection& operator[](ConnectionSlot slot) { return connections_[slot]; }
  const Connection& operator[](ConnectionSlot slot) const { return connections_[slot]; }
  // Null if the slot was reused or freed since.
  Connection* Find(ConnectionSlot slot, uint32_t generation);
  size_t size() const { return size_; }
  size_t slots() const { return connections_.size(); }

 private:
  std::deque<Connection> connections_;  // stable addresses
  std::vector<ConnectionSlot> free_;
  size_t size_ = 0;
};

class SessionTable {
 public:
  // place: no other table in the cluster has it; so no two sessions have the same token.
  explicit SessionTable(uint16_t place) : next_token_((uint64_t{place} << 48) + 1) {}

  session::Session& Create(std::string client_id);
  void Erase(
      session::Session& session);  // subscriptions, queue and timer are the caller's to clear first

  session::Session* Find(std::string_view client_id);
  session::Session* Find(const SessionRef& ref);
  const session::Session* Find(std::string_view client_id) const;
  const session::Session* Find(const SessionRef& ref) const;
  session::Session& operator[](SessionSlot slot) { return *sessions_[slot]; }
  const session::Session& operator[](SessionSlot slot) const { return *sessions_[slot]; }
  size_t size() const { return index_.size(); }
  size_t slots() const { return sessions_.size(); }
  // Null: the slot is free.
  session::Session* At(SessionSlot slot) { return sessions_[slot].get(); }
  const session::Session* At(SessionSlot slot) const { return sessions_[slot].get(); }

  // All sessions, for shutdown and inspection.
  template <typename F>
  void ForEach(F visit) {
    for (auto& session : sessions_) {
      if (session != nullptr) visit(*session);
    }
  }

 private:
  // The index holds slots and looks the client id up in the session, so that no id is stored twice.
  struct Hash {
    using is_transparent = void;
    const std::vector<std::unique_ptr<session::Session>>* sessions;
    size_t operator()(std::string_view client_id) const;
    size_t operator()(SessionSlot slot) const;
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<std::unique_ptr<session::Session>>* sessions;
    std::string_view Text(std::string_view client_id) const { return client_id; }
    std::string_view Text(SessionSlot slot) const;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Text(a) == Text(b);
    }
  };

  std::vector<std::unique_ptr<session::Session>> sessions_;
  std::vector<SessionSlot> free_;
  absl::flat_hash_set<SessionSlot, Hash, Equal> index_{0, Hash{&sessions_}, Equal{&sessions_}};
  uint64_t next_token_;
};

}  // namespace skein::shard
