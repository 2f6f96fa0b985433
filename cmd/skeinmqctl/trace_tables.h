// What explain and trace answer, for people.
//
// Purpose: one function an answer. Thread: pure. Errors: false when the text is no such answer.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace skein::ctl {

bool PrintExplanation(const std::string& body, std::ostream& out, std::ostream& err);
// One line.
void PrintEvent(const nlohmann::json& event, std::ostream& out);

}  // namespace skein::ctl
