// Words for what is counted, the same in metrics and on the page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/status.h"
#include "policy/model.h"

namespace fwctl::observe {

// "in", "out".
const char* direction_name(std::size_t direction);

// How what comes in by an interface, or goes out, is filtered: "native", "generic", "offload", "tc",
// "missing" (which should be there) or "none".
std::string_view ingress_words(const engine::AttachmentStatus& status);
std::string_view egress_words(const engine::AttachmentStatus& status);

// "10.9.0.1,fd00:9::1".
std::string addresses_of(const policy::Backend& backend);

}  // namespace fwctl::observe
