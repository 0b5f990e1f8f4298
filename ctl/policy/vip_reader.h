// The tables of balanced services: [vip.NAME] with its [[vip.NAME.backend]], and [decapsulate].
//
// Promises: as policy_reader.h. What several of them say together is looked at when all are read:
// vip_check.h.
#pragma once

#include "policy/draft.h"
#include "policy/table_reader.h"
#include "policy/toml.h"

namespace fwctl::policy {

void read_vip(Draft& draft, TableReader& reader, const toml::key& name, const toml::table& table);
void read_decapsulate(Draft& draft, TableReader& reader, const toml::node& value);

}  // namespace fwctl::policy
