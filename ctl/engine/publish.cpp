// Store::prepare() and commit(): from a state to a generation that holds.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "compile/attachments.h"
#include "compile/tier.h"
#include "engine/outputs.h"
#include "engine/store.h"
#include "kernel/grace.h"
#include "policy/builtin.h"
#include "policy/print.h"

namespace fwctl::engine {
namespace {

// The main tier's rules are all asked after the front's.
constexpr std::uint32_t kFrontPriority = 0;

std::uint32_t front_bank(std::uint32_t half) {
    return half * FW_BANK_PAGES;
}

std::uint16_t table_of(const fw_tier& tier) {
    return static_cast<std::uint16_t>(tier.bank / FW_BANK_PAGES);
}

std::map<std::string, std::uint32_t> numbers_of(const std::vector<std::string>& sets) {
    std::map<std::string, std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < sets.size(); ++i)
        if (!sets[i].empty()) numbers[sets[i]] = i;
    return numbers;
}

Result<compile::TierImage> compile_front(const State& state) {
    std::vector<policy::Rule> rules;
    std::vector<std::uint32_t> counters;
    for (CountedRule& counted : state.front_rules()) {
        rules.push_back(std::move(counted.rule));
        counters.push_back(counted.counter);
    }
    const auto dynamic_sets = numbers_of(state.main.dynamic_sets);
    compile::SetBlocks sets(state.front.sets);
    return compile::compile_tier({rules, counters, kFrontPriority, &dynamic_sets}, sets);
}

// What fwctl reads back, and no program looks at.
Status put_text(const State& state, fw_generation& generation) {
    policy::Policy front = state.front;
    for (const CountedRule& counted : state.live) {
        if (front.rules.size() == FW_MAX_LIVE_RULES)
            return fail(fmt::format("more live rules than the limit of {}; put them into the policy's file",
                                    +FW_MAX_LIVE_RULES));
        fw_rule_state& rule = generation.rules[front.rules.size()];
        rule.expires = counted.rule.expires;
        rule.counter = counted.counter;
        front.rules.push_back(counted.rule);
    }
    const std::string text = policy::print_policy(front);
    if (text.size() >= sizeof(generation.text))
        return fail(fmt::format("the live rules and their sets are {} bytes as text, the limit is {}",
                                text.size(), sizeof(generation.text) - 1));
    generation.rule_count = static_cast<std::uint32_t>(front.rules.size());
    generation.text_size = static_cast<std::uint32_t>(text.size());
    std::memcpy(generation.text, text.data(), text.size());
    std::strncpy(generation.snapshot, state.main.snapshot.c_str(), sizeof(generation.snapshot) - 1);
    for (std::size_t i = 0; i < state.main.dynamic_sets.size(); ++i)
        std::strncpy(generation.sets[i].name, state.main.dynamic_sets[i].c_str(),
                     sizeof(generation.sets[i].name) - 1);
    return {};
}

std::uint8_t default_reason(policy::Action action) {
    return action == policy::Action::kDeny ? FW_REASON_DEFAULT_DENY : FW_REASON_DEFAULT_ALLOW;
}

std::uint8_t parser_rules_off(const policy::Policy& front) {
    std::uint8_t off = 0;
    std::size_t number = 0;
    for (const policy::Rule& rule : policy::builtin_rules()) {
        const auto& disabled = front.disabled_builtins;
        if (number < FW_PARSER_RULES &&
            std::find(disabled.begin(), disabled.end(), rule.name) != disabled.end())
            off |= static_cast<std::uint8_t>(1U << number);
        ++number;
    }
    return off;
}

}  // namespace

std::uint32_t Store::next_half() const {
    return static_cast<std::uint32_t>(generation() + 1) & 1;
}

