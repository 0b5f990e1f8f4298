#include "observe/ranking.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "engine/verdict.h"
#include "policy/prefix.h"

namespace fwctl::observe {
namespace {

std::string text(std::string_view view) {
    return std::string(view);
}

Ranking ranking_of_rules(const Counts& counts, const Rates& rates) {
    Ranking ranking{{{"packets_per_second", "PACKETS/S"},
                     {"bytes_per_second", "BYTES/S"},
                     {"packets", "PACKETS"},
                     {"rule", "RULE"},
                     {"says", "SAYS"}},
                    {}};
    for (std::size_t i = 0; i < counts.rule_counts.size(); ++i) {
        const std::uint64_t packets = counts.rule_since_reset(i).packets;
        const Rate& rate = rates.rules[i];
        if (packets == 0 && rate.packets == 0) continue;
        const NamedRule& rule = (*counts.rules)[i];
        ranking.rows.push_back({{rate.packets, rate.bytes, packets, rule.name, rule.says},
                                rate.packets,
                                rate.bytes,
                                packets,
                                rule.name});
    }
    return ranking;
}

Ranking ranking_of_reasons(const Counts& counts, const Rates& rates) {
    Ranking ranking{{{"packets_per_second", "PACKETS/S"},
                     {"bytes_per_second", "BYTES/S"},
                     {"packets", "PACKETS"},
                     {"verdict", "VERDICT"},
                     {"reason", "REASON"},
                     {"interface", "INTERFACE"},
                     {"direction", "DIRECTION"}},
                    {}};
    for (std::size_t i = 0; i < counts.interfaces.size(); ++i)
        for (const fw_direction direction : {FW_IN, FW_OUT}) {
            const fw_counters since = counts.interfaces[i].since_reset(direction);
            for (std::uint8_t number = 0; number < FW_REASON_COUNT; ++number) {
                const std::uint64_t packets = since.by_reason[number].packets;
                const Rate& rate = rates.interfaces[i].by_reason[direction][number];
                if (packets == 0 && rate.packets == 0) continue;
                const engine::Reason& reason = engine::reason_of(number);
                ranking.rows.push_back(
                    {{rate.packets, rate.bytes, packets, text(engine::verdict_name(reason.verdict)),
                      text(reason.name), counts.interfaces[i].name, text(engine::direction_name(direction))},
                     rate.packets,
                     rate.bytes,
                     packets,
                     text(reason.name)});
            }
        }
    return ranking;
}

Ranking ranking_of_talkers(const TalkerRates& talkers) {
    Ranking ranking{{{"packets_per_second", "PACKETS/S"},
                     {"more_per_second", "OR MORE"},
                     {"bytes_per_second", "BYTES/S"},
                     {"dropped_per_second", "DROPPED/S"},
                     {"source", "SOURCE"}},
                    {}};
    for (const engine::Talker& one : talkers.list.talkers) {
        const std::string source = policy::format_prefix(one.source);
        ranking.rows.push_back({{talkers.per_second(one.packets), talkers.per_second(one.more),
                                 talkers.per_second(one.bytes), talkers.per_second(one.dropped), source},
                                talkers.per_second(one.packets),
                                talkers.per_second(one.bytes),
                                one.packets,
                                source});
    }
    return ranking;
}

Ranking ranking_of_services(const Counts& counts, const Rates& rates) {
    Ranking ranking{{{"packets_per_second", "PACKETS/S"},
                     {"bytes_per_second", "BYTES/S"},
                     {"flows_per_second", "NEW/S"},
                     {"active", "ACTIVE"},
                     {"packets", "PACKETS"},
                     {"health", "HEALTH"},
                     {"service", "SERVICE"},
                     {"backend", "BACKEND"}},
                    {}};
    for (std::size_t i = 0; i < counts.services.size(); ++i) {
        const ServiceCounts& service = counts.services[i];
        for (std::size_t j = 0; j < service.backends.size(); ++j) {
            const BackendCounts& backend = service.backends[j];
            const BackendRates& rate = rates.services[i][j];
            ranking.rows.push_back({{rate.rate.packets, rate.rate.bytes, rate.flows, backend.active,
                                     std::uint64_t{backend.count.packets},
                                     text(engine::health_name(backend.health)), service.name, backend.name},
                                    rate.rate.packets,
                                    rate.rate.bytes,
                                    backend.count.packets,
                                    service.name + "/" + backend.name});
        }
    }
    return ranking;
}

Ranking ranking_of_sets(const Counts& counts, const Rates& rates) {
    Ranking ranking{{{"banned_per_second", "BANNED/S"},
                     {"refused_per_second", "REFUSED/S"},
                     {"members", "MEMBERS"},
                     {"size", "SIZE"},
                     {"banned", "BANNED"},
                     {"replaced", "REPLACED"},
                     {"refused", "REFUSED"},
                     {"set", "SET"}},
                    {}};
    for (std::size_t i = 0; i < counts.sets.size(); ++i) {
        const SetCounts& set = counts.sets[i];
        const SetRates& rate = rates.sets[i];
        ranking.rows.push_back({{rate.banned, rate.refused, set.members, set.size, set.banned, set.replaced,
                                 set.refused, set.name},
                                rate.banned,
                                rate.refused,
                                set.members,
                                set.name});
    }
    return ranking;
}

Ranking ranking_of(View view, const Counts& counts, const Rates& rates, const TalkerRates& talkers) {
    switch (view) {
        case View::kRules:
            return ranking_of_rules(counts, rates);
        case View::kReasons:
            return ranking_of_reasons(counts, rates);
        case View::kTalkers:
            return ranking_of_talkers(talkers);
        case View::kServices:
            return ranking_of_services(counts, rates);
        case View::kSets:
            break;
    }
    return ranking_of_sets(counts, rates);
}

bool has_word(const Row& row, const std::string& lower) {
    return std::any_of(row.cells.begin(), row.cells.end(), [&](const Cell& cell) {
        const auto* word = std::get_if<std::string>(&cell);
        return word != nullptr && lower_case(*word).find(lower) != std::string::npos;
    });
}

// What is alike by what was asked for goes on by the rest.
auto key_of(const Row& row, SortBy by) {
    const double first = by == SortBy::kPackets ? row.packets : by == SortBy::kBytes ? row.bytes : 0;
    const bool by_name = by == SortBy::kName;
    return std::tuple(-first, by_name ? row.name : "", by == SortBy::kTotal ? 0 : -row.packets, ~row.total,
                      row.name);
}

}  // namespace

Ranking make_ranking(View view, const Counts& counts, const Rates& rates, const TalkerRates& talkers,
                     SortBy by, const std::string& filter) {
    Ranking ranking = ranking_of(view, counts, rates, talkers);
    const std::string lower = lower_case(filter);
    std::erase_if(ranking.rows, [&](const Row& row) { return !lower.empty() && !has_word(row, lower); });
    std::stable_sort(ranking.rows.begin(), ranking.rows.end(),
                     [by](const Row& one, const Row& other) { return key_of(one, by) < key_of(other, by); });
    return ranking;
}

}  // namespace fwctl::observe
