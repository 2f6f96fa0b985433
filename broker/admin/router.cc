#include "broker/admin/router.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace skein::admin {
namespace {

constexpr std::array<std::string_view, 4> kRoleNames = {"open", "read", "operate", "admin"};

int HexOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string_view TakeSegment(std::string_view* path) {
  const std::string_view segment = path->substr(0, path->find('/'));
  path->remove_prefix(std::min(path->size(), segment.size() + 1));
  return segment;
}

// A {name} takes one segment that is not empty.
bool Matches(std::string_view pattern, std::string_view path, Values* values) {
  values->clear();
  if (path.ends_with('/') != pattern.ends_with('/')) return false;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = TakeSegment(&pattern);
    const std::string_view given = TakeSegment(&path);
    if (!wanted.starts_with('{')) {
      if (wanted != given) return false;
    } else if (given.empty()) {
      return false;
    } else {
      values->push_back(DecodePercent(given));
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

std::string_view NameOf(Role role) {
  return kRoleNames[static_cast<size_t>(role)];
}

Router::Found Router::Find(std::string_view method, std::string_view path) const {
  Found found;
  Values values;
  for (const Route& route : routes_) {
    if (!Matches(route.path, path, &values)) continue;
    const bool head = method == "HEAD" && route.method == "GET";
    if (route.method == method || head) {
      found.route = &route;
      found.values = values;
    }
    absl::StrAppend(&found.allow, found.allow.empty() ? "" : ", ", route.method);
  }
  return found;
}

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && HexOf(text[i + 1]) >= 0 && HexOf(text[i + 2]) >= 0;
    decoded += escape ? static_cast<char>(HexOf(text[i + 1]) * 16 + HexOf(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

}  // namespace skein::admin
