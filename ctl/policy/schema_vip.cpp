// The keys of balanced services: [vip.NAME], [[vip.NAME.backend]] and [decapsulate].
#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/address_bits.h"
#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/quic.h"
#include "policy/schema.h"
#include "policy/service.h"
#include "policy/value.h"
#include "policy/vip.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

constexpr unsigned kLeastRing = 101;
constexpr unsigned kLargestRing = 1'000'003;
constexpr unsigned kLargestWeight = 65'535;
constexpr std::uint32_t kMostNewEntries = 10'000'000;
constexpr unsigned kLargestPercentage = 100;
constexpr std::chrono::hours kLongestTransition{24};
constexpr std::chrono::hours kLongestSlowStart{1};

constexpr std::array kTransports = {
    Choice<Transport>{"l2-dsr", Transport::kL2Dsr}, Choice<Transport>{"ipip", Transport::kIpip},
    Choice<Transport>{"gue", Transport::kGue}, Choice<Transport>{"nat", Transport::kNat},
    Choice<Transport>{"full-nat", Transport::kFullNat}};
constexpr std::array kBackendStates = {Choice<BackendState>{"ready", BackendState::kReady},
                                       Choice<BackendState>{"drain", BackendState::kDrain},
                                       Choice<BackendState>{"maint", BackendState::kMaint}};
constexpr std::array kDowns = {Choice<Down>{"move", Down::kMove}, Choice<Down>{"keep", Down::kKeep},
                               Choice<Down>{"reset", Down::kReset}};
constexpr std::array kSchedules = {Choice<int>{"maglev", 0}};
constexpr std::array kAffinities = {Choice<bool>{"flow", false}, Choice<bool>{"source", true}};

Status add_vip_address(Vip& vip, std::string_view word) {
    const auto prefix = parse_prefix(word);
    if (!prefix) {
        return tl::unexpected<Error>(prefix.error());
    }
    vip.addresses.push_back(*prefix);
    return check_vip_address(*prefix);
}

Status add_vip_service(Vip& vip, std::string_view word) {
    const auto service = parse_service(word);
    if (!service) {
        return tl::unexpected<Error>(service.error());
    }
    if (!has_ports(*service)) {
        return refuse(fmt::format("{} is not balanced: a vip's services are of tcp, udp or sctp",
                                  format_service(*service)));
    }
    vip.services.push_back(*service);
    return {};
}

Words vip_service_words(const Vip& vip) {
    Words words;
    for (const Service& service : vip.services) {
        words.push_back(format_service(service));
    }
    return words;
}

Status add_affinity(Vip& vip, std::string_view word) {
    const std::size_t slash = std::min(word.find('/'), word.size());
    bool by_source = false;
    if (auto chosen = choose<bool>(by_source, kAffinities, word.substr(0, slash), "an affinity"); !chosen) {
        return chosen;
    }
    if (!by_source && slash < word.size()) {
        return refuse(fmt::format("\"{}\": only source takes a length", word));
    }
    return parse_address_bits(word).map([&](const AddressBits& bits) {
        vip.by_source = by_source;
        vip.ipv4_bits = bits.ipv4;
        vip.ipv6_bits = bits.ipv6;
    });
}

Words affinity_words(const Vip& vip) {
    return vip.by_source ? Words{"source" + format_address_bits({vip.ipv4_bits, vip.ipv6_bits})} : Words{};
}

bool is_prime(unsigned number) {
    for (unsigned divisor = 2; divisor * divisor <= number; ++divisor) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return number > 1;
}

// Maglev's steps from slot to slot come by all of them when their number is prime (Eisenbud et al., NSDI
// 2016, section 3.4).
Status add_ring(Vip& vip, std::string_view word) {
    const auto slots = parse_number(word, kLargestRing);
    if (!slots || *slots < kLeastRing) {
        return refuse(
            fmt::format("\"ring\" is a prime from {} to {}, not {}", kLeastRing, kLargestRing, word));
    }
    unsigned prime = *slots;
    while (!is_prime(prime)) {
        ++prime;
    }
    if (prime != *slots) {
        return refuse(fmt::format("\"ring\" is a prime, and {} is none; the next one is {}", word, prime));
    }
    vip.ring = prime;
    return {};
}

