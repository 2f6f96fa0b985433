// A request of the admin API and its answer.
//
// Purpose: what passes between HttpServer and Api, so that neither knows the other, and what nodes
// of a cluster ask each other for operators. Thread: values.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  std::string accept_encoding;
  std::string if_none_match;
  std::string peer;  // where it comes from
  std::string
      certificate;  // the common name of a verified client certificate; empty: there is none
  // Another node of the cluster asks, for this node's part of an answer, and has let `who` in.
  bool from_node = false;
  std::string who;          // the operator as far as known, for the log
  int patience_ms = 2'000;  // how long other nodes are waited for
};

struct Response {
  int status = 200;
  std::string body;
  std::string allow;              // with 405
  std::string content_type = {};  // empty: JSON
  // Whole headers; a Cache-Control among them replaces "no-store".
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Instead of `body`, if not empty: bytes that outlive the server, sent as they are.
  std::string_view fixed_body = {};
};

using Handler = std::function<Response(const Request&)>;

}  // namespace skein::admin
