#include "broker/admin/static_files.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "broker/admin/render.h"

namespace skein::admin {
namespace {

// Nothing from elsewhere, nothing inline, no frame around it. WebSockets are for trying topics.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
constexpr std::string_view kForever = "public, max-age=31536000, immutable";

Response Redirect(std::string_view where) {
  Response response;
  response.status = 308;
  response.headers = {{"Location", std::string(where)}};
  return response;
}

// "gzip;q=0" says no, "*" says yes.
bool TakesGzip(std::string_view accept) {
  for (const auto part : absl::StrSplit(absl::string_view(accept.data(), accept.size()), ',')) {
    const std::pair<absl::string_view, absl::string_view> split =
        absl::StrSplit(part, absl::MaxSplits(';', 1));
    const absl::string_view coding = absl::StripAsciiWhitespace(split.first);
    if (!absl::EqualsIgnoreCase(coding, "gzip") && coding != "*") continue;
    const std::pair<absl::string_view, absl::string_view> weight =
        absl::StrSplit(split.second, absl::MaxSplits('=', 1));
    double quality = 1;
    if (absl::StripAsciiWhitespace(weight.first) == "q" &&
        (!absl::SimpleAtod(weight.second, &quality) || quality <= 0))
      return false;
    return true;
  }
  return false;
}

bool Names(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" || if_none_match.find(etag) != if_none_match.npos;
}

Response Serve(const StaticFile& file, const Request& request) {
  Response response;
  response.content_type = file.content_type;
  response.headers = {
      {"Content-Security-Policy", std::string(kPolicy)},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Vary", "Accept-Encoding"},
      {"ETag", std::string(file.etag)},
      {"Cache-Control", std::string(file.name.empty() ? "no-cache" : kForever)},
  };
  if (Names(request.if_none_match, file.etag)) {
    response.status = 304;
  } else if (TakesGzip(request.accept_encoding)) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.fixed_body = file.gzipped;
  } else {
    response.fixed_body = file.plain;
  }
  return response;
}

}  // namespace

std::optional<Response> StaticFiles::Answer(const Request& request) const {
  const std::string_view path = request.path;
  const bool root = path == "/" || path == kPath.substr(0, kPath.size() - 1);
  if (files_.empty() || (!root && !path.starts_with(kPath))) return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") {
    Response wrong{405, RenderError("only GET is possible"), "GET, HEAD"};
    return wrong;
  }
  if (root) return Redirect(kPath);
  const std::string_view name = path.substr(kPath.size());
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const StaticFile& file) { return file.name == name; });
  if (found == files_.end()) return Response{404, RenderError("there is no such file"), {}};
  return Serve(*found, request);
}

}  // namespace skein::admin