Status read_time_up_to(std::chrono::seconds& time, std::chrono::hours longest, std::string_view word,
                       std::string_view what) {
    const auto duration = parse_duration(word);
    if (!duration) {
        return tl::unexpected<Error>(duration.error());
    }
    if (*duration > longest) {
        return refuse(fmt::format("a {} takes at most {}h", what, longest.count()));
    }
    time = *duration;
    return {};
}

Status add_panic(Vip& vip, std::string_view word) {
    const auto percentage = parse_number(word, kLargestPercentage);
    if (!percentage) {
        return refuse(fmt::format("\"panic\" is a number from 0 to {}, not {}", kLargestPercentage, word));
    }
    vip.panic = static_cast<std::uint8_t>(*percentage);
    return {};
}

Words gue_port_words(std::uint16_t port) {
    return port == Decapsulate{}.gue_port ? Words{} : Words{std::to_string(port)};
}

constexpr std::array kVipKeys = {
    Key<Vip>{"address", ValueKind::kWords, true, "203.0.113.10, 198.51.100.0/28, 2001:db8:10::10",
             "Addresses and blocks of them, of both IP versions.", add_vip_address,
             [](const Vip& vip) { return prefix_words(vip.addresses); }},
    Key<Vip>{"service", ValueKind::kWords, true, "tcp/80, udp/5000-6000, sctp",
             "Protocols and ports of these addresses; a protocol alone: all its ports.", add_vip_service,
             vip_service_words},
    Key<Vip>{
        "forward", ValueKind::kWord, true, "l2-dsr, ipip, gue, nat or full-nat",
        "How packets get to their backend: to its MAC address, in an IP packet or a UDP datagram, or with "
        "its address in them (docs/nat.md).",
        [](Vip& vip, std::string_view word) {
            return choose<Transport>(vip.forward, kTransports, word, "a way to backends");
        },
        [](const Vip& vip) { return Words{std::string(transport_name(vip.forward))}; }},
    Key<Vip>{"announce", ValueKind::kWord, false, "eth0",
             "The device on whose segment this host answers for the addresses, and tells that it has them; "
             "absent: they are routed here.",
             [](Vip& vip, std::string_view word) { return read_interface(vip.announce, word); },
             [](const Vip& vip) { return vip.announce.empty() ? Words{} : Words{vip.announce}; }},
    Key<Vip>{"schedule", ValueKind::kWord, false, "maglev",
             "How flows are spread over backends; absent: maglev, which is the only way.",
             [](Vip&, std::string_view word) {
                 int place = 0;
                 return choose<int>(place, kSchedules, word, "a schedule");
             },
             [](const Vip&) { return Words{}; }},
    Key<Vip>{"affinity", ValueKind::kWord, false, "flow, source, source/24, source/24,56",
             "What goes to one backend together: a flow, all of a source, or of so many bits of it; absent: "
             "flow.",
             add_affinity, affinity_words},
    Key<Vip>{"ring", ValueKind::kInteger, false, "65537",
             "Slots of the Maglev ring, a prime from 101 to 1000003; absent: by the number of backends.",
             add_ring,
             [](const Vip& vip) { return vip.ring == 0 ? Words{} : Words{std::to_string(vip.ring)}; }},
    Key<Vip>{"transition", ValueKind::kWord, false, "10m",
             "How long flows that are not known go where they went before the backends changed, at most 24h; "
             "absent: 10m.",
             [](Vip& vip, std::string_view word) {
                 return read_time_up_to(vip.transition, kLongestTransition, word, "transition");
             },
             [](const Vip& vip) {
                 return vip.transition == Vip{}.transition ? Words{} : Words{format_duration(vip.transition)};
             }},
    Key<Vip>{"new_entries", ValueKind::kInteger, false, "100000",
             "Flows that the table of flows takes of the service in a second; absent: 100000.",
             [](Vip& vip, std::string_view word) {
                 return read_count(vip.new_entries, kMostNewEntries, word, "new_entries");
             },
             [](const Vip& vip) {
                 return vip.new_entries == Vip{}.new_entries ? Words{}
                                                             : Words{std::to_string(vip.new_entries)};
             }},
    Key<Vip>{"gue_port", ValueKind::kInteger, false, "6080",
             "UDP port of the backends, for forward gue alone; absent: 6080.",
             [](Vip& vip, std::string_view word) { return read_port(vip.gue_port, word, "gue_port"); },
             [](const Vip& vip) { return gue_port_words(vip.gue_port); }},
    Key<Vip>{"enabled", ValueKind::kBoolean, false, "true or false",
             "Whether the service is balanced; false: its packets fare as if it were not here; absent: true.",
             [](Vip& vip, std::string_view word) { return read_boolean(vip.enabled, word); },
             [](const Vip& vip) { return vip.enabled ? Words{} : Words{"false"}; }},
    Key<Vip>{"health", ValueKind::kTable, false, "{ http = \"/healthz\", every = \"2s\" }",
             "How it is found out whether a backend serves (docs/health.md); absent: all count as up.",
             nullptr, nullptr, health_keys},
    Key<Vip>{"down", ValueKind::kWord, false, "move, keep or reset",
             "What becomes of TCP connections to a backend that is down: they go to others, stay, or their "
             "clients get a reset; absent: move.",
             [](Vip& vip, std::string_view word) {
                 return choose<Down>(vip.down, kDowns, word, "what becomes of connections");
             },
             [](const Vip& vip) {
                 return vip.down == Down::kMove ? Words{}
                                                : Words{std::string(word_of<Down>(kDowns, vip.down))};
             }},
    Key<Vip>{"panic", ValueKind::kInteger, false, "50",
             "Percent of the weight: when less of it is up, all backends count as up; absent: 0, never.",
             add_panic,
             [](const Vip& vip) { return vip.panic == 0 ? Words{} : Words{std::to_string(vip.panic)}; }},
    Key<Vip>{"slow_start", ValueKind::kWord, false, "30s",
             "How long a backend that has come up takes to its full share of new flows, at most 1h; absent: "
             "it has it at once.",
             [](Vip& vip, std::string_view word) {
                 return read_time_up_to(vip.slow_start, kLongestSlowStart, word, "slow start");
             },
             [](const Vip& vip) {
                 return vip.slow_start.count() == 0 ? Words{} : Words{format_duration(vip.slow_start)};
             }},
    Key<Vip>{
        "quic", ValueKind::kTable, false, "{ config = 0, server_id_length = 2 }",
        "Packets of UDP go to the backend that their QUIC connection id names (docs/balance.md); absent: "
        "flows alone count.",
        nullptr, nullptr, quic_keys},
};

