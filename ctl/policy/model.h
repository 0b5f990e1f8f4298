// The policy as plain values: what a person wrote, understood, and nothing about how it is enforced.
//
// Promises: values only, compared with ==; a Rule's fields are canonical (see canonical() in rule.h), so that
// two rules which say the same are equal but for their names and places. Numbers are in host byte order,
// addresses in network byte order.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"

namespace fwctl::policy {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

// An address block. `address` holds IPv4 in its first four bytes; the bits behind `length` are zero.
struct Prefix {
    Family family = Family::kIpv4;
    std::uint8_t length = 0;  // bits: 0 to 32 or 128
    std::array<std::uint8_t, 16> address{};
    auto operator<=>(const Prefix&) const = default;
};

// What `from` and `to` say. It holds when no part of `except` does and, where there is a part without
// negation, one of those does. Only IP packets have addresses: what is not IP never matches, neither does
// `!192.0.2.0/24`, which holds for all IPv6 addresses.
struct Addresses {
    std::vector<Prefix> prefixes;
    std::vector<std::string> sets;  // "@admins" as "admins"
    std::vector<Prefix> except;     // "!192.0.2.1"
    std::vector<std::string> except_sets;
    [[nodiscard]] bool empty() const {
        return prefixes.empty() && sets.empty() && except.empty() && except_sets.empty();
    }
    auto operator<=>(const Addresses&) const = default;
};

// A closed range of numbers.
struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 65535;
    [[nodiscard]] bool contains(std::uint16_t value) const { return first <= value && value <= last; }
    auto operator<=>(const Range&) const = default;
};

// What a rule says of protocol and port: `any`, `icmp`, `tcp/22`, `udp/1000-2000`, `icmp6/echo-request`,
// `47`.
struct Service {
    enum class Kind : std::uint8_t {
        kAny,       // every packet, IP or not
        kProtocol,  // an IP protocol by number, in both families unless `family_bound`
    };
    Kind kind = Kind::kAny;
    std::uint8_t protocol = 0;
    bool family_bound = false;  // icmp holds for IPv4 and icmp6 for IPv6 alone
    Family family = Family::kIpv4;
    bool has_selector = false;  // false: every port or type, and later fragments too
    Range selector;             // destination port; for icmp and icmp6: type * 256 + code
    Range source_port;          // compared only when has_selector; built-in rules alone narrow it
    auto operator<=>(const Service&) const = default;
};

// What else a rule can ask of a packet: one number of it, compared with intervals. The table in field.h says
// how each is written and when a packet has it; a packet that lacks the field does not match.
enum class Field : std::uint8_t {
    kSourcePort,  // of TCP, UDP, SCTP; not in later fragments
    kTcpFlags,    // byte 13 of the TCP header
    kFragment,    // FragmentKind
    kLength,      // bytes from the network header on, at most 65535
    kTtl,         // IPv4 time to live, IPv6 hop limit
    kDscp,        // 0 to 63
    kVlan,        // id of the outermost tag; 4096: no tag
    kMac,         // source address of the frame: 48 bits, the first byte on the wire highest
    kEthertype,   // behind all VLAN tags
    kState,       // FlowState
};
inline constexpr std::size_t kFields = 10;
inline constexpr std::uint64_t kNoVlan = 4096;

// What a packet is to its flow.
enum class FlowState : std::uint8_t {
    kUntracked = 0,
    kNew = 1,
    kEstablished = 2,
    kRelated = 3,
    kInvalid = 4
};
enum class FragmentKind : std::uint8_t { kNone = 0, kAtomic = 1, kFirst = 2, kLater = 3 };

// A value matches when the bits of it that are in `mask` make a number from `first` to `last`.
struct Interval {
    std::uint64_t mask = ~std::uint64_t{0};
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    [[nodiscard]] bool contains(std::uint64_t value) const {
        return first <= (value & mask) && (value & mask) <= last;
    }
    auto operator<=>(const Interval&) const = default;
};

// One of the intervals has to match.
struct FieldMatch {
    Field field = Field::kSourcePort;
    std::vector<Interval> any_of;  // not empty
    auto operator<=>(const FieldMatch&) const = default;
};

enum class Action : std::uint8_t {
    kAllow,
    kDeny,
    kReject,    // dropped, and the sender is told
    kRedirect,  // sent out of another interface
    kSynproxy,  // connections are allowed, once their client has brought back a SYN cookie
    kCount,     // counted; the next rules are asked
    kLog,       // counted and reported; the next rules are asked
};

