// Finds a packet's rule in a compiled tier, written from include/fwctl/abi/image.h alone: every leaf that the
// packet can reach is read to its end.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "bank_reader.h"
#include "compile/tier.h"
#include "fwctl/abi/packet.h"
#include "policy/evaluate.h"

namespace fwctl::compile {

class TierReader {
public:
    // `places`: the bits of `where` that hold for the packet's interface and direction.
    TierReader(const TierImage& image, const policy::PacketView& packet, const policy::Context& context,
               const std::vector<std::string>& dynamic_sets)
        : image_(image), bank_(image.bank), packet_(packet), context_(context), dynamic_sets_(dynamic_sets) {
        where_ =
            image.places.bits(packet.interfaces, packet.direction == policy::Direction::kIn ? FW_IN : FW_OUT);
        ends_ = {end(FW_SOURCE, packet.source), end(FW_DESTINATION, packet.destination)};
    }

    // The rows that hold, as indices of counters, by priority: deciding ones, or those that count.
    std::vector<fw_row> deciding() const {
        std::vector<fw_row> rows;
        for (const std::uint32_t leaf :
             {pair(), ends_[FW_SOURCE].leaf, ends_[FW_DESTINATION].leaf, image_.tier.rest.leaf[kind()]})
            add(leaf, rows);
        return sorted(rows);
    }
    std::vector<fw_row> counting() const {
        std::vector<fw_row> rows;
        add(image_.tier.going_on, rows);
        return sorted(rows);
    }

private:
    static std::vector<fw_row> sorted(std::vector<fw_row> rows) {
        std::stable_sort(rows.begin(), rows.end(), [](const fw_row& one, const fw_row& other) {
            return one.priority < other.priority;
        });
        return rows;
    }

    fw_class end(fw_side side, const std::array<std::uint8_t, 16>& address) const {
        const fw_address_index& index = image_.tier.addresses[side];
        const BankReader reader(bank_);
        Address at = index.outside[0];
        if (packet_.family == policy::Family::kIpv4) {
            std::uint32_t number = 0;
            for (std::size_t i = 0; i < 4; ++i) number = number << 8 | address[i];
            at = reader.class_of(index, number);
        } else if (packet_.family == policy::Family::kIpv6) {
            Uint128 number = 0;
            for (const std::uint8_t byte : address) number = number << 8 | byte;
            at = reader.class_of(index, number);
        }
        return bank_.get<fw_class>(at);
    }

    // Every bucket is looked at, wherever the hash says that the pair is.
    std::uint32_t pair() const {
        const fw_tier& tier = image_.tier;
        if (tier.pairs == 0 || ends_[0].pair == 0 || ends_[1].pair == 0) return 0;
        for (Address i = 0; i <= tier.pair_mask; ++i) {
            const auto bucket = bank_.get<fw_bucket>(tier.pairs + i * 16);
            for (const fw_pair& one : bucket.pairs)
                if (one.source == ends_[0].pair && one.destination == ends_[1].pair) return one.leaf;
        }
        return 0;
    }

    std::size_t kind() const {
        if (!packet_.family || !packet_.has_l4) return FW_KIND_OTHER;
        switch (packet_.protocol) {
            case 6:
                return FW_KIND_TCP;
            case 17:
                return FW_KIND_UDP;
            case 1:
                return FW_KIND_ICMP;
            case 58:
                return FW_KIND_ICMP6;
            default:
                return FW_KIND_SCTP;
        }
    }

    void add(std::uint32_t entry, std::vector<fw_row>& rows) const {
        if (entry == 0) return;
        const Address address = entry & ~std::uint32_t{FW_ENTRY_TAG};
        switch (entry & FW_ENTRY_TAG) {
            case FW_ENTRY_KINDS:
                return add(bank_.get<fw_kinds>(address).leaf[kind()], rows);
            case FW_ENTRY_TREE:
                return add(BankReader(bank_).find<std::uint16_t>(address, packet_.selector), rows);
            default:
                break;
        }
        for (Address at = address;; at += 8) {
            const auto row = bank_.get<fw_row>(at);
            if (holds(row)) rows.push_back(row);
            if ((row.flags & FW_ROW_LAST) != 0) return;
        }
    }