Status add_backend_name(Backend& backend, std::string_view word) {
    backend.name = word;
    return check_backend_name(word);
}

Status add_backend_address(Backend& backend, std::string_view word) {
    const auto address = parse_address(word);
    if (!address) {
        return tl::unexpected<Error>(address.error());
    }
    const bool has_one = std::any_of(backend.addresses.begin(), backend.addresses.end(),
                                     [&](const Prefix& known) { return known.family == address->family; });
    if (has_one) {
        return refuse(fmt::format("{}: a backend has one address of each IP version at most", word));
    }
    if (auto possible = check_backend_address(*address); !possible) {
        return possible;
    }
    backend.addresses.push_back(*address);
    return {};
}

Status add_weight(Backend& backend, std::string_view word) {
    const auto weight = parse_number(word, kLargestWeight);
    if (!weight) {
        return refuse(fmt::format("\"weight\" is a number from 0 to {}, not {}", kLargestWeight, word));
    }
    backend.weight = static_cast<std::uint16_t>(*weight);
    return {};
}

Words server_id_words(const Backend& backend) {
    Words words;
    for (const ServerId& id : backend.server_ids) {
        words.push_back(format_server_id(id));
    }
    return words;
}

constexpr std::array kBackendKeys = {
    Key<Backend>{"name", ValueKind::kWord, true, "web1",
                 "What the backend is called; no two of a vip share a name.", add_backend_name,
                 [](const Backend& backend) { return Words{backend.name}; }},
    Key<Backend>{"address", ValueKind::kWords, true, "10.0.0.11, 2001:db8::11",
                 "Where it is: an address of IPv4, of IPv6, or one of each.", add_backend_address,
                 [](const Backend& backend) { return prefix_words(backend.addresses); }},
    Key<Backend>{"weight", ValueKind::kInteger, false, "2",
                 "Its share of new flows beside the other backends', 0 to 65535; absent: 1.", add_weight,
                 [](const Backend& backend) {
                     return backend.weight == 1 ? Words{} : Words{std::to_string(backend.weight)};
                 }},
    Key<Backend>{"state", ValueKind::kWord, false, "ready, drain or maint",
                 "drain: it gets no new flows; maint: its flows go to others, too; absent: ready.",
                 [](Backend& backend, std::string_view word) {
                     return choose<BackendState>(backend.state, kBackendStates, word, "a state of a backend");
                 },
                 [](const Backend& backend) {
                     return backend.state == BackendState::kReady
                                ? Words{}
                                : Words{std::string(state_name(backend.state))};
                 }},
    Key<Backend>{"fallback", ValueKind::kBoolean, false, "true or false",
                 "Whether it gets flows only while no other one can; absent: false.",
                 [](Backend& backend, std::string_view word) { return read_boolean(backend.fallback, word); },
                 [](const Backend& backend) { return backend.fallback ? Words{"true"} : Words{}; }},
    Key<Backend>{
        "port", ValueKind::kInteger, false, "8080",
        "The port that packets are translated to, for forward nat and full-nat alone; absent: the one "
        "that they are for.",
        [](Backend& backend, std::string_view word) { return read_port(backend.port, word, "port"); },
        [](const Backend& backend) {
            return backend.port == 0 ? Words{} : Words{std::to_string(backend.port)};
        }},
    Key<Backend>{
        "server_id", ValueKind::kWords, false, "0a01",
        "What it writes into the connection ids that it makes, in hexadecimal, as long as quic of the "
        "vip says; absent: no connection id names it.",
        [](Backend& backend, std::string_view word) {
            return parse_server_id(word).map([&](const ServerId& id) { backend.server_ids.push_back(id); });
        },
        server_id_words},
};

