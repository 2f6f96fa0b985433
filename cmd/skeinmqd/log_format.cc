// See log_format.h.
#include "cmd/skeinmqd/log_format.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace skein::config {
namespace {

constexpr std::string_view kUpper[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
constexpr std::string_view kLower[] = {"trace", "debug", "info", "warn", "error"};

std::string FormatTime(LogTime time) {
  const auto since = time.time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(milliseconds % 1000));
  return text;
}

bool IsPlain(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

// The value as it is when it is one plain word, else quoted, with everything but printable ASCII
// escaped.
void AppendText(std::string_view value, std::string* line) {
  if (!value.empty() && std::all_of(value.begin(), value.end(), IsPlain)) {
    line->append(value);
    return;
  }
  line->push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line->push_back('\\');
      line->push_back(c);
    } else if (c >= ' ' && c < 0x7f) {
      line->push_back(c);
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      line->append(escaped);
    }
  }
  line->push_back('"');
}

}  // namespace

std::string FormatTextLine(LogTime time, LogLevel level, std::string_view event,
                           std::initializer_list<LogField> fields) {
  std::string line = FormatTime(time);
  line.append(" ").append(kUpper[static_cast<size_t>(level)]).append(" ").append(event);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      line.append(std::to_string(*number));
    } else {
      AppendText(std::get<std::string_view>(field.value), &line);
    }
  }
  return line;
}

std::string FormatJsonLine(LogTime time, LogLevel level, std::string_view event,
                           std::initializer_list<LogField> fields) {
  nlohmann::ordered_json object;
  object["time"] = FormatTime(time);
  object["level"] = kLower[static_cast<size_t>(level)];
  object["event"] = event;
  for (const LogField& field : fields) {
    std::string key(field.key);
    if (key == "time" || key == "level" || key == "event") key += "_";
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      object[key] = *number;
    } else {
      object[key] = std::get<std::string_view>(field.value);
    }
  }
  // ASCII only, so that no terminal or collector sees a control or line separator in any encoding.
  return object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace skein::config
