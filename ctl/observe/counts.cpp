#include "observe/counts.h"

#include <tuple>
#include <utility>

#include "engine/clock.h"
#include "engine/flows.h"
#include "engine/library.h"
#include "engine/lock.h"
#include "engine/running.h"
#include "policy/print.h"

namespace fwctl::observe {
namespace {

using engine::Store;

NamedRule named(const policy::Rule& rule, std::uint32_t counter) {
    return {0, rule.name, rule.origin, rule.action, policy::describe(rule), counter};
}

Result<NamedRules> rules_of_main(const Store& store, const engine::MainTier& main) {
    auto library = engine::Library::open();
    if (!library) return tl::unexpected(library.error());
    auto running = engine::load_running(*library, main);
    if (!running) return tl::unexpected(running.error());
    auto counters = store.main_counters(main);
    if (!counters) return tl::unexpected(counters.error());
    const std::vector<policy::Rule>& rules = running->policy.rules;
    if (counters->size() != rules.size())
        return fail("the kept policy is not the one that is running; apply the policy again");
    NamedRules all;
    for (std::size_t i = 0; i < rules.size(); ++i) all.push_back(named(rules[i], (*counters)[i]));
    return all;
}

Result<InterfaceCounts> read_interface(const Store& store, const engine::Attachment& attachment) {
    InterfaceCounts counts;
    counts.name = attachment.name();
    counts.slot = attachment.slot;
    auto map = kernel::Map::open(store.paths().counters(attachment.slot));
    if (!map) return tl::unexpected(map.error());
    counts.counters_id = map->id();
    for (const fw_direction direction : {FW_IN, FW_OUT}) {
        auto base = engine::base_counters(*map, direction);
        if (!base) return tl::unexpected(base.error());
        auto all = engine::all_counters(*map, direction);
        if (!all) return tl::unexpected(all.error());
        counts.bases[direction] = *base;
        counts.counters[direction] = *all;
    }
    return counts;
}

// Hosts are looked at one by one, as those whose time is over may stand there for long. Blocks are too dear
// for that.
Result<SetCounts> read_set(const Store& store, const engine::DynamicSet& set) {
    const fw_set& held = store.set_tables().set(set.number);
    const engine::SetMembers members = store.members(set);
    SetCounts counts{set.name, 0, set.size, held.put, held.replaced, held.refused + held.busy};
    if (members.most() == 0) return counts;
    const engine::BlockCounts blocks(std::size_t{FW_MAX_SETS} * 2, held.prefixes);
    auto count = members.count(blocks);
    if (!count) return tl::unexpected(count.error());
    counts.members = *count;
    return counts;
}

Result<std::vector<ServiceCounts>> read_services(const Store& store, const std::vector<policy::Vip>& vips,
                                                 const compile::Numbers& numbers) {
    std::vector<ServiceCounts> services;
    if (vips.empty()) return services;
    auto placed = engine::count_placed(store, vips, numbers);
    if (!placed) return tl::unexpected(placed.error());
    for (const policy::Vip& vip : vips) {
        ServiceCounts service{vip.name, {}, {}};
        std::vector<engine::BackendHealth> health;
        for (const policy::Backend& backend : vip.backends) {
            const std::uint16_t number = numbers.backend(vip.name, backend.name);
            auto count = store.backend_count(number);
            if (!count) return tl::unexpected(count.error());
            health.push_back(engine::health_of(vip, store.condition(number)));
            service.backends.push_back({backend.name, health.back(), *count, placed->of(number).all()});
        }
        service.health = engine::health_of(vip, health);
        services.push_back(std::move(service));
    }
    return services;
}

Result<TrackingCounts> read_tracking(const Store& store) {
    auto counts = store.flow_counts();
    if (!counts) return tl::unexpected(counts.error());
    auto flows = engine::count_flows(store);
    if (!flows) return tl::unexpected(flows.error());
    return TrackingCounts{store.flow_room(), flows->confirmed, flows->fresh, *counts};
}

}  // namespace

// What is read when another generation holds.
struct CountReader::Known {
    std::optional<kernel::TickClock> ticks;  // with another store
    std::optional<Store::Holding> holding;
    std::vector<engine::Attachment> attachments;
    std::vector<policy::Vip> vips;
    compile::Numbers numbers;
    std::vector<engine::DynamicSet> sets;
    std::shared_ptr<const NamedRules> rules;  // nullptr: nobody has wanted to see any
    std::vector<std::uint32_t> counters;      // of the rules
    std::optional<NamedRules> main;           // the policy's own, and of which policy
    std::tuple<std::string, std::uint32_t, std::uint32_t> main_of;

