// What is counted of reasons and rules, for struct Store: since they are there, and since they were reset.
#include <algorithm>
#include <vector>

#include "engine/store.h"

namespace fwctl::engine {
namespace {

Result<fw_counters> sum_of(const kernel::Map& map, std::uint32_t index) {
    auto values = map.per_cpu<fw_counters>(index);
    if (!values) return tl::unexpected(values.error());
    fw_counters sum{};
    for (const fw_counters& value : *values)
        for (std::size_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
            sum.by_reason[reason].packets += value.by_reason[reason].packets;
            sum.by_reason[reason].bytes += value.by_reason[reason].bytes;
        }
    return sum;
}

std::uint32_t base_index(fw_direction direction) {
    return static_cast<std::uint32_t>(FW_COUNTERS_BASES) + static_cast<std::uint32_t>(direction);
}

}  // namespace

Result<fw_counters> all_counters(const kernel::Map& map, fw_direction direction) {
    return sum_of(map, static_cast<std::uint32_t>(direction));
}

Result<fw_counters> base_counters(const kernel::Map& map, fw_direction direction) {
    return sum_of(map, base_index(direction));
}

Status reset_counters(const kernel::Map& map, fw_direction direction, const fw_counters& base) {
    return map.update_first_cpu(base_index(direction), base);
}

fw_count since(const fw_count& base, const fw_count& all) {
    if (base.packets > all.packets || base.bytes > all.bytes) return {};
    return {all.packets - base.packets, all.bytes - base.bytes};
}

fw_counters since(const fw_counters& base, const fw_counters& all) {
    fw_counters counted{};
    for (std::size_t reason = 0; reason < FW_REASON_COUNT; ++reason)
        counted.by_reason[reason] = since(base.by_reason[reason], all.by_reason[reason]);
    return counted;
}

Result<fw_counters> Store::counters(std::uint32_t slot, fw_direction direction) const {
    auto map = kernel::Map::open(paths_.counters(slot));
    if (!map) return tl::unexpected(map.error());
    auto base = base_counters(*map, direction);
    if (!base) return base;
    auto all = all_counters(*map, direction);
    if (!all) return all;
    return since(*base, *all);
}

Result<std::vector<fw_rule_count>> Store::rule_counts(std::span<const std::uint32_t> counters) const {
    auto bases = rule_bases(counters);
    if (!bases) return tl::unexpected(bases.error());
    auto counts = all_rule_counts(counters);
    if (!counts) return counts;
    for (std::size_t i = 0; i < counts->size(); ++i) {
        fw_rule_count& count = (*counts)[i];
        const fw_count counted = since((*bases)[i], {count.packets, count.bytes});
        count.packets = counted.packets;
        count.bytes = counted.bytes;
    }
    return counts;
}

// The base first: should a command be killed between, nothing is subtracted from what is counted next.
Status Store::start_counters(std::span<const std::uint32_t> counters) const {
    if (counters.empty()) return {};
    if (auto made = rule_counters_.make(*std::max_element(counters.begin(), counters.end()) + 1); !made)
        return made;
    if (auto cleared = rule_bases_.clear(counters); !cleared) return cleared;
    return rule_counters_.clear(counters);
}

}  // namespace fwctl::engine