Status Store::prepare(State& state, compile::TierImage* main) const {
    // What is about to be written may still be read by packets that came before the last switch.
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    if (auto made = rule_counters_.make(kFirstFreeCounter); !made) return made;
    if (main != nullptr) {
        const std::uint32_t bank =
            state.main.tier.bank == 2 * FW_BANK_PAGES ? 3 * FW_BANK_PAGES : 2 * FW_BANK_PAGES;
        if (auto written = banks_.write(bank, main->bank.words()); !written) {
            (void)banks_.clear(bank, 0);
            return written;
        }
        state.main.tier = main->tier;
        state.main.tier.bank = bank;
        state.main.places = main->places;
        state.main.outputs = main->outputs;
        if (auto written = write_routes(state.main.tier, main->routes); !written) {
            erase_routes(state.main.tier);
            return written;
        }
    }
    if (auto given = give_counters(state); !given) return given;
    return write_half(next_half(), state);
}

// Free counters for the live rules that have none: no generation counts there.
Status Store::give_counters(State& state) const {
    auto of_main = main_counters(state.main);
    if (!of_main) return tl::unexpected(of_main.error());
    std::set<std::uint32_t> used(of_main->begin(), of_main->end());
    for (const CountedRule& rule : state.live) used.insert(rule.counter);
    const fw_generation& active = *policy_.at(generation() & 1);
    for (std::uint32_t i = 0; i < active.rule_count; ++i) used.insert(active.rules[i].counter);
    std::vector<std::uint32_t> fresh;
    std::uint32_t next = kFirstFreeCounter;
    for (CountedRule& rule : state.live) {
        if (rule.counter != kNoCounter) continue;
        while (used.contains(next)) ++next;
        rule.counter = next;
        used.insert(next);
        fresh.push_back(next);
    }
    return start_counters(fresh);
}

// A command that was killed may have left some of them.
void Store::erase_routes(const fw_tier& tier) const {
    for (const fw_route_key& key : routes_.keys<fw_route_key>())
        if (key.table == table_of(tier)) (void)routes_.erase(key);
}

Status Store::write_routes(const fw_tier& tier, std::span<const compile::RouteEntry> routes) const {
    erase_routes(tier);
    for (compile::RouteEntry route : routes) {
        route.key.table = table_of(tier);
        if (auto written = routes_.update(route.key, route.next_hop); !written)
            return context("the forwarding table", written.error());
    }
    return {};
}

Status Store::write_half(std::uint32_t half, const State& state) const {
    auto front = compile_front(state);
    if (!front) return tl::unexpected(front.error());
    const auto generation = std::make_unique<fw_generation>();
    std::vector<compile::Attachment> attachments;
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled) attachments.push_back({attachment.slot, attachment.names()});
    compile::put_attachments(front->bank, attachments, front->places, state.main.places, *generation);
    if (auto text = put_text(state, *generation); !text) return text;
    if (auto written = banks_.write(front_bank(half), front->bank.words()); !written) return written;
    front->tier.bank = front_bank(half);
    generation->tiers[FW_FRONT] = front->tier;
    generation->tiers[FW_MAIN] = state.main.tier;
    generation->default_reason[FW_IN] = default_reason(state.front.defaults.in);
    generation->default_reason[FW_OUT] = default_reason(state.front.defaults.out);
    generation->disabled_parser_rules = parser_rules_off(state.front);
    put_forwarding(state, front->outputs, *generation);
    if (auto written = write_devices(devices_, state); !written) return written;
    std::memcpy(policy_.at(half), generation.get(), sizeof(fw_generation));
    return {};
}

Status Store::commit(State& state) const {
    const fw_tier before = policy_.at(generation() & 1)->tiers[FW_MAIN];
    state.generation = generation() + 1;
    std::atomic_ref<__u64>(control_.at(0)->generation).store(state.generation, std::memory_order_release);
    if (before.words == 0 || before.bank == state.main.tier.bank) return {};
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    erase_routes(before);
    return banks_.clear(before.bank, 0);
}

Status Store::publish(State& state) const {
    if (auto prepared = prepare(state); !prepared) return prepared;
    return commit(state);
}

}  // namespace fwctl::engine
