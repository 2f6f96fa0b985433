// A request of the admin API and its answer.
//
// Purpose: what passes between HttpServer and Api, so that neither knows the other. Thread: values.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace skein::admin {

struct Request {
  std::string method;
  std::string path;
  std::multimap<std::string, std::string> query;
  std::string body;
  // Headers; empty: there is none.
  std::string host;
  std::string origin;
  std::string authorization;
  std::string peer;  // where it comes from
};

struct Response {
  int status = 200;
  std::string body;   // JSON
  std::string allow;  // with 405
};

using Handler = std::function<Response(const Request&)>;

}  // namespace skein::admin
