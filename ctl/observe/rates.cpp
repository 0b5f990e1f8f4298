#include "observe/rates.h"

#include <string_view>
#include <unordered_map>

#include "engine/verdict.h"

namespace fwctl::observe {
namespace {

// Counters per second.
class Speed {
public:
    explicit Speed(double seconds) : seconds_(seconds) {}

    [[nodiscard]] double of(std::uint64_t before, std::uint64_t after) const {
        const std::uint64_t grown = after < before ? after : after - before;
        return seconds_ > 0 ? static_cast<double>(grown) / seconds_ : 0;
    }
    // Packets and bytes begin anew together.
    template <typename Count>
    [[nodiscard]] Rate rate(const Count& before, const Count& after) const {
        const bool anew = after.packets < before.packets || after.bytes < before.bytes;
        return {of(anew ? 0 : before.packets, after.packets), of(anew ? 0 : before.bytes, after.bytes)};
    }

private:
    double seconds_;
};

template <typename Named>
std::unordered_map<std::string_view, const Named*> by_name(const std::vector<Named>& all) {
    std::unordered_map<std::string_view, const Named*> names;
    for (const Named& one : all) names.emplace(one.name, &one);
    return names;
}

template <typename Named>
const Named* find(const std::unordered_map<std::string_view, const Named*>& names, const Named& one) {
    const auto found = names.find(one.name);
    return found == names.end() ? nullptr : found->second;
}

InterfaceRates rates_of(const InterfaceCounts* before, const InterfaceCounts& after, const Speed& speed) {
    const InterfaceCounts zero;
    const bool is_same = before != nullptr && before->counters_id == after.counters_id;
    const InterfaceCounts& start = is_same ? *before : zero;
    InterfaceRates rates;
    for (std::size_t direction = 0; direction < FW_DIRECTIONS; ++direction)
        for (std::size_t reason = 0; reason < FW_REASON_COUNT; ++reason)
            rates.by_reason[direction][reason] = speed.rate(start.counters[direction].by_reason[reason],
                                                            after.counters[direction].by_reason[reason]);
    return rates;
}

// The names are compared only where another generation holds.
std::vector<Rate> rates_of_rules(const Counts& before, const Counts& after, const Speed& speed) {
    std::vector<Rate> rates(after.rule_counts.size());
    if (before.rules == after.rules) {
        for (std::size_t i = 0; i < rates.size(); ++i)
            rates[i] = speed.rate(before.rule_counts[i], after.rule_counts[i]);
        return rates;
    }
    const auto names = by_name(*before.rules);
    for (std::size_t i = 0; i < rates.size(); ++i)
        if (const NamedRule* same = find(names, (*after.rules)[i]); same != nullptr)
            rates[i] = speed.rate(before.rule_counts[static_cast<std::size_t>(same - before.rules->data())],
                                  after.rule_counts[i]);
    return rates;
}

SetRates rates_of(const SetCounts* before, const SetCounts& after, const Speed& speed) {
    if (before == nullptr) return {};
    return {speed.of(before->banned, after.banned), speed.of(before->replaced, after.replaced),
            speed.of(before->refused, after.refused)};
}

std::vector<BackendRates> rates_of(const ServiceCounts* before, const ServiceCounts& after,
                                   const Speed& speed) {
    std::vector<BackendRates> rates(after.backends.size());
    if (before == nullptr) return rates;
    const auto names = by_name(before->backends);
    for (std::size_t i = 0; i < rates.size(); ++i)
        if (const BackendCounts* same = find(names, after.backends[i]); same != nullptr)
            rates[i] = {speed.rate(same->count, after.backends[i].count),
                        speed.of(same->count.flows, after.backends[i].count.flows)};
    return rates;
}

TrackingRates rates_of(const fw_flow_counts& before, const fw_flow_counts& after, const Speed& speed) {
    return {speed.of(before.opened, after.opened), speed.of(before.confirmed, after.confirmed),
            speed.of(before.displaced, after.displaced), speed.of(before.crowded, after.crowded),
            speed.of(before.busy, after.busy)};
}

double packets_of(const InterfaceRates& rates, bool dropped) {
    double sum = 0;
    for (const auto& direction : rates.by_reason)
        for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason)
            if ((engine::reason_of(reason).verdict == FW_DROP) == dropped) sum += direction[reason].packets;
    return sum;
}

}  // namespace

double InterfaceRates::passed() const {
    return packets_of(*this, false);
}

double InterfaceRates::dropped() const {
    return packets_of(*this, true);
}

Rates rates_between(const Counts& before, const Counts& after) {
    Rates rates;
    rates.seconds = after.clock > before.clock ? static_cast<double>(after.clock - before.clock) / 1e9 : 0;
    const Speed speed(rates.seconds);
    const auto interfaces = by_name(before.interfaces);
    for (const InterfaceCounts& one : after.interfaces)
        rates.interfaces.push_back(rates_of(find(interfaces, one), one, speed));
    rates.rules = rates_of_rules(before, after, speed);
    const auto sets = by_name(before.sets);
    for (const SetCounts& one : after.sets) rates.sets.push_back(rates_of(find(sets, one), one, speed));
    const auto services = by_name(before.services);
    for (const ServiceCounts& one : after.services)
        rates.services.push_back(rates_of(find(services, one), one, speed));
    rates.tracking = rates_of(before.tracking.counts, after.tracking.counts, speed);
    return rates;
}

}  // namespace fwctl::observe
