// Blocks of a pcapng file: draft-ietf-opsawg-pcapng, "PCAP Now Generic (pcapng) Capture File Format".
//
// Promises: each function appends one whole block, in the byte order of this machine, which the file says.
// Text that a block cannot hold is cut, never the block. Nothing is known here of files or packets.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fwctl::observe::pcapng {

using Bytes = std::vector<std::uint8_t>;
using Time = std::chrono::system_clock::time_point;  // kept in nanoseconds

// Begins the file.
void put_section(Bytes& file, std::string_view application);

// Link types of draft-ietf-opsawg-pcaplinktype.
enum class LinkType : std::uint16_t { kEthernet = 1, kRawIp = 101 };

struct Interface {
    std::string_view name;
    LinkType link = LinkType::kEthernet;
    std::uint32_t snaplen = 0;     // 0: no limit
    std::string_view filter = {};  // as libpcap reads it; empty: none
};
// The first one is number 0.
void put_interface(Bytes& file, const Interface& interface);

enum class Direction : std::uint8_t { kInbound = 1, kOutbound = 2 };

// What the program answered, of a hook that has a type in the draft (epb_verdict).
struct Verdict {
    enum class Type : std::uint8_t { kTc = 1, kXdp = 2 } type = Type::kXdp;
    std::int64_t action = 0;
};

struct Packet {
    std::uint32_t interface = 0;
    Time time = {};
    std::span<const std::uint8_t> bytes = {};
    std::uint32_t length = 0;  // that it had
    std::optional<Direction> direction = {};
    Verdict verdict = {};
    std::string_view comment = {};
};
void put_packet(Bytes& file, const Packet& packet);

struct Statistics {
    std::uint32_t interface = 0;
    Time begin = {};
    Time end = {};
    std::uint64_t received = 0;
    std::uint64_t written = 0;
    std::optional<std::uint64_t> lost = {};  // nullopt: not known of this one alone
    std::string_view comment = {};           // empty: none
};
void put_statistics(Bytes& file, const Statistics& statistics);

}  // namespace fwctl::observe::pcapng
