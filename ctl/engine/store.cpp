#include "engine/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>

#include "compile/compile.h"
#include "kernel/grace.h"
#include "kernel/object.h"
#include "policy/builtin.h"
#include "policy/parse.h"

namespace fwctl::engine {
namespace {

constexpr std::size_t kHalves = 2;

std::uint64_t load(const kernel::MappedArray<fw_control>& control) {
    return std::atomic_ref<__u64>(control.at(0)->generation).load(std::memory_order_acquire);
}

void switch_to(const kernel::MappedArray<fw_control>& control, std::uint64_t generation) {
    std::atomic_ref<__u64>(control.at(0)->generation).store(generation, std::memory_order_release);
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

Result<std::vector<CountedRule>> live_rules(const fw_generation& generation) {
    if (generation.text_size == 0) return std::vector<CountedRule>{};
    const auto parsed = policy::parse_policy({generation.text, generation.text_size}, "live rules");
    if (!parsed) return fail("the live rules in the kernel cannot be read:\n" + parsed.error().render());
    std::vector<CountedRule> rules;
    for (std::size_t i = 0; i < parsed->rules.size(); ++i) {
        CountedRule counted{parsed->rules[i], generation.rules[i].counter};
        counted.rule.expires = generation.rules[i].expires;
        rules.push_back(std::move(counted));
    }
    return rules;
}

// Free counters for the rules that have none, set to zero: the active generation does not count there.
Status give_counters(State& state, const fw_generation& active, const kernel::Map& counters) {
    std::set<std::uint16_t> used;
    for (std::uint16_t i = 0; i < policy::builtin_rules().size(); ++i) used.insert(i);
    for (const CountedRule& rule : state.live) used.insert(rule.counter);
    for (std::uint32_t i = 0; i < active.rule_count; ++i) used.insert(active.rules[i].counter);
    for (CountedRule& rule : state.live) {
        if (rule.counter != kNoCounter) continue;
        std::uint16_t free = 0;
        while (used.contains(free)) ++free;
        if (free >= FW_MAX_RULES) return fail(fmt::format("more rules than the limit of {}", +FW_MAX_RULES));
        if (auto cleared = counters.clear_per_cpu<fw_count>(free); !cleared) return cleared;
        rule.counter = free;
        used.insert(free);
    }
    return {};
}

}  // namespace

std::vector<CountedRule> State::all_rules() const {
    std::vector<CountedRule> all;
    std::uint16_t counter = 0;
    for (policy::Rule& rule : policy::builtin_rules()) all.push_back({std::move(rule), counter++});
    all.insert(all.end(), live.begin(), live.end());
    return all;
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
    std::error_code error;
    std::filesystem::create_directories(paths.directory, error);
    if (error) return fail(fmt::format("cannot make {}: {}", paths.directory, error.message()));
    if (auto made = kernel::create_shared_maps(paths); !made) return tl::unexpected(made.error());
    return open_pins(paths);
}

Result<Store> Store::open_pins(const kernel::StatePaths& paths) {
    Store store;
    store.paths_ = paths;
    auto control = kernel::MappedArray<fw_control>::open(paths.map("control"), 1);
    auto policy = kernel::MappedArray<fw_generation>::open(paths.map("policy"), kHalves);
    auto records = kernel::MappedArray<fw_attachment>::open(paths.map("attachments"), FW_MAX_ATTACHMENTS);
    auto prefixes = kernel::Map::open(paths.map("prefixes"));
    auto rule_counters = kernel::Map::open(paths.map("rule_counters"));
    if (!control) return tl::unexpected(control.error());
    if (!policy) return tl::unexpected(policy.error());
    if (!records) return tl::unexpected(records.error());
    if (!prefixes) return tl::unexpected(prefixes.error());
    if (!rule_counters) return tl::unexpected(rule_counters.error());
    store.control_ = std::move(*control);
    store.policy_ = std::move(*policy);
    store.records_ = std::move(*records);
    store.prefixes_ = std::move(*prefixes);
    store.rule_counters_ = std::move(*rule_counters);
    return store;
}

Result<State> Store::read() const {
    const auto copy = std::make_unique<fw_generation>();
    State state;
    do {  // the half that holds is never written: when the word has not moved, the copy is whole
        state.generation = load(control_);
        std::memcpy(copy.get(), policy_.at(state.generation & 1), sizeof(*copy));
        std::atomic_thread_fence(std::memory_order_acquire);
    } while (load(control_) != state.generation);

    auto live = live_rules(*copy);
    if (!live) return tl::unexpected(live.error());
    state.live = std::move(*live);
    for (std::uint32_t slot = 0; slot < FW_MAX_ATTACHMENTS; ++slot) {
        Attachment attachment;
        attachment.slot = slot;
        attachment.record = *records_.at(slot);
        attachment.enabled = copy->attachments[slot].enabled != 0;
        if (attachment.record.ifindex != 0) state.attachments.push_back(attachment);
    }
    return state;
}

Status Store::publish(State& state) const {
    const std::uint64_t next = load(control_) + 1;
    // The half that is about to be written may still be read by packets that came before the last switch.
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    if (auto given = give_counters(state, *policy_.at((next - 1) & 1), rule_counters_); !given) return given;
    if (auto written = write_half(next, state); !written) return written;
    switch_to(control_, next);
    state.generation = next;
    return {};
}

Status Store::write_half(std::uint64_t generation, const State& state) const {
    compile::Input input;
    for (CountedRule& counted : state.all_rules()) {
        input.rules.push_back(std::move(counted.rule));
        input.counters.push_back(counted.counter);
    }
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled) input.attachments.push_back({attachment.slot, attachment.name()});
    auto image = compile::compile(input);
    if (!image) return tl::unexpected(image.error());

