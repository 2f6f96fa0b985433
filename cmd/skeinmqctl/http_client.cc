#include "cmd/skeinmqctl/http_client.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "broker/admin/token.h"

namespace skein::ctl {
namespace {

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

size_t Append(const char* bytes, size_t size, size_t count, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size * count > HttpClient::kMostBytes) return 0;  // curl gives up
  text.append(bytes, size * count);
  return size * count;
}

std::string Escape(CURL* curl, const std::string& text) {
  char* const escaped = curl_easy_escape(curl, text.data(), static_cast<int>(text.size()));
  std::string copy = escaped == nullptr ? "" : escaped;
  curl_free(escaped);
  return copy;
}

std::string UrlOf(CURL* curl, const std::string& server, const HttpRequest& request) {
  std::string url = server;
  while (url.ends_with('/'))
    url.pop_back();
  url += request.path;
  char mark = '?';
  for (const auto& [name, value] : request.query) {
    url += mark + name + "=" + Escape(curl, value);
    mark = '&';
  }
  return url;
}

}  // namespace

absl::StatusOr<HttpAnswer> HttpClient::Ask(const HttpRequest& request) const {
  const Curl curl(curl_easy_init(), &curl_easy_cleanup);
  if (curl == nullptr) return absl::InternalError("libcurl cannot be used");
  curl_slist* lines = curl_slist_append(nullptr, "Content-Type: application/json");
  if (!options_.token_file.empty()) {
    const absl::StatusOr<std::string> token = admin::ReadToken(options_.token_file);
    if (!token.ok()) {
      curl_slist_free_all(lines);
      return token.status();
    }
    lines = curl_slist_append(lines, absl::StrCat("Authorization: Bearer ", *token).c_str());
  }
  const Headers headers(lines, &curl_slist_free_all);
  HttpAnswer answer;
  char why[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, UrlOf(curl.get(), options_.url, request).c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  if (!options_.ca_file.empty())
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, options_.ca_file.c_str());
  if (!options_.cert_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_SSLCERT, options_.cert_file.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_SSLKEY, options_.key_file.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method != "GET")
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, static_cast<long>(kSeconds));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    const char* const hint = code == CURLE_COULDNT_CONNECT
                                 ? "; is skeinmqd running there, with admin.listen on that address?"
                                 : "";
    return absl::UnavailableError(absl::StrCat("cannot ask ", options_.url, ": ",
                                               why[0] != 0 ? why : curl_easy_strerror(code), hint));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

}  // namespace skein::ctl
