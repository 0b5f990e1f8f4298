#include "policy/vip.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "policy/health.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

constexpr std::uint8_t kShortestIpv4 = 8;
constexpr std::uint8_t kShortestIpv6 = 16;

bool is_lower_or_digit(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
}

// No letters of `more` but these, and not too many.
bool is_name(std::string_view name, bool upper, std::string_view more) {
    return !name.empty() && name.size() <= kMaxNameLength &&
           std::all_of(name.begin(), name.end(), [&](char letter) {
               return is_lower_or_digit(letter) || (upper && letter >= 'A' && letter <= 'Z') ||
                      more.find(letter) != std::string_view::npos;
           });
}

// Blocks whose addresses no host has on a network (RFC 6890, RFC 5771, RFC 4291).
struct Reserved {
    Prefix block;
    std::string_view what;
};

constexpr std::array kReserved = {
    Reserved{{Family::kIpv4, 8, {0}}, "unspecified"},
    Reserved{{Family::kIpv4, 8, {127}}, "loopback"},
    Reserved{{Family::kIpv4, 4, {224}}, "multicast"},
    Reserved{{Family::kIpv4, 32, {255, 255, 255, 255}}, "broadcast"},
    Reserved{{Family::kIpv6, 128, {}}, "unspecified"},
    Reserved{{Family::kIpv6, 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, "loopback"},
    Reserved{{Family::kIpv6, 8, {0xff}}, "multicast"},
};

Status check_unicast(const Prefix& block, std::string_view who) {
    for (const Reserved& row : kReserved) {
        if (covers(row.block, block) || covers(block, row.block)) {
            return refuse(
                fmt::format("{}: {} cannot have {} addresses", format_prefix(block), who, row.what));
        }
    }
    return {};
}

// What both hold.
std::optional<Service> shared(const Service& one, const Service& other) {
    if (one.protocol != other.protocol) {
        return std::nullopt;
    }
    if (!one.has_selector || !other.has_selector) {
        return one.has_selector ? one : other;
    }
    Service both = one;
    both.selector.first = std::max(one.selector.first, other.selector.first);
    both.selector.last = std::min(one.selector.last, other.selector.last);
    return both.selector.first <= both.selector.last ? std::optional(both) : std::nullopt;
}

std::optional<Service> shared(const std::vector<Service>& some, const std::vector<Service>& others) {
    for (const Service& one : some) {
        for (const Service& other : others) {
            if (const auto both = shared(one, other)) {
                return both;
            }
        }
    }
    return std::nullopt;
}

struct Block {
    Prefix prefix;
    std::size_t vip = 0;
};

// Each block behind those that hold it.
std::vector<Block> nested_blocks(const std::vector<Vip>& vips) {
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < vips.size(); ++i) {
        for (const Prefix& prefix : vips[i].addresses) {
            blocks.push_back({prefix, i});
        }
    }
    std::stable_sort(blocks.begin(), blocks.end(), [](const Block& one, const Block& other) {
        const auto place = [](const Prefix& prefix) {
            return std::tie(prefix.family, prefix.address, prefix.length);
        };
        return place(one.prefix) < place(other.prefix);
    });
    return blocks;
}

