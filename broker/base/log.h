// The port through which the broker says what happens.
//
// Purpose: structured events: a short constant name ("client.connected") and fields. The adapter in
// cmd/ renders them as text or JSON lines and escapes every value, so a client id cannot forge a
// line. Thread: Log() and Enabled() on any thread; they never block (a full queue drops its oldest
// entry). Life cycle: made by cmd/, outlives everything that holds a reference. Limits: the
// adapter's queue; what overflowed is counted.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace skein {

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError };

// One `key: value`. Views only: valid for the duration of the Log() call.
struct LogField {
  using Value = std::variant<std::string_view, int64_t>;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<int64_t>(v)) {}

  std::string_view key;
  Value value;
};

class Logger {
 public:
  virtual ~Logger() = default;

  // Records the event when its level is enabled.
  void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (Enabled(level)) Write(level, event, fields);
  }

  bool Enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 protected:
  // Takes one enabled event. Must not block.
  virtual void Write(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) = 0;

 private:
  std::atomic<LogLevel> level_{LogLevel::kInfo};
};

// Drops everything: for tests and tools.
class NullLogger : public Logger {
 protected:
  void Write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace skein
