// See values.h. Each unit has one list of suffixes, largest first; the bare number is the last
// entry.
#include "cmd/skeinmqd/values.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

namespace skein::config {
namespace {

// A value with this suffix is multiplied by `factor` and divided by `divisor`.
struct Suffix {
  std::string_view text;
  uint64_t factor;
  uint64_t divisor;
};

constexpr Suffix kCounts[] = {{"", 1, 1}};
constexpr Suffix kBytes[] = {
    {"GiB", uint64_t{1} << 30, 1}, {"MiB", 1 << 20, 1}, {"KiB", 1 << 10, 1}, {"", 1, 1}};
constexpr Suffix kMilliseconds[] = {
    {"h", 3'600'000, 1}, {"m", 60'000, 1}, {"s", 1'000, 1}, {"ms", 1, 1}, {"", 1, 1}};
constexpr Suffix kSeconds[] = {
    {"h", 3'600, 1}, {"m", 60, 1}, {"s", 1, 1}, {"ms", 1, 1'000}, {"", 1, 1}};

std::span<const Suffix> Suffixes(Unit unit) {
  switch (unit) {
    case Unit::kCount:
      return kCounts;
    case Unit::kBytes:
      return kBytes;
    case Unit::kMilliseconds:
      return kMilliseconds;
    case Unit::kSeconds:
      return kSeconds;
  }
  return kCounts;
}

}  // namespace

std::optional<uint64_t> ParseNumber(std::string_view text, Unit unit) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  for (const Suffix& known : Suffixes(unit)) {
    if (known.text != suffix) continue;
    if (number > UINT64_MAX / known.factor) return std::nullopt;
    if (number % known.divisor != 0) return std::nullopt;
    return number * known.factor / known.divisor;
  }
  return std::nullopt;
}

std::string FormatNumber(uint64_t value, Unit unit) {
  for (const Suffix& suffix : Suffixes(unit)) {
    const bool whole = suffix.divisor == 1 && value % suffix.factor == 0;
    if (whole && (value != 0 || suffix.factor == 1)) {
      return std::to_string(value / suffix.factor).append(suffix.text);
    }
  }
  return std::to_string(value);
}

std::string DescribeNumber(Unit unit, Range range) {
  static constexpr std::string_view kKinds[] = {"integer ", "size ", "duration ", "duration "};
  return std::string(kKinds[static_cast<size_t>(unit)]) + FormatNumber(range.min, unit) + ".." +
         FormatNumber(range.max, unit);
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  return std::nullopt;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace skein::config
