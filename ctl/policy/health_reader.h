// What the keys of [vip.NAME] that are about health say together: `health` itself, and those that have a
// meaning with it alone.
#pragma once

#include "policy/model.h"
#include "policy/table_reader.h"
#include "policy/toml.h"

namespace fwctl::policy {

// Reports keys that are not for each other; `vip` is the table of one.
void check_health_keys(TableReader& reader, const toml::table& vip);

// Reports values that are not for each other, of a vip that was read from `table` without a mistake and is
// not canonical() yet, which leaves no timeout longer than `every`.
void check_health_values(TableReader& reader, const Vip& vip, const toml::table& table);

}  // namespace fwctl::policy
