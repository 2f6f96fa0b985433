#include "cmd/skeinmqctl/table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

namespace skein::ctl {
namespace {

std::string Harmless(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      shown += c;
    } else {
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return shown;
}

}  // namespace

void PrintRows(const std::vector<TextRow>& rows, std::ostream& out) {
  std::vector<size_t> widths;
  for (const TextRow& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  for (const TextRow& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out << row[i];
      if (i + 1 < row.size()) out << std::string(widths[i] - row[i].size() + 2, ' ');
    }
    out << "\n";
  }
}

std::string TextOf(const nlohmann::json& row, const std::string& key) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return "-";
  if (found->is_string()) return Harmless(found->get<std::string>());
  if (found->is_boolean()) return found->get<bool>() ? "yes" : "no";
  return found->dump();
}

void PrintTable(const std::vector<Column>& columns, const nlohmann::json& rows, std::ostream& out) {
  std::vector<TextRow> texts(1);
  for (const Column& column : columns)
    texts[0].push_back(column.title);
  for (const nlohmann::json& row : rows) {
    if (!row.is_object()) continue;
    TextRow& text = texts.emplace_back();
    for (const Column& column : columns)
      text.push_back(TextOf(row, column.key));
  }
  PrintRows(texts, out);
}

void PrintFields(const nlohmann::json& object, std::ostream& out) {
  std::vector<TextRow> rows;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_structured()) rows.push_back({key, TextOf(object, key)});
  }
  PrintRows(rows, out);
}

}  // namespace skein::ctl
