// Which handler a request of the admin API belongs to.
//
// Purpose: the table of what can be asked, with who may, so that dispatch, refusals and the OpenAPI
// document's test all look at one list. Owner: Api. Thread: filled before the first request, then
// constant. Errors: a value.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/admin/http.h"

namespace skein::admin {

// Who may ask. Each may what the one before it may.
enum class Role : uint8_t { kOpen, kRead, kOperate, kAdmin };

std::string_view NameOf(Role role);

// What stands for the {names} of a path, decoded, in their order.
using Values = std::vector<std::string>;

struct Route {
  std::string method;
  std::string path;  // "/api/v1/clients/{client_id}"
  Role role = Role::kRead;
  std::vector<std::string> parameters;  // of the query; others are refused
  std::function<Response(const Request&, const Values&)> handle;
};

class Router {
 public:
  void Add(Route route) { routes_.push_back(std::move(route)); }
  const std::vector<Route>& routes() const { return routes_; }

  struct Found {
    const Route* route = nullptr;  // null: nothing has that method
    Values values;
    std::string allow;  // the methods of the path, with commas; empty: there is no such path
  };
  // path: as it was sent, with its percent signs.
  Found Find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

// "%2F" -> "/". A percent sign that is none stays.
std::string DecodePercent(std::string_view text);

}  // namespace skein::admin
