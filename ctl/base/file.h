// Files of our own: read whole, and written so that they are there whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fwctl {

Result<std::string> read_file(const std::string& path);

// On the disk when this returns, also after a loss of power: written beside, synced, and renamed.
Status write_file(const std::string& path, std::string_view text);

}  // namespace fwctl
