#include "compile/action.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "compile/rate.h"

namespace fwctl::compile {
namespace {

using policy::Action;
using policy::RejectWith;

constexpr std::size_t kRateWords = sizeof(fw_rate) / sizeof(std::uint32_t);

std::uint8_t answer_of(RejectWith with) {
    switch (with) {
        case RejectWith::kAuto:
            return FW_ANSWER_AUTO;
        case RejectWith::kTcpReset:
            return FW_ANSWER_TCP_RESET;
        case RejectWith::kPortUnreachable:
            return FW_ANSWER_PORT_UNREACHABLE;
        case RejectWith::kHostUnreachable:
            return FW_ANSWER_HOST_UNREACHABLE;
        case RejectWith::kAdminProhibited:
            break;
    }
    return FW_ANSWER_ADMIN_PROHIBITED;
}

fw_next_hop next_hop_of(const policy::Redirect& redirect, Outputs& outputs) {
    fw_next_hop hop{};
    hop.output = outputs.number_of(redirect.interface);
    if (redirect.via) {
        hop.family = static_cast<std::uint8_t>(redirect.via->family);
        std::copy(redirect.via->address.begin(), redirect.via->address.end(), std::begin(hop.via.bytes));
    }
    return hop;
}

}  // namespace

Address Actions::put(const policy::Rule& rule, std::uint32_t counter) {
    fw_action action{};
    if (rule.action == Action::kReject)
        action.answer = answer_of(rule.reject_with);
    else if (rule.action == Action::kRedirect && rule.redirect)
        action.next_hop = next_hop_of(*rule.redirect, outputs_);
    else if (rule.action == Action::kLog)
        action.log_one_of = rule.sample;
    else if (rule.action != Action::kSynproxy && !rule.rate && !rule.ban)
        return 0;
    if (rule.rate) action.rate = bank_.put(compile::rate_of(rule, counter), kRateWords);
    if (rule.ban) {
        action.ban_set = static_cast<std::uint16_t>(sets_->at(rule.ban->set) + 1);
        action.ban_for = static_cast<std::uint32_t>(rule.ban->lasts.count());
    }
    const auto [entry, is_new] =
        known_.try_emplace(std::string(reinterpret_cast<const char*>(&action), sizeof(action)), 0);
    if (is_new) entry->second = bank_.put(action, FW_ACTION_WORDS);
    return entry->second;
}

Address Actions::put(std::span<const policy::Rule> rules, std::span<const std::uint32_t> counters) {
    std::vector<Address> actions;
    for (std::size_t i = 0; i < rules.size(); ++i) actions.push_back(put(rules[i], counters[i]));
    if (known_.empty()) return 0;
    const Address table = bank_.reserve(actions.size(), 1);
    for (std::size_t i = 0; i < actions.size(); ++i) bank_[table + static_cast<Address>(i)] = actions[i];
    return table;
}

std::vector<RouteEntry> route_entries(std::span<const policy::Route> routes, Outputs& outputs) {
    std::vector<RouteEntry> entries;
    std::set<policy::Prefix> known;
    for (const policy::Route& route : routes) {
        if (!known.insert(route.prefix).second) continue;
        RouteEntry entry;
        entry.key.prefix_length = FW_ROUTE_KEY_FIXED_BITS + route.prefix.length;
        entry.key.family = static_cast<std::uint8_t>(route.prefix.family);
        std::copy(route.prefix.address.begin(), route.prefix.address.end(), std::begin(entry.key.address));
        entry.next_hop = next_hop_of(route.next_hop, outputs);
        entries.push_back(entry);
    }
    return entries;
}

}  // namespace fwctl::compile