// Whether the search goes on behind a rule with that action.
constexpr bool goes_on(Action action) {
    return action == Action::kCount || action == Action::kLog;
}

// What `reject` answers. kAuto: a TCP reset for TCP, port unreachable for the rest.
enum class RejectWith : std::uint8_t {
    kAuto,
    kTcpReset,
    kPortUnreachable,
    kHostUnreachable,
    kAdminProhibited
};

// Where `redirect` sends a packet: as it is out of `interface`, or to the neighbour `via` (out of
// `interface`, or of the one that the route to `via` names), one less in its TTL.
struct Redirect {
    std::string interface;
    std::optional<Prefix> via;  // a single address
    auto operator<=>(const Redirect&) const = default;
};

enum class RatePeriod : std::uint8_t { kSecond, kMinute, kHour };

// Who has a bucket of tokens.
enum class RatePer : std::uint8_t {
    kRule,  // all that the rule matches
    kSource,
    kDestination,
    kService,  // a destination with protocol and port
    kFlow,     // both ends with protocol and ports, both ways alike
};

// A rule with a rate matches packets that find no tokens (`over`) or that find some (under); those are taken,
// either way. A bucket gets `count` of them in each period and holds `burst`.
struct Rate {
    bool over = true;
    std::uint64_t count = 1;
    RatePeriod period = RatePeriod::kSecond;
    std::uint64_t burst = 1;
    bool bytes = false;  // a token is a byte of the packet from layer 3 on; else it is a packet
    RatePer per = RatePer::kRule;
    std::uint8_t ipv4_bits = 32;   // kSource and kDestination: of the address
    std::uint8_t ipv6_bits = 128;  // likewise
    auto operator<=>(const Rate&) const = default;
};

// Who sends what a rule decides about, goes into a dynamic set.
struct Ban {
    std::string set;
    std::chrono::seconds lasts{0};  // 0: as long as the set says
    auto operator<=>(const Ban&) const = default;
};

enum class Direction : std::uint8_t { kBoth, kIn, kOut };
enum class Origin : std::uint8_t { kBuiltin, kLive, kFile };

// Where something was written. `file` is an index of Policy::files.
struct Place {
    std::size_t file = 0;
    SourceSpan span;
    // Where something was written is no part of what it says.
    bool operator==(const Place&) const { return true; }
};

// An absent list matches everything: `from` empty is any source.
struct Rule {
    std::string name;
    std::string comment;
    Action action = Action::kDeny;
    RejectWith reject_with = RejectWith::kAuto;  // kReject alone
    std::optional<Redirect> redirect;            // kRedirect alone, and always there
    std::uint32_t sample = 1;                    // kLog alone: one in so many is reported
    std::optional<Ban> ban;                      // of rules that decide, for packets coming in
    std::vector<Service> services;               // never empty: Kind::kAny stands for everything
    Addresses from;
    Addresses to;
    std::vector<FieldMatch> fields;  // sorted, each field once
    std::vector<std::string> on;     // interface names or names of attachments; * and ? are wildcards
    Direction direction = Direction::kBoth;
    std::optional<Rate> rate;
    Origin origin = Origin::kLive;
    std::uint64_t expires = 0;  // nanoseconds of CLOCK_MONOTONIC; 0: never
    Place place;
    bool operator==(const Rule&) const = default;
};

// A named list of address blocks.
struct Set {
    std::string name;
    std::vector<Prefix> elements;     // reduced (see prefix_list.h): inline ones or those of `file`
    std::string file;                 // relative to the policy's own folder; empty: none
    bool dynamic = false;             // filled live; has neither `elements` nor `file`
    std::chrono::seconds timeout{0};  // dynamic alone: how long a member stays; 0: for ever
    std::uint32_t size = 65536;       // dynamic alone: how many members there may be
    Place place;
    bool operator==(const Set&) const = default;
};

enum class AttachMode : std::uint8_t { kAuto, kNative, kGeneric, kTc };

// [attach.NAME]: an interface that the policy wants programs on.
struct Attach {
    std::string name;    // what `on` calls it
    std::string device;  // a name or pattern; NAME when it is not written
    AttachMode mode = AttachMode::kAuto;
    std::vector<std::string> hooks;  // "xdp", "tc-in", "tc-out"; empty: what suits the device
    bool isolate_peers = false;
    Place place;
    bool operator==(const Attach&) const = default;
};

