// Frames that a parser finds a given packet in, and back.
//
// Promises: view_of(oracle_parse(f.bytes, f.link), f.bytes, f.link, f.view) == f.view for every f that
// frame_of() gives. What a view does not say differs between frames on purpose: ECN, the kind and number of
// VLAN tags.
#pragma once

#include <cstdint>
#include <span>

#include "fwctl/abi/packet.h"
#include "oracle_parse.h"
#include "packet_builder.h"
#include "policy/evaluate.h"

namespace fwctl::testing {

struct Frame {
    policy::PacketView view;  // the one asked for, or the nearest that a frame can have (generate/packets.h)
    fw_link link = FW_LINK_ETHERNET;
    Bytes bytes;
};

Frame frame_of(const policy::PacketView& view);

// What the evaluator is to judge: what was read; where and when is told by `around`.
policy::PacketView view_of(const OracleResult& parsed, std::span<const std::uint8_t> frame, fw_link link,
                           const policy::PacketView& around);

}  // namespace fwctl::testing
