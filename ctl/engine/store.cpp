#include "engine/store.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "fwctl/abi/mark.h"
#include "kernel/grace.h"
#include "kernel/object.h"
#include "policy/builtin.h"
#include "policy/parse.h"

namespace fwctl::engine {
namespace {

constexpr std::size_t kHalves = 2;

// Whether no two of the marks that it makes are the same, and none is that of most packets, 0.
bool is_fit(std::uint64_t secret) {
    const auto answers = static_cast<std::uint32_t>(secret);
    const std::uint32_t checks = fw_check_mark(secret, 0);
    return answers != 0 && checks >= FW_MAX_BACKENDS && (checks ^ answers) >= FW_MAX_BACKENDS;
}

// One that nobody can guess.
std::uint64_t new_secret() {
    std::uint64_t secret = 0;
    while (!is_fit(secret))
        if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret)) secret = 0;
    return secret;
}

// The keys of flows' hashes.
void fill_randomly(std::span<__u64> keys) {
    while (getrandom(keys.data(), keys.size_bytes(), 0) != static_cast<ssize_t>(keys.size_bytes())) {
    }
}

// Another layout's state in this namespace: never read, never reset.
Status refuse_other_layouts(const kernel::StatePaths& paths) {
    for (const std::string& name : kernel::list_directory(paths.network)) {
        const std::string path = paths.network + "/" + name;
        if (path == paths.directory) continue;
        return fail(
            fmt::format(
                "another version of fwctl is at work here (its state is {}); detach with that version first",
                path),
            Exit::kConflict);
    }
    return {};
}

}  // namespace

// The text has room for much more than there is, most often.
void copy_generation(fw_generation& to, const fw_generation& from) {
    const std::size_t text = std::min<std::size_t>(from.text_size, sizeof(from.text) - 1);
    std::memcpy(&to, &from, offsetof(fw_generation, text));
    std::memcpy(to.text, from.text, text);
    to.text[text] = '\0';
}

namespace {

// The live rules, and what of the policy stands before them.
Status read_front(const fw_generation& generation, State& state) {
    if (generation.text_size == 0) return {};
    auto parsed = policy::parse_policy({generation.text, generation.text_size}, "live rules");
    if (!parsed) return fail("the live rules in the kernel cannot be read:\n" + parsed.error().render());
    const std::uint64_t now = monotonic_now();
    for (std::size_t i = 0; i < parsed->rules.size(); ++i) {
        CountedRule counted{std::move(parsed->rules[i]), generation.rules[i].counter};
        counted.rule.expires = generation.rules[i].expires;
        if (is_over(counted.rule, now)) continue;
        counted.rule.origin = policy::Origin::kLive;
        state.live.push_back(std::move(counted));
    }
    parsed->rules.clear();
    state.front = std::move(*parsed);
    return {};
}

Status read_main(const fw_generation& generation, const kernel::Banks& banks, MainTier& main) {
    main.tier = generation.tiers[FW_MAIN];
    main.snapshot = generation.snapshot;
    for (const fw_set_state& set : generation.sets) main.dynamic_sets.emplace_back(set.name);
    while (!main.dynamic_sets.empty() && main.dynamic_sets.back().empty()) main.dynamic_sets.pop_back();
    if (main.tier.words == 0) return {};
    auto words = banks.read(main.tier.bank, main.tier.places, (main.tier.places_size + 3) / 4);
    if (!words) return tl::unexpected(words.error());
    main.places =
        compile::Places::parse({reinterpret_cast<const char*>(words->data()), main.tier.places_size});
    words = banks.read(main.tier.bank, main.tier.outputs, (main.tier.outputs_size + 3) / 4);
    if (!words) return tl::unexpected(words.error());
    main.outputs =
        compile::Outputs::parse({reinterpret_cast<const char*>(words->data()), main.tier.outputs_size});
    return {};
}

// All pins of the namespace. The directory of all state stays: it has the lock.
void remove_pins(const kernel::StatePaths& paths) {
    std::error_code ignored;
    // First the map without which the rest is not taken for state.
    std::filesystem::remove(paths.map("attachments"), ignored);
    for (const std::string& name : kernel::list_directory(paths.directory))
        std::filesystem::remove(paths.directory + "/" + name, ignored);
    std::filesystem::remove(paths.directory, ignored);
    std::filesystem::remove(paths.network, ignored);
}

}  // namespace