template <typename Value>
void sort_unique(std::vector<Value>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

Status check_vip_name(std::string_view name) {
    if (is_name(name, false, "_-")) {
        return {};
    }
    return refuse(fmt::format("\"{}\" is not a vip's name: 1 to {} of a-z 0-9 _ -", name, kMaxNameLength));
}

Status check_backend_name(std::string_view name) {
    if (is_name(name, true, "._-")) {
        return {};
    }
    return refuse(
        fmt::format("\"{}\" is not a backend's name: 1 to {} of A-Z a-z 0-9 . _ -", name, kMaxNameLength));
}

Status check_vip_address(const Prefix& block) {
    if (block.length < (block.family == Family::kIpv4 ? kShortestIpv4 : kShortestIpv6)) {
        return refuse(fmt::format("{}: a vip's block has a length of at least {} in IPv4 and {} in IPv6",
                                  format_prefix(block), kShortestIpv4, kShortestIpv6));
    }
    return check_unicast(block, "a vip");
}

Status check_backend_address(const Prefix& address) {
    return check_unicast(address, "a backend");
}

std::string end_of_backend(const Prefix& address, const Backend& backend) {
    const std::string text = format_prefix(address);
    return backend.port == 0 ? text : fmt::format("{} port {}", text, backend.port);
}

bool translates(Transport transport) {
    return transport == Transport::kNat || transport == Transport::kFullNat;
}

Status check_reachable(const Vip& vip, const Backend& backend) {
    if (!translates(vip.forward)) {
        if (backend.port == 0) {
            return {};
        }
        return refuse(
            fmt::format("backend \"{}\" of vip \"{}\": \"port\" goes with forward nat or full-nat "
                        "alone, not with {}",
                        backend.name, vip.name, transport_name(vip.forward)));
    }
    for (const Prefix& address : vip.addresses) {
        const bool has_family = std::any_of(backend.addresses.begin(), backend.addresses.end(),
                                            [&](const Prefix& its) { return its.family == address.family; });
        if (!has_family) {
            return refuse(
                fmt::format("backend \"{}\" of vip \"{}\" has no {} address, and {} does not change "
                            "the IP version of what is for {}",
                            backend.name, vip.name, address.family == Family::kIpv4 ? "IPv4" : "IPv6",
                            transport_name(vip.forward), format_prefix(address)));
        }
    }
    const bool has_sctp = std::any_of(vip.services.begin(), vip.services.end(), [](const Service& service) {
        return service.protocol == IPPROTO_SCTP;
    });
    if (has_sctp && backend.port != 0) {
        return refuse(
            fmt::format("backend \"{}\" of vip \"{}\": \"port\" is not for sctp, whose checksum would "
                        "have to be made anew over the whole packet",
                        backend.name, vip.name));
    }
    return {};
}

Status check_announce(const Vip& vip) {
    for (const Prefix& address : vip.addresses) {
        if (!vip.announce.empty() && address.length < address_bits(address.family)) {
            return refuse(fmt::format("\"announce\" goes with single addresses alone, and {} is a block",
                                      format_prefix(address)));
        }
    }
    return {};
}

std::optional<std::string_view> vip_of_expectation(std::string_view expect) {
    constexpr std::string_view kOpening = "balance ";
    return expect.substr(0, kOpening.size()) == kOpening ? std::optional(expect.substr(kOpening.size()))
                                                         : std::nullopt;
}

Vip canonical(Vip vip) {
    reduce(vip.addresses);
    reduce(vip.services);
    vip.health = canonical(std::move(vip.health));
    sort_unique(vip.quic.configs);
    for (Backend& backend : vip.backends) {
        std::sort(backend.addresses.begin(), backend.addresses.end());
        sort_unique(backend.server_ids);
    }
    std::stable_sort(vip.backends.begin(), vip.backends.end(),
                     [](const Backend& one, const Backend& other) { return one.name < other.name; });
    return vip;
}

std::vector<Overlap> find_overlaps(const std::vector<Vip>& vips) {
    std::vector<Overlap> overlaps;
    std::set<std::pair<std::size_t, std::size_t>> known;
    std::vector<Block> around;  // the blocks that hold the one at hand, the widest first
    for (const Block& block : nested_blocks(vips)) {
        while (!around.empty() && !covers(around.back().prefix, block.prefix)) {
            around.pop_back();
        }
        for (const Block& outer : around) {
            const std::pair<std::size_t, std::size_t> pair = std::minmax(outer.vip, block.vip);
            const auto both = outer.vip == block.vip
                                  ? std::nullopt
                                  : shared(vips[pair.first].services, vips[pair.second].services);
            if (both && known.insert(pair).second) {
                overlaps.push_back({pair.first, pair.second, block.prefix, *both});
            }
        }
        around.push_back(block);
    }
    return overlaps;
}

}  // namespace fwctl::policy
