// Store::prepare() and commit(): from a state to a generation that holds.
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <set>

#include "compile/attachments.h"
#include "compile/tier.h"
#include "engine/flows.h"
#include "engine/outputs.h"
#include "engine/rewriting.h"
#include "engine/store.h"
#include "kernel/grace.h"
#include "policy/builtin.h"
#include "policy/print.h"
#include "policy/vip.h"

namespace fwctl::engine {
namespace {

// The main tier's rules are all asked after the front's.
constexpr std::uint32_t kFrontPriority = 0;

constexpr std::array<std::uint32_t, 2> kMainBanks = {2 * FW_BANK_PAGES, 3 * FW_BANK_PAGES};

// Four megabytes at most: a policy is most often replaced by one of about its size, which finds them there.
constexpr std::uint32_t kMostSparePages = 16;

std::uint32_t front_bank(std::uint32_t half) {
    return half * FW_BANK_PAGES;
}

std::uint16_t table_of(std::uint32_t bank) {
    return static_cast<std::uint16_t>(bank / FW_BANK_PAGES);
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

// What the policy says of a dynamic set.
policy::Set said_of(const State& state, const std::string& name) {
    const policy::Set* set = state.front.find_set(name);
    return set == nullptr ? policy::Set{} : *set;
}

// What fwctl reads back; programs look at the sets alone.
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
    for (std::size_t i = 0; i < state.main.dynamic_sets.size(); ++i) {
        const policy::Set said = said_of(state, state.main.dynamic_sets[i]);
        fw_set_state& set = generation.sets[i];
        std::strncpy(set.name, state.main.dynamic_sets[i].c_str(), sizeof(set.name) - 1);
        set.timeout = static_cast<std::uint32_t>(said.timeout.count());
        set.size = said.size;
    }
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

// In nanoseconds of CLOCK_MONOTONIC; 0: the word tells of no trial.
std::uint64_t trial_end(std::uint64_t word) {
    return word >> 32 << FW_DEADLINE_SHIFT;
}

}  // namespace

std::uint32_t Store::next_half() const {
    return active_half() ^ 1;
}

void Store::start_waiting() const {
    waiting_at_ = word();
    waiting_ = std::async(kernel::wait_for_packets);  // where there may be no thread, when it is asked for
}

Status Store::wait_since_switch() const {
    return waiting_.valid() && waiting_at_ == word() ? waiting_.get() : kernel::wait_for_packets();
}

Status Store::prepare(State& state, compile::TierImage* main) const {
    // What is about to be written may still be read by packets that came before the last switch.
    if (auto quiet = wait_since_switch(); !quiet) return quiet;
    if (auto made = rule_counters_.make(kFirstFreeCounter); !made) return made;
    if (main != nullptr) {
        if (auto made = buckets_.make(main->bucket_pages); !made) return made;
        const std::uint32_t bank = state.main.tier.bank == kMainBanks[0] ? kMainBanks[1] : kMainBanks[0];
        if (auto written = banks_.write(bank, main->bank.words()); !written) {
            (void)banks_.shrink(bank, spare_pages());
            return written;
        }
        state.main.tier = main->tier;
        state.main.tier.bank = bank;
        state.main.places = main->places;
        state.main.outputs = main->outputs;
        if (auto written = write_routes(bank, main->routes); !written) {
            erase_routes(bank);
            return written;
        }
    }
    if (auto made = make_tables(state); !made) return made;
    // Tests of a policy need none: there the ring decides.
    if (!state.front.vips.empty() && !paths_.directory.empty())
        if (auto made = placed_pages_.make(); !made) return made;
    if (!paths_.directory.empty() &&
        std::any_of(state.front.vips.begin(), state.front.vips.end(),
                    [](const policy::Vip& vip) { return policy::translates(vip.forward); }))
        if (auto made = nat_tables_.make(); !made) return made;
    if (auto given = give_counters(state); !given) return given;
    if (follows_flows(state))
        if (auto made = make_flow_table(flow_pages(state)); !made) return made;
    return write_half(next_half(), state);
}

// Free counters for the live rules that have none: no generation counts there.
Status Store::give_counters(State& state) const {
    auto of_main = main_counters(state.main);
    if (!of_main) return tl::unexpected(of_main.error());
    std::set<std::uint32_t> used(of_main->begin(), of_main->end());
    for (const CountedRule& rule : state.live) used.insert(rule.counter);
    const fw_generation& active = *policy_.at(active_half());
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

// A larger one for a set whose size has grown. In a store that nobody else sees, tests put in few hosts.
Status Store::make_tables(const State& state) const {
    constexpr std::uint32_t kRehearsed = 1000;
    for (std::uint32_t i = 0; i < state.main.dynamic_sets.size(); ++i) {
        const std::string& name = state.main.dynamic_sets[i];
        if (name.empty()) continue;
        const std::uint32_t size = said_of(state, name).size;
        const bool is_private = paths_.directory.empty();
        if (auto made = set_tables_.ensure(i, is_private ? std::min(size, kRehearsed) : size); !made)
            return context(fmt::format("the set \"{}\"", name), made.error());
    }
    return {};
}

// Smaller ones for sets whose size has been lowered, once no trial may bring the larger size back.
void Store::fit_tables() const {
    if (paths_.directory.empty()) return;
    for (const DynamicSet& set : dynamic_sets()) (void)set_tables_.fit(set.number, set.size);
}

// Those of policies that hold no more. When that fails, the next edit tries again.
void Store::forget_unused_sets() const {
    std::set<std::uint32_t> unused;
    const fw_generation& active = *policy_.at(active_half());
    for (std::uint32_t number = 0; number < FW_MAX_SETS; ++number)
        if (active.sets[number].name[0] == '\0' && set_tables_.set(number).key[0] != 0) unused.insert(number);
    (void)forget_members(unused);
}

// A command that was killed may have left some of them.
void Store::erase_routes(std::uint32_t bank) const {
    for (const fw_route_key& key : routes_.keys<fw_route_key>())
        if (key.table == table_of(bank)) (void)routes_.erase(key);
}

Status Store::write_routes(std::uint32_t bank, std::span<const compile::RouteEntry> routes) const {
    erase_routes(bank);
    for (compile::RouteEntry route : routes) {
        route.key.table = table_of(bank);
        if (auto written = routes_.update(route.key, route.next_hop); !written)
            return context("the forwarding table", written.error());
    }
    return {};
}

Status Store::write_half(std::uint32_t half, const State& state) const {
    auto front = compile_front(state);
    if (!front) return tl::unexpected(front.error());
    if (auto made = buckets_.make(front->bucket_pages); !made) return made;
    // Zeros; of its text no more is touched than there is.
    const std::unique_ptr<fw_generation, decltype(&std::free)> generation(
        static_cast<fw_generation*>(std::calloc(1, sizeof(fw_generation))), std::free);
    if (!generation) return fail("no memory for the next generation");
    std::vector<compile::Attachment> attachments;
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled) attachments.push_back({attachment.slot, attachment.names()});
    compile::put_attachments(front->bank, attachments, front->places, state.main.places, *generation);
    if (auto put = put_services(state, front->bank, *generation); !put) return put;
    if (auto text = put_text(state, *generation); !text) return text;
    if (auto written = banks_.write(front_bank(half), front->bank.words()); !written) return written;
    front->tier.bank = front_bank(half);
    generation->tiers[FW_FRONT] = front->tier;
    generation->tiers[FW_MAIN] = state.main.tier;
    generation->default_reason[FW_IN] = default_reason(state.front.defaults.in);
    generation->default_reason[FW_OUT] = default_reason(state.front.defaults.out);
    put_flows(state, *generation);
    generation->disabled_parser_rules = parser_rules_off(state.front);
    put_forwarding(state, front->outputs, *generation);
    if (rewrites(state))
        if (auto written = write_devices(devices_, state); !written) return written;
    copy_generation(*policy_.at(half), *generation);
    return {};
}

// Between the two stores of a trial's end nothing may be written: the callers hold the lock.
void Store::commit(State& state, std::optional<std::chrono::seconds> trial) const {
    state.generation = static_cast<std::uint32_t>(word()) + 1;
    std::uint64_t next = state.generation;
    if (trial) {
        const std::uint64_t end =
            monotonic_now() + static_cast<std::uint64_t>(std::chrono::nanoseconds(*trial).count());
        next |= ((end >> FW_DEADLINE_SHIFT) + 1) << 32;
    }
    set_word(next);
    if (!trial) clean_up(state);
}

void Store::clean_up(const State& state) const {
    clear_unused();
    forget_unchecked(state);
}

Status Store::publish(State& state) const {
    if (auto prepared = prepare(state); !prepared) return prepared;
    commit(state);
    return {};
}

void Store::abandon(const State& prepared) const {
    const std::uint32_t bank = prepared.main.tier.bank;
    if (bank == policy_.at(active_half())->tiers[FW_MAIN].bank) return;
    erase_routes(bank);
    (void)banks_.shrink(bank, spare_pages());
}

// As many as the policy in force has: each change of a map of maps waits for a grace period, which the next
// policy then need not do. With routes none: that a bank has pages says that it may have routes.
std::uint32_t Store::spare_pages() const {
    if (routes_.has_any<fw_route_key>()) return 0;
    const std::uint32_t words = policy_.at(active_half())->tiers[FW_MAIN].words;
    return std::min(kMostSparePages, (words + FW_PAGE_WORDS - 1) / FW_PAGE_WORDS);
}

// The main bank that the generation in force does not read. When that fails, the next edit tries again.
void Store::clear_unused_banks() const {
    const std::uint32_t used = policy_.at(active_half())->tiers[FW_MAIN].bank;
    const std::uint32_t spare = spare_pages();
    for (const std::uint32_t bank : kMainBanks) {
        if (bank == used || !banks_.has_more(bank, spare) || !kernel::wait_for_packets()) continue;
        erase_routes(bank);
        (void)banks_.shrink(bank, spare);
    }
}

// What flows of services are remembered, once there are no such services.
void Store::clear_placed() const {
    const fw_services& now = policy_.at(active_half())->services;
    const bool has_placed = now.backend_count == 0 && placed_pages_.has_any();
    const bool has_nat = now.translates == 0 && nat_tables_.has_any();
    if ((!has_placed && !has_nat) || !kernel::wait_for_packets()) return;
    if (has_placed) (void)placed_pages_.clear();
    if (has_nat) (void)nat_tables_.clear();
}

void Store::clear_unused() const {
    clear_unused_banks();
    clear_placed();
    (void)fit_flow_table();
    forget_unused_sets();
    fit_tables();
}

std::optional<std::chrono::seconds> Store::trial_left() const {
    const std::uint64_t end = trial_end(word());
    const std::uint64_t now = monotonic_now();
    if (end <= now) return std::nullopt;
    return std::chrono::ceil<std::chrono::seconds>(std::chrono::nanoseconds(end - now));
}

bool Store::trial_lapsed() const {
    const std::uint64_t end = trial_end(word());
    return end != 0 && end <= monotonic_now();
}

Status Store::keep_trial() const {
    std::uint64_t seen = word();
    if (!trial_left()) return fail("no policy is on trial", Exit::kConflict);
    // Whoever confirms in the last second may find that the deadline was first.
    set_word(static_cast<std::uint32_t>(seen));
    clear_unused();
    return {};
}

// One generation on and without a deadline, the word names the half that held before the trial.
void Store::end_trial() const {
    set_word(static_cast<std::uint32_t>(word()) + 1);
    clear_unused();
}

}  // namespace fwctl::engine