std::vector<CountedRule> State::front_rules() const {
    std::vector<policy::Rule> rules;
    std::map<std::string, std::uint32_t> counters;
    for (const CountedRule& counted : live) {
        rules.push_back(counted.rule);
        counters[counted.rule.name] = counted.counter;
    }
    std::uint32_t next = 0;
    for (const policy::Rule& rule : policy::builtin_rules()) counters[rule.name] = next++;
    counters["lockout"] = next++;
    counters["lockout-replies"] = next++;

    std::vector<CountedRule> all;
    for (policy::Rule& rule : policy::effective_rules(front, rules)) {
        const std::uint32_t counter = counters.at(rule.name);
        all.push_back({std::move(rule), counter});
    }
    return all;
}

std::vector<std::string> Attachment::names() const {
    return label().empty() || label() == name() ? std::vector{name()} : std::vector{label(), name()};
}

const Attachment* State::find(const std::string& name) const {
    const auto found = std::find_if(attachments.begin(), attachments.end(),
                                    [&](const Attachment& attachment) { return attachment.name() == name; });
    return found == attachments.end() ? nullptr : &*found;
}

Result<std::optional<Store>> Store::open(const kernel::StatePaths& paths) {
    if (auto only = refuse_other_layouts(paths); !only) return tl::unexpected(only.error());
    // `attachments` is the last map that create() pins, so that what a killed one left is not taken for
    // state.
    if (access(paths.map("attachments").c_str(), F_OK) != 0) {
        if (errno == ENOENT) return std::nullopt;
        return fail(fmt::format("cannot read {}: {}", paths.directory, strerror(errno)),
                    errno == EACCES ? Exit::kNoPrivilege : Exit::kFailed);
    }
    auto store = open_pins(paths);
    if (!store) return tl::unexpected(store.error());
    return std::optional<Store>(std::move(*store));
}

Result<Store> Store::create(const kernel::StatePaths& paths) {
    if (auto only = refuse_other_layouts(paths); !only) return tl::unexpected(only.error());
    if (access(paths.map("attachments").c_str(), F_OK) == 0) return open_pins(paths);
    // Pins of a command that was killed while it made or removed them: an old policy, or half of one.
    remove_pins(paths);
    std::error_code error;
    std::filesystem::create_directories(paths.directory, error);
    if (error) return fail(fmt::format("cannot make {}: {}", paths.directory, error.message()));
    if (auto made = kernel::create_shared_maps(paths); !made) return tl::unexpected(made.error());
    return open_pins(paths);
}

Result<Store> Store::create_private() {
    auto maps = kernel::SharedMaps::make();
    if (!maps) return tl::unexpected(maps.error());
    return of(std::move(*maps));
}

Result<Store> Store::open_pins(const kernel::StatePaths& paths) {
    auto maps = kernel::SharedMaps::open(paths);
    if (!maps) return tl::unexpected(maps.error());
    auto store = of(std::move(*maps));
    if (store) store->paths_ = paths;
    return store;
}

