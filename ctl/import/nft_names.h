// The words in which nft writes numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "import/numbers.h"
#include "policy/model.h"

namespace fwctl::importer {

// What the numbers on the right of a match are.
enum class NftType {
    kNumber,  // decimal, or hexadecimal behind 0x
    kPort,
    kProtocol,
    kEthertype,
    kIcmpType,
    kIcmp6Type,
    kIcmpCode,
    kIcmp6Code,
    kDscp,
    kTcpFlags,
    kCtState,  // a bit for each
    kMac,
};

Result<std::uint64_t> nft_value(NftType type, std::string_view word);

struct NftReject {
    policy::RejectWith with = policy::RejectWith::kAuto;
    std::string_view instead;  // what is answered, where it is not quite the same
};

// "host-unreachable" behind `with icmp`, `with icmpv6` or `with icmpx`; "tcp reset" has no expression.
Result<NftReject> nft_reject(std::string_view type, std::string_view expression);

}  // namespace fwctl::importer
