// What a policy says of QUIC's connection ids (draft-ietf-quic-load-balancers, without encryption): server
// ids, and whether a vip asks for them. docs/balance.md says what follows.
//
// Promises: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// Octets; with the first octet of a connection id and the four of the shortest nonce they fit into 20.
inline constexpr std::size_t kLongestServerId = 15;

// "0a01": two digits an octet, of either case.
Result<ServerId> parse_server_id(std::string_view word);
std::string format_server_id(const ServerId& id);

bool asks_for_quic(const Vip& vip);

}  // namespace fwctl::policy
