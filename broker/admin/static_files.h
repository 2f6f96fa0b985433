// Files that are part of the program, served below one path.
//
// Purpose: the dashboard, to browsers. They hold no secrets, so nobody is asked for a token; what
// the page asks the API for needs one. Owner: cmd/. Thread: Answer() on any. Limits: the files are
// those given; nothing is read from a disk. Errors: 404 and 405, as JSON like those of the API.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/admin/http.h"

namespace skein::admin {

struct StaticFile {
  std::string_view name;  // below the path; empty: the page itself. Others carry a hash of their
                          // bytes in it, so that browsers may keep them for ever
  std::string_view content_type;
  std::string_view etag;  // quoted
  std::string_view plain;
  std::string_view gzipped;
};

class StaticFiles {
 public:
  static constexpr std::string_view kPath = "/dashboard/";

  // What they point to outlives this.
  explicit StaticFiles(std::span<const StaticFile> files) : files_(files) {}

  // Nothing: the request is about something else.
  std::optional<Response> Answer(const Request& request) const;

 private:
  const std::span<const StaticFile> files_;
};

}  // namespace skein::admin
