// Words for what is counted, the same in metrics and on the page.
#pragma once

#include <string>
#include <string_view>

#include "engine/status.h"
#include "policy/model.h"

namespace fwctl::observe {

// How packets of that direction are filtered: "native", "generic", "offload", "tc", "missing" (which should
// be there) or "none".
std::string_view filtered_by(const engine::AttachmentStatus& status, fw_direction direction);

// "10.9.0.1,fd00:9::1".
std::string addresses_of(const policy::Backend& backend);

}  // namespace fwctl::observe
