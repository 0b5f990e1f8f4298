// The second opinion on every packet: a slow and obvious parser, written from docs/parsing.md alone.
//
// Promises: the fields and the reason that the document asks for, byte by byte, in the document's order. It
// shares nothing with include/fwctl/bpf but the result's type, so that a mistake has to be made twice to go
// unseen.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"

namespace fwctl::testing {

struct OracleResult {
    fw_packet packet;
    std::optional<fw_reason> reason;  // none: the packet goes on to the rules
};

// `stripped_tag` is the tag control information that the device took off the frame (TC's skb->vlan_tci).
OracleResult oracle_parse(std::span<const std::uint8_t> frame, fw_link link,
                          std::optional<std::uint16_t> stripped_tag = {});

}  // namespace fwctl::testing