    const auto half = static_cast<std::uint8_t>(generation & 1);
    for (const auto& key : prefixes_.keys<fw_prefix_key>())
        if (key.half == half)
            if (auto erased = prefixes_.erase(key); !erased) return erased;
    for (compile::PrefixEntry& entry : image->prefixes) {
        entry.key.half = half;
        if (auto added = prefixes_.update(entry.key, entry.matches); !added) return added;
    }
    std::memcpy(policy_.at(half), image->generation.get(), sizeof(fw_generation));
    return {};
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

Result<fw_count> Store::rule_count(std::uint16_t counter) const {
    auto values = rule_counters_.per_cpu<fw_count>(counter);
    if (!values) return tl::unexpected(values.error());
    fw_count sum{};
    for (const fw_count& value : *values) {
        sum.packets += value.packets;
        sum.bytes += value.bytes;
    }
    return sum;
}

Result<fw_counters> Store::counters(std::uint32_t slot, fw_direction direction) const {
    auto map = kernel::Map::open(paths_.counters(slot));
    if (!map) return tl::unexpected(map.error());
    auto values = map->per_cpu<fw_counters>(static_cast<std::uint32_t>(direction));
    if (!values) return tl::unexpected(values.error());
    fw_counters sum{};
    for (const fw_counters& value : *values)
        for (std::size_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
            sum.by_reason[reason].packets += value.by_reason[reason].packets;
            sum.by_reason[reason].bytes += value.by_reason[reason].bytes;
        }
    return sum;
}

void remove_state(const kernel::StatePaths& paths) {
    std::error_code ignored;
    // First the map without which the rest is not taken for state.
    std::filesystem::remove(paths.map("attachments"), ignored);
    for (const std::string& name : kernel::list_directory(paths.directory))
        std::filesystem::remove(paths.directory + "/" + name, ignored);
    std::filesystem::remove(paths.directory, ignored);
    std::filesystem::remove(paths.network, ignored);
    std::filesystem::remove(paths.root, ignored);  // stays while another namespace has state
}

bool is_over(const policy::Rule& rule, std::uint64_t now) {
    return rule.expires != 0 && rule.expires <= now;
}

std::uint64_t monotonic_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace fwctl::engine
