#include "compile/services.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "compile/address_index.h"
#include "compile/classes.h"
#include "compile/constraint.h"
#include "compile/maglev.h"
#include "compile/quic.h"
#include "policy/quic.h"
#include "policy/service.h"
#include "policy/vip.h"

namespace fwctl::compile {
namespace {

constexpr std::size_t kWords = 16;  // of a struct fw_service, and of a struct fw_backend

static_assert(sizeof(fw_service) == kWords * sizeof(std::uint32_t));
static_assert(sizeof(fw_backend) == kWords * sizeof(std::uint32_t));

std::uint8_t transport_of(policy::Transport transport) {
    switch (transport) {
        case policy::Transport::kIpip:
            return FW_BY_IPIP;
        case policy::Transport::kGue:
            return FW_BY_GUE;
        case policy::Transport::kNat:
            return FW_BY_NAT;
        case policy::Transport::kFullNat:
            return FW_BY_FULL_NAT;
        case policy::Transport::kL2Dsr:
            break;
    }
    return FW_BY_L2;
}

template <typename Word>
void put_mask(unsigned bits, Word* words) {
    std::array<std::uint8_t, 16> bytes{};
    for (unsigned bit = 0; bit < bits; ++bit)
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | 0x80 >> bit % 8);
    std::memcpy(words, bytes.data(), sizeof(Word) * (sizeof(Word) == sizeof(std::uint64_t) ? 2 : 1));
}

std::uint8_t down_of(policy::Down down) {
    switch (down) {
        case policy::Down::kKeep:
            return FW_DOWN_KEEP;
        case policy::Down::kReset:
            return FW_DOWN_RESET;
        case policy::Down::kMove:
            break;
    }
    return FW_DOWN_MOVE;
}

std::uint8_t flags_of(const policy::Backend& backend) {
    unsigned flags = 0;
    if (backend.state != policy::BackendState::kMaint) flags |= FW_BACKEND_KEEPS;
    if (backend.state == policy::BackendState::kReady && backend.weight != 0) flags |= FW_BACKEND_TAKES;
    return static_cast<std::uint8_t>(flags);
}

fw_backend record_of(const policy::Backend& backend, std::uint16_t service, Address service_at,
                     const ServicesInput& input) {
    fw_backend record{};
    record.service = service;
    record.service_at = service_at;
    record.port = backend.port;
    unsigned flags = flags_of(backend);
    for (const policy::Prefix& address : backend.addresses) {
        const WayOut way = input.way_to(address);
        if (address.family == policy::Family::kIpv4) {
            flags |= FW_BACKEND_HAS_IPV4;
            std::memcpy(&record.ipv4, address.address.data(), sizeof(record.ipv4));
            std::memcpy(&record.ipv4_source, way.source.data(), sizeof(record.ipv4_source));
            record.ipv4_ifindex = way.ifindex;
        } else {
            flags |= FW_BACKEND_HAS_IPV6;
            std::memcpy(&record.ipv6, address.address.data(), sizeof(record.ipv6));
            std::memcpy(&record.ipv6_source, way.source.data(), sizeof(record.ipv6_source));
            record.ipv6_ifindex = way.ifindex;
        }
    }
    record.flags = static_cast<std::uint8_t>(flags);
    return record;
}

// A number that the bank's reader takes for a slot's former backend: the one that had the slot when the flows
// that no table knows began.
std::uint32_t former_of(std::uint32_t current, std::uint32_t before, bool in_transition) {
    if ((before & 0xffff) != current) return before & 0xffff;
    return in_transition ? before >> 16 : 0;
}

void put_ring(const policy::Vip& vip, const ServicesInput& input, const Numbers& numbers, Bank& bank,
              fw_service& service) {
    const std::vector<std::uint16_t> ring = ring_of(vip, numbers);
    service.slots = static_cast<std::uint32_t>(ring.size());
    service.ring = bank.reserve(ring.size(), 1);
    const auto running = input.running.find(vip.name);
    const bool has_former = running != input.running.end() && !running->second.slots.empty();
    const bool in_transition =
        has_former && static_cast<std::int32_t>(running->second.former_until - input.now) > 0;
    bool moves = false;
    for (std::size_t slot = 0; slot < ring.size(); ++slot) {
        std::uint32_t former = 0;
        if (has_former) {
            // A ring of another size has other slots: the one in the same place is the nearest.
            const auto& slots = running->second.slots;
            const std::uint32_t before = slots[slot * slots.size() / ring.size()];
            former = former_of(ring[slot], before, in_transition);
            moves = moves || former != (in_transition ? before >> 16 : 0);
        }
        bank[service.ring + static_cast<Address>(slot)] = ring[slot] | former << 16;
    }
    if (in_transition) service.former_until = running->second.former_until;
    if (moves)
        service.former_until = std::max<std::uint32_t>(
            1, input.now + static_cast<std::uint32_t>(
                               (static_cast<std::uint64_t>(vip.transition.count()) * 1'000'000'000 >>
                                FW_PLACED_TICK_SHIFT) +
                               1));
}

// Those that may stand in for another.
void put_members(const policy::Vip& vip, const Numbers& numbers, Bank& bank, fw_service& service) {
    std::vector<std::uint32_t> members;
    for (const bool fallback : {false, true}) {
        for (const policy::Backend& backend : vip.backends)
            if (backend.fallback == fallback) members.push_back(numbers.backend(vip.name, backend.name));
        if (!fallback) service.member_count = static_cast<std::uint32_t>(members.size());
    }
    service.fallback_count = static_cast<std::uint32_t>(members.size()) - service.member_count;
    service.members = bank.reserve(members.size() + 1, 1);
    for (std::size_t i = 0; i < members.size(); ++i)
        bank[service.members + static_cast<Address>(i)] = members[i];
}

Address put_service(const policy::Vip& vip, const ServicesInput& input, const Numbers& numbers, Bank& bank) {
    fw_service service{};
    put_ring(vip, input, numbers, bank, service);
    put_members(vip, numbers, bank, service);
    service.down = down_of(vip.down);
    service.entry_interval = 1'000'000'000 / vip.new_entries;
    put_mask(vip.by_source ? vip.ipv6_bits : 128, service.source_mask);
    put_mask(vip.by_source ? vip.ipv4_bits : 32, &service.source_mask_ipv4);
    service.seed = XXH32(vip.name.data(), vip.name.size(), 0);
    service.number = numbers.service(vip.name);
    service.gue_port = vip.gue_port;
    service.transport = transport_of(vip.forward);
    service.by_source = vip.by_source ? 1 : 0;
    service.quic = put_quic(vip, numbers, bank);
    return bank.put(service, kWords);
}

// The rows of a VIP, the last one not marked yet.
std::vector<fw_service_row> rows_of(const policy::Vip& vip, const Numbers& numbers) {
    std::vector<fw_service_row> rows;
    for (const policy::Service& service : vip.services) {
        fw_service_row row{};
        row.service = numbers.place(vip.name);
        row.number = numbers.service(vip.name);
        row.protocol = service.protocol;
        row.by_connection = policy::asks_for_quic(vip) && service.protocol == policy::kProtocolUdp ? 1 : 0;
        row.first_port = service.has_selector ? service.selector.first : 0;
        row.last_port = service.has_selector ? service.selector.last : 65535;
        rows.push_back(row);
    }
    return rows;
}

policy::Addresses addresses_of(const std::vector<policy::Prefix>& prefixes) {
    policy::Addresses addresses;
    addresses.prefixes = prefixes;
    return addresses;
}

void note_vip(const policy::Prefix& prefix, fw_services& services) {
    const bool is_host = prefix.length == (prefix.family == policy::Family::kIpv4 ? 32 : 128);
    std::uint64_t words[2];
    static_assert(sizeof(words) == sizeof(prefix.address));
    std::memcpy(words, prefix.address.data(), sizeof(words));
    const std::uint32_t bit = fw_vip_bit(words[0], words[1]);
    if (is_host)
        services.may_be_vip[bit / 64] |= std::uint64_t{1} << bit % 64;
    else
        std::fill(std::begin(services.may_be_vip), std::end(services.may_be_vip), ~std::uint64_t{0});
}

Status put_vips(const ServicesInput& input, const Numbers& numbers, Bank& bank, fw_services& services) {
    SetBlocks sets({});
    Constraints constraints(sets);
    std::map<std::uint32_t, std::vector<fw_service_row>> by_constraint;
    for (const policy::Vip& vip : input.vips) {
        if (!vip.enabled) continue;
        for (const policy::Prefix& prefix : vip.addresses) note_vip(prefix, services);
        auto& rows = by_constraint[constraints.number_of(addresses_of(vip.addresses))];
        const auto its = rows_of(vip, numbers);
        rows.insert(rows.end(), its.begin(), its.end());
    }
    const Classes classes(constraints);
    std::vector<Address> values;
    for (const auto& members : classes.members()) {
        std::vector<fw_service_row> rows;
        for (const std::uint32_t constraint : members)
            rows.insert(rows.end(), by_constraint[constraint].begin(), by_constraint[constraint].end());
        if (rows.size() > FW_MAX_SERVICE_ROWS)
            return fail(fmt::format("an address has more protocols and ranges of ports than the limit of {}",
                                    +FW_MAX_SERVICE_ROWS));
        values.push_back(rows.empty() ? 0 : bank.reserve_on_page(rows.size() * 4, 4));
        if (rows.empty()) continue;
        rows.back().is_last = 1;
        for (std::size_t i = 0; i < rows.size(); ++i)
            bank.set(values.back() + static_cast<Address>(i * 4), rows[i]);
    }
    services.vips = put_address_index(bank, classes, values);
    return {};
}

// An index of what is one of the addresses.
fw_address_index put_membership(const policy::Addresses& addresses, Bank& bank) {
    constexpr Address kYes = 2;  // all that counts is that it is not 0
    SetBlocks sets({});
    Constraints constraints(sets);
    (void)constraints.number_of(addresses);
    const Classes classes(constraints);
    std::vector<Address> values;
    for (const auto& members : classes.members()) values.push_back(members.empty() ? 0 : kYes);
    return put_address_index(bank, classes, values);
}

void put_unpacked(const policy::Decapsulate& decapsulate, Bank& bank, fw_services& services) {
    services.unpacked = put_membership(addresses_of(decapsulate.from), bank);
    services.gue_port = decapsulate.gue_port;
}

// The backends whose answers come by.
void put_answering(const ServicesInput& input, Bank& bank, fw_services& services) {
    std::set<policy::Prefix> backends;
    for (const policy::Vip& vip : input.vips)
        if (policy::translates(vip.forward))
            for (const policy::Backend& backend : vip.backends)
                backends.insert(backend.addresses.begin(), backend.addresses.end());
    if (backends.empty()) return;
    services.translates = 1;
    services.answering = put_membership(addresses_of({backends.begin(), backends.end()}), bank);
}

void put_numbers(const Numbers& numbers, Bank& bank, fw_services& services) {
    const std::string text = numbers.text();
    services.numbers = bank.put_text(text);
    services.numbers_size = static_cast<std::uint32_t>(text.size());
}

}  // namespace