    Status name_rules(const Store& store, const engine::State& state);
};

CountReader::CountReader() : known_(std::make_unique<Known>()) {}
CountReader::~CountReader() = default;
CountReader::CountReader(CountReader&&) noexcept = default;
CountReader& CountReader::operator=(CountReader&&) noexcept = default;

fw_backend_count ServiceCounts::sum() const {
    fw_backend_count sum{};
    for (const BackendCounts& backend : backends) {
        sum.packets += backend.count.packets;
        sum.bytes += backend.count.bytes;
        sum.flows += backend.count.flows;
    }
    return sum;
}

std::uint64_t ServiceCounts::active() const {
    std::uint64_t sum = 0;
    for (const BackendCounts& backend : backends) sum += backend.active;
    return sum;
}

fw_count Counts::rule_since_reset(std::size_t rule) const {
    return engine::since(rule_bases.at(rule), {rule_counts.at(rule).packets, rule_counts.at(rule).bytes});
}

std::optional<std::chrono::system_clock::time_point> Counts::last_hit(std::size_t rule) const {
    if (rule_counts.at(rule).last == 0) return std::nullopt;
    const std::uint64_t last = ticks.time_of(rule_counts.at(rule).last);
    const std::chrono::nanoseconds ago(clock > last ? clock - last : 0);
    return time - std::chrono::duration_cast<std::chrono::system_clock::duration>(ago);
}

Status CountReader::find_store() {
    auto found = store_.find();
    if (!found) return tl::unexpected(found.error());
    if (*found) known_ = std::make_unique<Known>();
    if (known_->ticks) return {};
    auto ticks = kernel::TickClock::read();
    if (!ticks) return tl::unexpected(ticks.error());
    known_->ticks = *ticks;
    return {};
}

// A live edit leaves the policy's own rules as they are: only the others are put into words again.
Status CountReader::Known::name_rules(const Store& store, const engine::State& state) {
    const auto of = std::tuple(state.main.snapshot, state.main.tier.bank, state.main.tier.words);
    if (!main || main_of != of) {
        auto read = rules_of_main(store, state.main);
        if (!read) return tl::unexpected(read.error());
        main = std::move(*read);
        main_of = of;
    }
    auto all = std::make_shared<NamedRules>();
    for (const engine::CountedRule& counted : state.front_rules())
        all->push_back(named(counted.rule, counted.counter));
    all->insert(all->end(), main->begin(), main->end());
    counters.clear();
    for (NamedRule& rule : *all) {
        counters.push_back(rule.counter);
        rule.number = counters.size();
    }
    rules = std::move(all);
    return {};
}

// Should another generation take its place meanwhile, the next look reads it all again.
Status CountReader::know(const Parts& parts) {
    const Store::Holding holding = store_->holding();
    if (known_->holding == holding && (known_->rules || !parts.rules)) return {};
    known_->holding.reset();
    known_->rules = nullptr;
    auto state = store_->read();
    if (!state) return tl::unexpected(state.error());
    auto running = store_->running_services();
    if (!running) return tl::unexpected(running.error());
    if (parts.rules)
        if (auto done = known_->name_rules(*store_, *state); !done) return done;
    known_->attachments = std::move(state->attachments);
    known_->vips = std::move(state->front.vips);
    known_->numbers = std::move(running->numbers);
    known_->sets = store_->dynamic_sets();
    known_->holding = holding;
    return {};
}

Status CountReader::count_packets(const Parts& parts, Counts& counts) const {
    for (const engine::Attachment& attachment : known_->attachments) {
        if (!attachment.enabled) continue;
        auto interface = read_interface(*store_, attachment);
        if (!interface) return tl::unexpected(interface.error());
        counts.interfaces.push_back(std::move(*interface));
    }
    if (!parts.rules) return {};
    auto bases = store_->rule_bases(known_->counters);
    if (!bases) return tl::unexpected(bases.error());
    auto all = store_->all_rule_counts(known_->counters);
    if (!all) return tl::unexpected(all.error());
    counts.rules = known_->rules;
    counts.rule_bases = std::move(*bases);
    counts.rule_counts = std::move(*all);
    return {};
}

Status CountReader::count_tables(const Parts& parts, Counts& counts) const {
    for (const engine::DynamicSet& one : parts.sets ? known_->sets : std::vector<engine::DynamicSet>{}) {
        auto set = read_set(*store_, one);
        if (!set) return tl::unexpected(set.error());
        counts.sets.push_back(std::move(*set));
    }
    if (parts.services) {
        auto services = read_services(*store_, known_->vips, known_->numbers);
        if (!services) return tl::unexpected(services.error());
        counts.services = std::move(*services);
    }
    if (!parts.tracking) return {};
    auto tracking = read_tracking(*store_);
    if (!tracking) return tl::unexpected(tracking.error());
    counts.tracking = *tracking;
    return {};
}

Result<Counts> CountReader::look(const Parts& parts) {
    if (auto known = know(parts); !known) return tl::unexpected(known.error());
    Counts counts;
    counts.ticks = *known_->ticks;
    counts.generation = static_cast<std::uint32_t>(known_->holding->first);
    if (auto counted = count_packets(parts, counts); !counted) return tl::unexpected(counted.error());
    // Behind what rates are made of, and before what may take a while.
    counts.time = std::chrono::system_clock::now();
    counts.clock = engine::monotonic_now();
    if (auto counted = count_tables(parts, counts); !counted) return tl::unexpected(counted.error());
    return counts;
}

// What was read while another generation took its place may be of neither.
Result<Counts> CountReader::read(const Parts& parts) {
    constexpr int kTries = 100;
    for (int tries = 0; tries < kTries; ++tries) {
        if (auto found = find_store(); !found) return tl::unexpected(found.error());
        const Store::Holding holding = store_->holding();
        auto counts = look(parts);
        if (store_.is_there() && store_->holding() == holding) return counts;
    }
    return fail("the policy changes faster than its counters can be read", Exit::kConflict);
}

Status CountReader::store_bases(const Counts& counts, const InterfaceFilter& is_meant, bool rules) const {
    for (const InterfaceCounts& interface : counts.interfaces) {
        if (!is_meant(interface.name)) continue;
        auto map = kernel::Map::open(store_->paths().counters(interface.slot));
        if (!map) return tl::unexpected(map.error());
        for (const fw_direction direction : {FW_IN, FW_OUT})
            if (auto stored = engine::reset_counters(*map, direction, interface.counters[direction]); !stored)
                return stored;
    }
    return rules ? store_->reset_rules(known_->counters, counts.rule_counts) : Status{};
}

Result<Counts> CountReader::reset(const InterfaceFilter& is_meant, bool rules) {
    if (auto found = find_store(); !found) return tl::unexpected(found.error());
    auto lock = engine::Lock::acquire(store_->paths());
    if (!lock) return tl::unexpected(lock.error());
    auto counts = read(kRulesAlone);
    if (!counts) return counts;
    if (auto stored = store_bases(*counts, is_meant, rules); !stored) return tl::unexpected(stored.error());
    return counts;
}

}  // namespace fwctl::observe
