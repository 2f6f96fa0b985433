// Rows of JSON as columns for people.
//
// Purpose: one way to print every list. Thread: pure. What a terminal would act on is shown as
// \xNN, for client ids and topics are other people's.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace skein::ctl {

using TextRow = std::vector<std::string>;

// Columns as wide as what is in them; the last one as it is.
void PrintRows(const std::vector<TextRow>& rows, std::ostream& out);

// "-" for null and what is not there; lists and objects as JSON.
std::string TextOf(const nlohmann::json& row, const std::string& key);

struct Column {
  std::string title;
  std::string key;
};

// Rows that are no objects are left out.
void PrintTable(const std::vector<Column>& columns, const nlohmann::json& rows, std::ostream& out);

// The fields of one object, each on a line; those that are objects or lists are left out.
void PrintFields(const nlohmann::json& object, std::ostream& out);

}  // namespace skein::ctl
