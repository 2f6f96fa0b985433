// The OpenAPI document, docs/openapi.json, as the build has put it into the program.
//
// Purpose: what GET /api/v1/openapi.json answers. Thread: constant data.
#pragma once

#include <string_view>

namespace skein::admin {

extern const std::string_view kOpenApi;

}  // namespace skein::admin
