// A subscription as operators see it.
//
// Purpose: the API and skeinmqctl give it the same fields. Thread: pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "broker/routing/subscription_table.h"

namespace skein::admin {

nlohmann::ordered_json SubscriptionJson(const std::string& filter,
                                        const routing::SubscriptionOptions& options);

}  // namespace skein::admin
