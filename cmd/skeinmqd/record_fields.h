// Setters for the tables of record fields.
//
// Purpose: reading a text into a member, once for each type. Thread: pure.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/skeinmqd/values.h"

namespace skein::config {

using Refusal = std::optional<std::string>;  // what was allowed

inline std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) list.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

inline std::string JoinList(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& element : list)
    text += (text.empty() ? "" : ",") + element;
  return text;
}

inline Refusal ReadBool(std::string_view text, bool* value) {
  const std::optional<bool> read = ParseBool(text);
  if (!read.has_value()) return "true or false";
  *value = *read;
  return std::nullopt;
}

inline Refusal ReadCount(std::string_view text, Unit unit, Range range, uint32_t* value) {
  const std::optional<uint64_t> read = ParseNumber(text, unit);
  if (!read.has_value() || *read < range.min || *read > range.max)
    return DescribeNumber(unit, range);
  *value = static_cast<uint32_t>(*read);
  return std::nullopt;
}

// Reads a word as the enumerator of its index.
template <typename Enum, size_t N>
Refusal ReadWord(std::string_view text, const std::array<std::string_view, N>& words, Enum* value) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found != words.end()) {
    *value = static_cast<Enum>(found - words.begin());
    return std::nullopt;
  }
  std::string allowed;
  for (size_t i = 0; i < N; ++i)
    allowed.append(i == 0 ? "" : i + 1 == N ? " or " : ", ").append(words[i]);
  return allowed;
}

}  // namespace skein::config