// Asked before every other rule and never refused: the way in that no policy closes.
struct Lockout {
    Addresses from;
    std::vector<Service> services;  // of TCP, UDP and SCTP
    bool operator==(const Lockout&) const = default;
};

enum class Forwarding : std::uint8_t { kStack, kTable, kFib };

struct Defaults {
    Action in = Action::kAllow;  // kAllow or kDeny
    Action out = Action::kAllow;
    std::optional<Lockout> lockout;
    bool inner_tunnels = false;  // tunnel = "inner": rules are asked about what GRE, IPIP and VXLAN carry
    Forwarding forward = Forwarding::kStack;  // which packets that are let in pass by the stack
    bool operator==(const Defaults&) const = default;
};

// How long a flow stays without a packet (docs/conntrack.md), in the order of [conntrack].
enum class FlowTimeout : std::uint8_t {
    kTcpSynSent,
    kTcpSynReceived,
    kTcpEstablished,
    kTcpFinWait,
    kTcpCloseWait,
    kTcpLastAck,
    kTcpTimeWait,
    kTcpClosed,
    kUdp,
    kUdpStream,
    kSctp,
    kSctpStream,
    kIcmp,
    kOther,
    kFragment,
};
inline constexpr std::size_t kFlowTimeouts = 15;

// [conntrack]: how flows are followed.
struct Conntrack {
    std::uint32_t size = 40'000;  // confirmed flows that there is room for
    // In seconds. By default as Linux's own connection tracking has them.
    std::array<std::uint32_t, kFlowTimeouts> timeouts = {120, 60,  432'000, 120, 60, 30,  120, 10,
                                                         30,  120, 10,      210, 30, 600, 30};
    std::vector<std::string> asymmetric;  // names and patterns of interfaces that see one way of flows
    bool operator==(const Conntrack&) const = default;
};

// [[route]]: an entry of the forwarding table of `forward = "table"`.
struct Route {
    Prefix prefix;
    Redirect next_hop;  // `via` is always there
    Place place;
    bool operator==(const Route&) const = default;
};

// How the packets of a service reach its backends (docs/balance.md).
enum class Transport : std::uint8_t {
    kL2Dsr,    // as they are, to the backend's own MAC address
    kIpip,     // in an IP packet to the backend (RFC 2003, RFC 2473, RFC 4213)
    kGue,      // in a UDP datagram to it (draft-ietf-intarea-gue, variant 0)
    kNat,      // with its address and port; answers come back through here (docs/nat.md)
    kFullNat,  // and from an address and a port of this host
};

// What a backend gets of new flows. Those that it has stay, but for kMaint.
enum class BackendState : std::uint8_t {
    kReady,
    kDrain,  // nothing new
    kMaint,  // nothing at all: its flows go to others
};

// What a health check of a backend does (docs/health.md).
enum class HealthKind : std::uint8_t {
    kNone,   // no check: the backend counts as up
    kTcp,    // a connection comes to be
    kHttp,   // a GET is answered as `statuses` and `body` say
    kHttps,  // likewise in TLS; whose certificate it is, is not asked
    kUdp,    // `payload` is not refused, and answered as `answer` says
    kPing,   // an echo request is answered
    kExec,   // `command` ends with status 0
};

// Where a check goes.
enum class HealthVia : std::uint8_t {
    kBackend,  // to the backend's own address
    kVip,      // to the service's address, and by the service's way to the backend
};

// health: how the agent finds out whether a backend serves.
struct Health {
    HealthKind kind = HealthKind::kNone;
    std::string path = "/";                   // kHttp, kHttps: with its query; begins with a slash
    std::string host;                         // kHttp, kHttps: the name asked for; empty: the address
    std::vector<Range> statuses{{200, 399}};  // kHttp, kHttps: the good ones
    std::string body;                         // kHttp, kHttps: what the first 64 KB have to contain
    std::string payload;                      // kUdp: the datagram
    std::optional<std::string> answer;        // kUdp: what the answer has to contain; none: silence is good
    std::string command;                      // kExec: for /bin/sh -c
    std::uint16_t port = 0;                   // 0: the first one of the service
    HealthVia via = HealthVia::kBackend;      // kTcp, kHttp, kHttps, kUdp
    std::chrono::milliseconds every{2000};    // from one start to the next
    std::chrono::milliseconds timeout{1000};  // later answers are none
    std::uint32_t rise = 2;                   // so many good ones in a row, and it is up
    std::uint32_t fall = 3;                   // so many bad ones in a row, and it is down
    bool operator==(const Health&) const = default;
};

