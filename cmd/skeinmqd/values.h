// Text to number and back, with units.
//
// Purpose: the small grammar of configuration values: integers, sizes (512, 64KiB, 16MiB, 1GiB) and
// durations (250ms, 10s, 5m, 2h). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skein::config {

// What a bare number of a key counts, and so which suffixes it takes.
enum class Unit : uint8_t { kCount, kBytes, kMilliseconds, kSeconds };

struct Range {
  uint64_t min = 0;
  uint64_t max = 0;
};

// The value in the unit; nothing when the text is not of the grammar, not whole in the unit, or
// beyond 64 bits.
std::optional<uint64_t> ParseNumber(std::string_view text, Unit unit);

// The shortest text that ParseNumber() reads back as `value`.
std::string FormatNumber(uint64_t value, Unit unit);

// For messages and tables: "integer 1..65535", "size 1KiB..1GiB", "duration 10ms..1h".
std::string DescribeNumber(Unit unit, Range range);

// "true" and "false", also yes/no and on/off as YAML 1.1 has them.
std::optional<bool> ParseBool(std::string_view text);

// Number of single-character edits between two words; bounded by their lengths.
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace skein::config
