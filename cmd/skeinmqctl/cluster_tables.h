// The admin API's answers as tables for people.
//
// Purpose: one function an answer. Thread: pure. Errors: false when the text is no such answer.
#pragma once

#include <iosfwd>
#include <string>

namespace skein::ctl {

bool PrintStatus(const std::string& body, std::ostream& out, std::ostream& err);
bool PrintPartitions(const std::string& body, std::ostream& out, std::ostream& err);
bool PrintRoutes(const std::string& body, std::ostream& out, std::ostream& err);
bool PrintReady(const std::string& body, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