constexpr std::array kDecapsulateKeys = {
    Key<Decapsulate>{"from", ValueKind::kWords, true, "192.0.2.1, 10.0.0.0/24, 2001:db8::/64",
                     "Whose packets in packets are unpacked: the balancers.",
                     [](Decapsulate& decapsulate, std::string_view word) {
                         return parse_prefix(word).map(
                             [&](const Prefix& prefix) { decapsulate.from.push_back(prefix); });
                     },
                     [](const Decapsulate& decapsulate) { return prefix_words(decapsulate.from); }},
    Key<Decapsulate>{"gue_port", ValueKind::kInteger, false, "6080", "UDP port of GUE; absent: 6080.",
                     [](Decapsulate& decapsulate, std::string_view word) {
                         return read_port(decapsulate.gue_port, word, "gue_port");
                     },
                     [](const Decapsulate& decapsulate) { return gue_port_words(decapsulate.gue_port); }},
};

}  // namespace

std::span<const Key<Vip>> vip_keys() {
    return kVipKeys;
}

std::span<const Key<Backend>> backend_keys() {
    return kBackendKeys;
}

std::span<const Key<Decapsulate>> decapsulate_keys() {
    return kDecapsulateKeys;
}

std::string_view transport_name(Transport transport) {
    return word_of<Transport>(kTransports, transport);
}

std::string_view state_name(BackendState state) {
    return word_of<BackendState>(kBackendStates, state);
}

}  // namespace fwctl::policy