Result<Store> Store::of(kernel::SharedMaps maps) {
    auto control = kernel::MappedArray<fw_control>::of(std::move(maps.control), 1);
    auto policy = kernel::MappedArray<fw_generation>::of(std::move(maps.policy), kHalves);
    auto set_tables = SetTables::of(std::move(maps.sets), std::move(maps.set_pages));
    if (!set_tables) return tl::unexpected(set_tables.error());
    auto records = kernel::MappedArray<fw_attachment>::of(std::move(maps.attachments), FW_MAX_ATTACHMENTS);
    auto conditions = kernel::MappedArray<fw_conditions>::of(std::move(maps.conditions), 1);
    auto checks = kernel::MappedArray<fw_checks>::of(std::move(maps.checks), 1);
    auto listeners = kernel::MappedArray<fw_listeners>::of(std::move(maps.listeners), 1);
    if (!listeners) return tl::unexpected(listeners.error());
    if (!conditions) return tl::unexpected(conditions.error());
    if (!checks) return tl::unexpected(checks.error());
    if (!control) return tl::unexpected(control.error());
    if (!policy) return tl::unexpected(policy.error());
    if (!records) return tl::unexpected(records.error());
    Store store;
    store.control_ = std::move(*control);
    store.policy_ = std::move(*policy);
    store.records_ = std::move(*records);
    fw_control& held = *store.control_.at(0);
    store.banks_ = kernel::Banks({std::move(maps.pages), held.pages});
    store.set_tables_ = std::move(*set_tables);
    store.members_ = std::move(maps.members);
    store.routes_ = std::move(maps.routes);
    store.devices_ = std::move(maps.devices);
    store.answers_ = std::move(maps.answers);
    store.flow_pages_ = kernel::FlowPages({std::move(maps.flow_pages), held.flow_pages});
    store.flow_counts_ = std::move(maps.flow_counts);
    store.placed_pages_ = kernel::PlacedPages({std::move(maps.placed_pages), held.placed_pages});
    store.nat_tables_ = kernel::NatTables({std::move(maps.nat_flows), held.nat_flows});
    store.service_states_ = std::move(maps.service_states);
    store.backend_counts_ = std::move(maps.backend_counts);
    store.conditions_ = std::move(*conditions);
    store.checks_ = std::move(*checks);
    store.fragment_ways_ = std::move(maps.fragment_ways);
    store.rule_counters_ = kernel::CounterPages({std::move(maps.rule_counters), held.counter_pages});
    store.rule_bases_ = kernel::RuleBases({std::move(maps.rule_bases), held.rule_bases});
    store.buckets_ = kernel::BucketPages({std::move(maps.buckets), held.bucket_pages});
    store.listeners_ = std::move(*listeners);
    store.event_rings_ = std::move(maps.event_rings);
    store.capture_rooms_ = std::move(maps.capture_rooms);
    store.talker_tables_ = std::move(maps.talker_tables);
    store.events_lost_ = std::move(maps.events_lost);
    if (held.secret == 0) {
        fill_randomly(held.flows.keys);
        held.secret = new_secret();
    }
    return store;
}

kernel::SharedMaps::Descriptors Store::maps() const {
    return {{{"control", control_.map().fd()},
             {"policy", policy_.map().fd()},
             {"pages", banks_.map().fd()},
             {"sets", set_tables_.sets_map().fd()},
             {"set_pages", set_tables_.pages_map().fd()},
             {"members", members_.fd()},
             {"routes", routes_.fd()},
             {"devices", devices_.fd()},
             {"answers", answers_.fd()},
             {"flow_pages", flow_pages_.map().fd()},
             {"flow_counts", flow_counts_.fd()},
             {"placed_pages", placed_pages_.map().fd()},
             {"nat_flows", nat_tables_.map().fd()},
             {"service_states", service_states_.fd()},
             {"backend_counts", backend_counts_.fd()},
             {"conditions", conditions_.map().fd()},
             {"checks", checks_.map().fd()},
             {"fragment_ways", fragment_ways_.fd()},
             {"rule_counters", rule_counters_.map().fd()},
             {"rule_bases", rule_bases_.map().fd()},
             {"buckets", buckets_.map().fd()},
             {"listeners", listeners_.map().fd()},
             {"event_rings", event_rings_.fd()},
             {"capture_rooms", capture_rooms_.fd()},
             {"talker_tables", talker_tables_.fd()},
             {"events_lost", events_lost_.fd()},
             {"attachments", records_.map().fd()}}};
}

std::uint64_t Store::word() const {
    return std::atomic_ref<__u64>(control_.at(0)->word).load(std::memory_order_acquire);
}

void Store::set_word(std::uint64_t word) const {
    std::atomic_ref<__u64>(control_.at(0)->word).store(word, std::memory_order_release);
}

std::uint32_t Store::active_half() const {
    return fw_half_of(word(), monotonic_now());
}

