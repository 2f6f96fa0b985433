#include "broker/admin/subscription_json.h"

#include <nlohmann/json.hpp>

namespace skein::admin {

nlohmann::ordered_json SubscriptionJson(const std::string& filter,
                                        const routing::SubscriptionOptions& options) {
  nlohmann::ordered_json json;
  json["filter"] = filter;
  json["qos"] = static_cast<int>(options.qos);
  json["no_local"] = options.no_local;
  json["retain_as_published"] = options.retain_as_published;
  json["retain_handling"] = options.retain_handling;
  json["identifier"] = nullptr;
  if (options.identifier != 0) json["identifier"] = options.identifier;
  return json;
}

}  // namespace skein::admin
