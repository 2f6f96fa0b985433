// Asks a running node's admin API.
//
// Purpose: one request, one answer, over HTTP or HTTPS. Thread: called from main. Limits: kSeconds
// for all of it, answers of kMostBytes. Errors: what an operator can do about it; a status that the
// node answers with is no error here.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace skein::ctl {

struct ServerOptions {
  std::string url = "http://127.0.0.1:9883";
  std::string token_file;  // empty: none is shown
  // PEM, with https. ca_file: empty: what the system trusts. cert_file, key_file: both or none.
  std::string ca_file, cert_file, key_file;
};

struct HttpRequest {
  std::string method = "GET";
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  static constexpr int kSeconds = 20;
  static constexpr size_t kMostBytes = 64 << 20;

  explicit HttpClient(ServerOptions options) : options_(std::move(options)) {}

  absl::StatusOr<HttpAnswer> Ask(const HttpRequest& request) const;

 private:
  const ServerOptions options_;
};

}  // namespace skein::ctl