    bool bit(Address address, std::uint32_t number) const {
        return (bank_[address + number / 32] >> (number % 32) & 1) != 0;
    }

    bool holds(const fw_row& row) const {
        std::uint32_t traits = packet_.mac ? std::uint32_t{FW_TRAITS_ETHERNET} : 0;
        if (packet_.family) {
            traits |= static_cast<std::uint32_t>(*packet_.family) << 8 | packet_.protocol | FW_TRAITS_IP;
            if (packet_.has_l4) traits |= FW_TRAITS_L4;
            if (packet_.has_ports()) traits |= FW_TRAITS_PORTS;
        }
        for (std::size_t side = 0; side < FW_SIDES; ++side)
            if (row.checks[side] != 0 &&
                (ends_[side].checks == 0 || !bit(ends_[side].checks, row.checks[side] - 1U)))
                return false;
        const bool here = row.where == 0 || (where_[row.where / 32] >> (row.where % 32) & 1) != 0;
        return ((traits ^ row.traits) & row.traits_mask) == 0 && row.selector_first <= packet_.selector &&
               packet_.selector <= row.selector_last && here && conditions_hold(row.conditions);
    }

    bool conditions_hold(Address address) const {
        if (address == 0) return true;
        bool group = false;
        for (;; address += 8) {
            const auto condition = bank_.get<fw_condition>(address);
            group = group || holds(condition);
            if ((condition.flags & FW_CONDITION_GROUP_ENDS) != 0) {
                if (!group) return false;
                group = false;
            }
            if ((condition.flags & FW_CONDITION_LIST_ENDS) != 0) return true;
        }
    }

    bool holds(const fw_condition& condition) const {
        if (condition.kind == FW_CONDITION_EXPIRES) return packet_.now < condition.last;
        if (condition.kind == FW_CONDITION_MEMBER) {
            policy::Rule rule;
            rule.services.emplace_back();
            auto& addresses = condition.word == FW_SOURCE ? rule.from : rule.to;
            auto& names = (condition.flags & FW_CONDITION_NOT) != 0 ? addresses.except_sets : addresses.sets;
            names = {dynamic_sets_[condition.set]};
            return policy::matches(rule, packet_, context_);
        }
        const fw_packet packet = as_packet();
        std::array<std::uint64_t, sizeof(fw_packet) / 8> words{};
        std::memcpy(words.data(), &packet, sizeof(packet));
        const std::uint64_t value = words[condition.word] >> condition.shift & condition.mask;
        return condition.first <= value && value <= condition.last;
    }

    fw_packet as_packet() const {
        fw_packet packet{};
        packet.source_mac = packet_.mac.value_or(0);
        packet.network_length = packet_.length;
        packet.ethertype = packet_.ethertype;
        packet.vlan_id = packet_.vlan;
        packet.source_port = packet_.source_port;
        packet.fragment = static_cast<std::uint8_t>(packet_.fragment);
        packet.tcp_flags = packet_.tcp_flags;
        packet.ttl = packet_.ttl;
        packet.traffic_class = static_cast<std::uint8_t>(packet_.dscp << 2);
        if (packet_.state) packet.state = static_cast<std::uint8_t>(*packet_.state);
        return packet;
    }

    const TierImage& image_;
    const Bank& bank_;
    const policy::PacketView& packet_;
    const policy::Context& context_;
    const std::vector<std::string>& dynamic_sets_;
    std::vector<std::uint32_t> where_;
    std::array<fw_class, FW_SIDES> ends_{};
};

}  // namespace fwctl::compile