// What becomes of TCP connections to a backend that is down; everything else goes to others at once.
enum class Down : std::uint8_t {
    kMove,   // they go to others, which reset them
    kKeep,   // they stay, should it come back
    kReset,  // their clients get a reset from here
};

// What connection ids of QUIC carry of the backend that has made them, octet by octet.
using ServerId = std::vector<std::uint8_t>;

// quic: packets go to the backend that their connection id names (docs/balance.md).
struct Quic {
    std::vector<std::uint8_t> configs;  // which ids are read: 0 to 6; sorted; empty: none
    std::uint8_t server_id_length = 0;  // octets
    bool operator==(const Quic&) const = default;
};

// [[vip.NAME.backend]]
struct Backend {
    std::string name;
    std::vector<Prefix> addresses;  // single ones, one of each family at most; never empty
    std::uint16_t weight = 1;       // its share of new flows, beside the others'; 0: none
    BackendState state = BackendState::kReady;
    std::uint16_t port = 0;            // that packets are translated to; 0: stays; kNat and kFullNat alone
    bool fallback = false;             // gets flows only while no other one can
    std::vector<ServerId> server_ids;  // sorted; of the vip's length
    Place place;
    bool operator==(const Backend&) const = default;
};

// [vip.NAME]: addresses whose packets are balanced over backends.
struct Vip {
    std::string name;
    std::vector<Prefix> addresses;  // reduced; blocks, too
    std::vector<Service> services;  // of tcp, udp and sctp: a port, a range, or all; reduced
    Transport forward = Transport::kL2Dsr;
    std::string
        announce;  // the device on whose segment this host takes the addresses; empty: they are routed
    // affinity: flows are told apart by both ends with their ports, or by so many bits of the source alone.
    bool by_source = false;
    std::uint8_t ipv4_bits = 32;
    std::uint8_t ipv6_bits = 128;
    std::uint32_t ring = 0;                // slots, a prime; 0: chosen by the number of backends
    std::chrono::seconds transition{600};  // for how long a slot that has moved knows its former backend
    std::uint32_t new_entries = 100'000;   // a second, that the table of flows takes of this one at most
    std::uint16_t gue_port = 6080;         // kGue alone
    bool enabled = true;
    Health health;
    Down down = Down::kMove;
    std::uint8_t panic = 0;              // percent of the weight: when less of it is up, all count as up
    std::chrono::seconds slow_start{0};  // how long a backend that has come up takes to its full weight
    Quic quic;
    std::vector<Backend> backends;  // by name
    Place place;
    bool operator==(const Vip&) const = default;
};

// [decapsulate]: packets in packets that are for this host are unpacked and judged as what they carry.
struct Decapsulate {
    std::vector<Prefix> from;       // who may send them; reduced; empty: nothing is unpacked
    std::uint16_t gue_port = 6080;  // UDP
    bool operator==(const Decapsulate&) const = default;
};

// [[test]]: what the policy promises of one packet.
struct Test {
    std::string packet;   // as `fwctl explain` reads it
    std::string expect;   // "allow", "deny", "reject", "redirect"
    std::string because;  // the name of the rule that is to decide, or a reason; empty: whichever
    std::uint32_t repeat = 1;
    Place place;
    bool operator==(const Test&) const = default;
};

// One policy with everything that it includes. `rules` are those of the files, in the order in which they are
// asked; what is asked before them (lockout, built-in, live) is put in front by effective_rules().
struct Policy {
    Defaults defaults = {};
    Conntrack conntrack = {};
    std::vector<std::string> disabled_builtins = {};  // sorted
    std::vector<Attach> attachments = {};             // by name
    std::vector<Set> sets = {};                       // by name
    std::vector<Rule> rules = {};
    std::vector<Route> routes = {};
    std::vector<Vip> vips = {};  // by name
    Decapsulate decapsulate = {};
    std::vector<Test> tests = {};
    std::vector<std::string> files = {};  // as named in diagnostics; the first is the policy itself
    // `files`, as Place, is no part of what the policy says.
    bool operator==(const Policy& other) const;

    [[nodiscard]] const Set* find_set(const std::string& name) const;
};

}  // namespace fwctl::policy