std::vector<std::uint16_t> ring_of(const policy::Vip& vip, const Numbers& numbers) {
    std::vector<RingMember> members;
    for (const policy::Backend& backend : vip.backends) {
        const bool takes = (flags_of(backend) & FW_BACKEND_TAKES) != 0 && !backend.fallback;
        members.push_back(
            {backend.name, takes ? backend.weight : 0U, numbers.backend(vip.name, backend.name)});
    }
    return build_ring(members, vip.ring != 0 ? vip.ring : ring_size_for(members.size()));
}

Status put_services(const ServicesInput& input, Bank& bank, Numbers& numbers, fw_services& services) {
    if (auto assigned = numbers.assign(input.vips); !assigned) return assigned;
    if (!input.decapsulate.from.empty()) put_unpacked(input.decapsulate, bank, services);
    if (input.vips.empty()) {
        put_numbers(numbers, bank, services);
        return {};
    }
    services.backend_count = numbers.backend_count();
    services.backends = bank.reserve(services.backend_count * kWords, kWords);
    for (const policy::Vip& vip : input.vips) {
        numbers.set_place(vip.name, put_service(vip, input, numbers, bank));
        for (const policy::Backend& backend : vip.backends)
            bank.set(
                services.backends + static_cast<Address>(numbers.backend(vip.name, backend.name) * kWords),
                record_of(backend, numbers.service(vip.name), numbers.place(vip.name), input));
    }
    if (auto put = put_vips(input, numbers, bank, services); !put) return put;
    put_answering(input, bank, services);
    put_numbers(numbers, bank, services);
    return {};
}

}  // namespace fwctl::compile
