#include "broker/admin/gather.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"

namespace skein::admin {
namespace {

void Take(const std::string& node, const Response& response, Parts* parts) {
  Json json = Json::parse(response.body, nullptr, false);
  const bool answer = response.status < 500 && response.status != 401 && response.status != 403;
  if (!answer || !json.is_object()) {
    parts->silent.push_back(node);
  } else {
    parts->parts.push_back({node, response.status, std::make_shared<Json>(std::move(json))});
  }
}

}  // namespace

Parts Gather(const Request& request, Peers* peers, const std::string& self, const Response& mine) {
  Parts parts;
  Take(self, mine, &parts);
  if (request.from_node || peers == nullptr) return parts;
  PeerAnswers others = peers->Ask(request);
  parts.silent.insert(parts.silent.end(), others.silent.begin(), others.silent.end());
  for (const PeerAnswer& each : others.answers)
    Take(each.node, each.response, &parts);
  return parts;
}

std::vector<Json> RowsOf(Parts* parts, const char* list) {
  std::vector<Json> rows;
  for (Part& part : parts->parts) {
    if (!part.json->contains(list) || !(*part.json)[list].is_array()) continue;
    for (Json& row : (*part.json)[list]) {
      if (row.is_object()) rows.push_back(std::move(row));
    }
  }
  return rows;
}

Response FirstOf(const Request& request, Peers* peers, const Response& mine) {
  if (mine.status != 404 || request.from_node || peers == nullptr) return mine;
  const PeerAnswers others = peers->Ask(request);
  std::vector<std::string> silent = others.silent;
  for (const PeerAnswer& each : others.answers) {
    if (each.response.status >= 500) silent.push_back(each.node);
    if (each.response.status != 404 && each.response.status < 500) return each.response;
  }
  if (silent.empty()) return mine;
  return Fail(503, "no node that answers knows it; silent: " + absl::StrJoin(silent, ", "));
}

}  // namespace skein::admin