Result<State> Store::read() const {
    const auto copy = std::make_unique_for_overwrite<fw_generation>();
    State state;
    std::uint64_t seen = 0;
    do {  // the half that holds is never written: when the word has not moved, the copy is whole
        seen = word();
        copy_generation(*copy, *policy_.at(active_half()));
        std::atomic_thread_fence(std::memory_order_acquire);
    } while (word() != seen);
    state.generation = static_cast<std::uint32_t>(seen);
    if (auto rules = read_front(*copy, state); !rules) return tl::unexpected(rules.error());
    if (auto main = read_main(*copy, banks_, state.main); !main) return tl::unexpected(main.error());
    for (std::uint32_t slot = 0; slot < FW_MAX_ATTACHMENTS; ++slot) {
        Attachment attachment;
        attachment.slot = slot;
        attachment.record = *records_.at(slot);
        attachment.enabled = copy->attachments[slot].enabled != 0;
        std::copy_n(std::begin(copy->attachments[slot].mac), attachment.mac.size(), attachment.mac.begin());
        if (attachment.record.ifindex != 0) state.attachments.push_back(attachment);
    }
    return state;
}

// The ifindex is what makes a record valid: written last, erased first. A record that is valid stays so while
// it is changed.
void Store::write_record(const Attachment& attachment) const {
    fw_attachment* record = records_.at(attachment.slot);
    fw_attachment rest = attachment.record;
    rest.ifindex = record->ifindex;
    *record = rest;
    std::atomic_ref<__u32>(record->ifindex).store(attachment.record.ifindex, std::memory_order_release);
}

void Store::erase_record(std::uint32_t slot) const {
    fw_attachment* record = records_.at(slot);
    std::atomic_ref<__u32>(record->ifindex).store(0, std::memory_order_release);
    *record = fw_attachment{};
}

Result<std::vector<std::uint32_t>> Store::main_counters(const MainTier& main) const {
    return banks_.read(main.tier.bank, main.tier.counters, main.tier.rule_count);
}

Result<bool> Store::main_has_rule(const MainTier& main, const std::string& name) const {
    if (main.tier.words == 0) return false;
    auto words = banks_.read(main.tier.bank, main.tier.names, std::size_t{main.tier.rule_count} * 2);
    if (!words) return tl::unexpected(words.error());
    std::vector<std::uint64_t> hashes(main.tier.rule_count);
    std::memcpy(hashes.data(), words->data(), hashes.size() * sizeof(std::uint64_t));
    return std::binary_search(hashes.begin(), hashes.end(), compile::name_hash(name));
}

Status Store::forget_members(const std::set<std::uint32_t>& sets) const {
    if (sets.empty()) return {};
    const bool has_prefixes = std::any_of(sets.begin(), sets.end(), [&](std::uint32_t number) {
        const fw_set& set = set_tables_.set(number);
        return set.prefixes != 0 || set.editing != 0;
    });
    if (auto dropped = set_tables_.drop({sets.begin(), sets.end()}); !dropped) return dropped;
    if (!has_prefixes) return {};
    for (const auto& key : members_.keys<fw_member_key>())
        if (sets.contains(key.set / 2U))
            if (auto erased = members_.erase(key); !erased) return erased;
    return {};
}

std::vector<DynamicSet> Store::dynamic_sets() const {
    std::vector<DynamicSet> sets;
    std::uint64_t seen = 0;
    do {  // as in read()
        seen = word();
        sets.clear();
        const fw_generation& generation = *policy_.at(active_half());
        for (std::uint32_t number = 0; number < FW_MAX_SETS; ++number) {
            const fw_set_state set = generation.sets[number];
            if (set.name[0] != '\0')
                sets.push_back({number, set.name, std::chrono::seconds(set.timeout), set.size});
        }
        std::atomic_thread_fence(std::memory_order_acquire);
    } while (word() != seen);
    return sets;
}

SetMembers Store::members(const DynamicSet& set) const {
    return {set_tables_, members_, set.number, set.size};
}

Result<BlockCounts> Store::block_counts() const {
    return BlockTrie(members_).counts(monotonic_now());
}

void remove_state(const kernel::StatePaths& paths) {
    std::error_code ignored;
    remove_pins(paths);
    std::filesystem::remove(paths.root, ignored);  // stays while another namespace has state
}

bool is_over(const policy::Rule& rule, std::uint64_t now) {
    return rule.expires != 0 && rule.expires <= now;
}

}  // namespace fwctl::engine
