#include "compile/tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "compile/classes.h"
#include "compile/ends.h"
#include "compile/leaf.h"
#include "compile/rate.h"
#include "compile/row.h"
#include "compile/ways.h"
#include "policy/builtin.h"
#include "policy/rule.h"

namespace fwctl::compile {
namespace {

using policy::Addresses;
using policy::Rule;

constexpr std::array kSides = {FW_SOURCE, FW_DESTINATION};

// A rule, or a variant of one that names dynamic sets, which its rows ask apart.
struct Clause {
    const Rule* rule = nullptr;
    std::uint32_t priority = 0;
    std::uint32_t counter = 0;
    Ends ends;
    std::vector<Membership> memberships;
};

// What `from` or `to` comes to when dynamic sets are looked at apart: one of several has to hold.
struct Variant {
    std::uint32_t constraint = 0;
    std::vector<Membership> memberships;
};

class Builder {
public:
    Builder(const TierInput& input, SetBlocks& sets)
        : input_(input),
          sets_(sets),
          constraints_{Constraints(sets), Constraints(sets)},
          leaves_(image_.bank, false),
          counting_(image_.bank, true),
          varying_(image_.bank, true),
          conditions_(image_.bank) {}

    Result<TierImage> build();

private:
    void add_clauses(std::size_t index);
    [[nodiscard]] std::vector<Variant> variants(const Addresses& addresses, fw_side side);
    [[nodiscard]] std::vector<Way> ways_of_clauses() const;
    Status make_rows(Checks& checks);
    void put_leaves(const Checks& checks);
    Status put_actions();
    [[nodiscard]] std::vector<std::uint32_t> bucket_pages() const;
    void put_meta();

