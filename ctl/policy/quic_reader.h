// What the keys about QUIC say together: `quic` of [vip.NAME] and `server_id` of its backends.
//
// Promises: as vip_reader.h.
#pragma once

#include "policy/draft.h"
#include "policy/model.h"
#include "policy/table_reader.h"
#include "policy/toml.h"

namespace fwctl::policy {

// `vip` was read from `table`.
void check_quic(TableReader& reader, const Vip& vip, const toml::table& table);

// `backend` is the table of one of the vip's.
void check_server_ids(Draft& draft, TableReader& reader, const Vip& vip, const toml::table& backend);

}  // namespace fwctl::policy
