// vip list, vip show, and the placed flows of a service for conntrack list.
#pragma once

#include <string>

#include "cli/output.h"

namespace fwctl::cli {

Result<Exit> list_vips(const Globals& globals);
Result<Exit> show_vip(const std::string& name, const Globals& globals);
Result<Exit> list_placed(const std::string& vip, const Globals& globals);

}  // namespace fwctl::cli
