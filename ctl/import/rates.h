// What iptables and nftables say of rates, as a Rate.
//
// Promises: exact, or an error with its reason: both count with token buckets, too.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::importer {

// So many packets in a time: second, minute, hour or day, or the beginning of one of these words.
Result<policy::Rate> packet_rate(bool over, std::uint64_t count, std::string_view time, std::uint64_t burst);

// Of iptables, for packets that are under it: "5/min".
Result<policy::Rate> iptables_rate(std::string_view limit, std::string_view burst);

}  // namespace fwctl::importer