    const TierInput& input_;
    SetBlocks& sets_;
    TierImage image_;
    std::array<Constraints, FW_SIDES> constraints_;
    Leaves leaves_;
    Leaves counting_;
    Leaves varying_;
    std::vector<RowNumber> varying_rows_;
    Conditions conditions_;
    std::vector<Clause> clauses_;
    std::vector<Way> ways_;                     // of each clause
    std::vector<std::vector<RowNumber>> rows_;  // of each clause
    std::vector<Classes> classes_;              // by side
};

std::vector<Variant> Builder::variants(const Addresses& addresses, fw_side side) {
    Constraints& constraints = constraints_[side];
    const auto membership = [&](const std::string& name, bool negated) {
        return Membership{static_cast<std::uint8_t>(side), input_.dynamic_sets->at(name), negated};
    };
    std::vector<Membership> common;
    for (const std::string& name : addresses.except_sets)
        if (sets_.is_dynamic(name)) common.push_back(membership(name, true));

    std::vector<Variant> all;
    const Addresses except{{}, {}, addresses.except, addresses.except_sets};
    bool has_fixed = !addresses.prefixes.empty();
    for (const std::string& name : addresses.sets) {
        has_fixed = has_fixed || !sets_.is_dynamic(name);
        if (!sets_.is_dynamic(name)) continue;
        Variant variant{constraints.number_of(except), common};
        variant.memberships.push_back(membership(name, false));
        all.push_back(std::move(variant));
    }
    if (has_fixed || all.empty()) all.push_back({constraints.number_of(addresses), common});
    return all;
}

void Builder::add_clauses(std::size_t index) {
    const Rule& rule = input_.rules[index];
    if (policy::judged_by_parser(rule)) return;
    const std::vector<Variant> destinations = variants(rule.to, FW_DESTINATION);
    for (const Variant& from : variants(rule.from, FW_SOURCE)) {
        for (const Variant& to : destinations) {
            Clause clause;
            clause.rule = &rule;
            clause.priority = input_.first_priority + static_cast<std::uint32_t>(index);
            clause.counter = input_.counters[index];
            clause.ends = {from.constraint, to.constraint};
            clause.memberships = from.memberships;
            clause.memberships.insert(clause.memberships.end(), to.memberships.begin(), to.memberships.end());
            clauses_.push_back(std::move(clause));
        }
    }
}

// Rules that only count are found in one list, in their order; the others where they take little room.
std::vector<Way> Builder::ways_of_clauses() const {
    std::vector<Ends> ends;
    for (const Clause& clause : clauses_)
        ends.push_back(policy::goes_on(clause.rule->action) ? Ends{} : clause.ends);
    return choose_ways(ends, classes_[FW_SOURCE], classes_[FW_DESTINATION]);
}

// Whether a row of the rule may hold for one packet of a flow and not for the next that is sent the same way
// past the same attachment (fwctl/bpf/recall.h, which knows that the state of both is the same).
bool varies(const Rule& rule, const std::vector<Membership>& memberships) {
    return rule.rate || rule.expires != 0 || !memberships.empty() ||
           std::any_of(rule.fields.begin(), rule.fields.end(), [](const policy::FieldMatch& match) {
               return match.field != policy::Field::kState && match.field != policy::Field::kSourcePort &&
                      match.field != policy::Field::kEthertype;
           });
}

Status Builder::make_rows(Checks& checks) {
    for (std::size_t i = 0; i < clauses_.size(); ++i) {
        const Clause& clause = clauses_[i];
        const std::uint32_t where = image_.places.number_of(clause.rule->direction, clause.rule->on);
        const std::uint32_t source =
            found_by(ways_[i], FW_SOURCE) ? 0 : checks.number_of(FW_SOURCE, clause.ends.source);
        const std::uint32_t destination = found_by(ways_[i], FW_DESTINATION)
                                              ? 0
                                              : checks.number_of(FW_DESTINATION, clause.ends.destination);
        if (std::max({where, source, destination}) > std::numeric_limits<std::uint16_t>::max())
            return fail(
                fmt::format("rule \"{}\": more than {} different lists of wide address blocks or interfaces",
                            clause.rule->name, std::numeric_limits<std::uint16_t>::max()));
        std::vector<RowNumber> rows;
        for (const policy::Service& service : clause.rule->services) {
            const auto conditions = conditions_.put(*clause.rule, service, clause.memberships);
            if (!conditions) return tl::unexpected(conditions.error());
            fw_row row = row_of(*clause.rule, service);
            row.priority = clause.priority;
            row.rule = clause.counter;
            row.conditions = *conditions;
            row.flags =
                static_cast<std::uint8_t>((clause.rule->rate ? FW_ROW_RATED : 0) |
                                          (clause.rule->action == policy::Action::kLog ? FW_ROW_LOGS : 0));
            row.where = static_cast<std::uint16_t>(where);
            row.checks[FW_SOURCE] = static_cast<std::uint16_t>(source);
            row.checks[FW_DESTINATION] = static_cast<std::uint16_t>(destination);
            if (policy::goes_on(clause.rule->action)) {
                rows.push_back(counting_.add_row(row));
                continue;
            }
            if (varies(*clause.rule, clause.memberships)) {
                row.reason |= FW_ROW_VARIES;
                varying_rows_.push_back(varying_.add_row(row));
            }
            rows.push_back(leaves_.add_row(row));
        }
        rows_.push_back(std::move(rows));
    }
    return {};
}

void Builder::put_leaves(const Checks& checks) {
    std::vector<RowNumber> rest;
    std::vector<RowNumber> counting;
    std::array<Narrow, FW_SIDES> narrow;
    Pairs pairs;
    for (std::size_t i = 0; i < clauses_.size(); ++i) {
        const Clause& clause = clauses_[i];
        if (policy::goes_on(clause.rule->action)) {
            counting.insert(counting.end(), rows_[i].begin(), rows_[i].end());
            continue;
        }
        switch (ways_[i]) {
            case Way::kRest:
                rest.insert(rest.end(), rows_[i].begin(), rows_[i].end());
                break;
            case Way::kSource:
                narrow[FW_SOURCE].add(clause.ends.source, rows_[i]);
                break;
            case Way::kDestination:
                narrow[FW_DESTINATION].add(clause.ends.destination, rows_[i]);
                break;
            case Way::kPair:
                pairs.add(clause.ends, rows_[i]);
                break;
        }
    }
    fw_tier& tier = image_.tier;
    tier.rest = leaves_.put_by_kind(rest);
    tier.going_on = counting_.put(counting);
    tier.varying = varying_.put(varying_rows_);
    const bool finds = std::any_of(ways_.begin(), ways_.end(), [](Way way) { return way != Way::kRest; });
    const bool compares = checks.size(FW_SOURCE) + checks.size(FW_DESTINATION) != 0;
    tier.asks_addresses = (finds ? FW_TIER_FINDS : 0) | (compares ? FW_TIER_COMPARES : 0);
    pairs.put(image_.bank, classes_[FW_SOURCE], classes_[FW_DESTINATION], leaves_, tier);
    for (const fw_side side : kSides)
        tier.addresses[side] =
            put_end(image_.bank, classes_[side], narrow[side], pairs.numbers(side), checks, side, leaves_);
}

Status Builder::put_actions() {
    image_.tier.first_priority = input_.first_priority;
    image_.tier.actions =
        Actions(image_.bank, image_.outputs, input_.dynamic_sets).put(input_.rules, input_.counters);
    image_.bucket_pages = bucket_pages();
    image_.routes = route_entries(input_.routes, image_.outputs);
    if (image_.outputs.names().size() >= FW_MAX_OUTPUTS)
        return fail(fmt::format("rules and routes send to {} interfaces, the limit is {}",
                                image_.outputs.names().size(), FW_MAX_OUTPUTS - 1));
    if (image_.routes.size() > FW_MAX_ROUTES)
        return fail(
            fmt::format("there are {} routes, the limit is {}", image_.routes.size(), +FW_MAX_ROUTES));
    return {};
}

std::vector<std::uint32_t> Builder::bucket_pages() const {
    std::set<std::uint32_t> pages;
    bool has_keyed = false;
    for (std::size_t i = 0; i < input_.rules.size(); ++i) {
        if (!input_.rules[i].rate) continue;
        if (input_.rules[i].rate->per == policy::RatePer::kRule)
            pages.insert(bucket_page(input_.counters[i]));
        else
            has_keyed = true;
    }
    for (std::uint32_t page = FW_RULE_BUCKET_PAGES; has_keyed && page < FW_BUCKET_PAGES; ++page)
        pages.insert(page);
    return {pages.begin(), pages.end()};
}

void Builder::put_meta() {
    fw_tier& tier = image_.tier;
    const std::string places = image_.places.text();
    tier.rule_count = static_cast<std::uint32_t>(input_.rules.size());
    for (const Rule& rule : input_.rules) {
        if (policy::asks_state(rule)) tier.needs |= FW_TIER_FOLLOWS;
        if (policy::rewrites(rule)) tier.needs |= FW_TIER_REWRITES;
    }
    tier.counters = image_.bank.reserve(input_.counters.size(), 1);
    for (std::size_t i = 0; i < input_.counters.size(); ++i)
        image_.bank[tier.counters + static_cast<Address>(i)] = input_.counters[i];
    std::vector<std::uint64_t> names;
    for (const Rule& rule : input_.rules) names.push_back(name_hash(rule.name));
    std::sort(names.begin(), names.end());
    tier.names = image_.bank.reserve(names.size() * 2, 2);
    for (std::size_t i = 0; i < names.size(); ++i)
        image_.bank.set(tier.names + static_cast<Address>(i * 2), names[i]);
    tier.places = image_.bank.put_text(places);
    tier.places_size = static_cast<std::uint32_t>(places.size());
    const std::string outputs = image_.outputs.text();
    tier.outputs = image_.bank.put_text(outputs);
    tier.outputs_size = static_cast<std::uint32_t>(outputs.size());
    tier.words = static_cast<std::uint32_t>(image_.bank.size());
}

Result<TierImage> Builder::build() {
    for (std::size_t i = 0; i < input_.rules.size(); ++i) add_clauses(i);
    for (const fw_side side : kSides) classes_.emplace_back(constraints_[side]);
    ways_ = ways_of_clauses();
    Checks checks;
    if (auto made = make_rows(checks); !made) return tl::unexpected(made.error());
    put_leaves(checks);
    if (auto put = put_actions(); !put) return tl::unexpected(put.error());
    put_meta();
    constexpr std::size_t kBankWords = std::size_t{FW_BANK_PAGES} * FW_PAGE_WORDS;
    if (image_.bank.size() > kBankWords)
        return fail(fmt::format("the compiled policy takes {} MB, the limit is {} MB",
                                image_.bank.size() / 262'144, kBankWords / 262'144));
    return std::move(image_);
}

}  // namespace

Result<TierImage> compile_tier(const TierInput& input, SetBlocks& sets) {
    return Builder(input, sets).build();
}

}  // namespace fwctl::compile
