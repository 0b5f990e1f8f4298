#include "import/iptables.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "import/conditions.h"
#include "import/flatten.h"
#include "import/iptables_lines.h"
#include "import/iptables_rule.h"
#include "import/notes.h"

namespace fwctl::importer {

namespace {

using policy::Direction;
using policy::Family;

// Where a built-in chain stands on a packet's way.
struct Hook {
    std::string_view table;
    std::string_view chain;
    Direction direction;
    int stage;
    std::string_view label;
};
constexpr std::array kHooks = {
    Hook{"raw", "PREROUTING", Direction::kIn, 0, "raw prerouting"},
    Hook{"filter", "INPUT", Direction::kIn, 1, "input"},
    Hook{"raw", "OUTPUT", Direction::kOut, 0, "raw output"},
    Hook{"filter", "OUTPUT", Direction::kOut, 1, "output"},
};

const Hook* find_hook(std::string_view table, std::string_view chain) {
    const auto* hook = std::find_if(kHooks.begin(), kHooks.end(), [&](const Hook& known) {
        return known.table == table && known.chain == chain;
    });
    return hook == kHooks.end() ? nullptr : hook;
}

// Why the rules of a table or of a built-in chain are left out; empty: they are not.
std::string reason_to_leave(const IptablesTable& table, const IptablesChain& chain) {
    if (table.name == "nat") {
        return "the table nat changes addresses, which fwctl does not";
    }
    if (table.name == "mangle" || table.name == "security") {
        return fmt::format("the table {} changes packets or marks them, which fwctl does not", table.name);
    }
    if (chain.drops && find_hook(table.name, chain.name) == nullptr) {
        return "an interface does not know which packets will be forwarded";
    }
    return "";
}

class Builder {
public:
    Builder(std::string_view file_name, const std::vector<IptablesTable>& tables)
        : file_name_(file_name), tables_(tables) {}

    IptablesRuleset build() {
        for (const IptablesTable& table : tables_) {
            std::map<std::string, std::vector<SourceRule>> rules;
            for (const IptablesRule& rule : table.rules) {
                rules[rule.chain].push_back(read_iptables_rule(rule, table, file_name_, sets_));
            }
            for (const IptablesChain& chain : table.chains) {
                add_chain(table, chain, std::move(rules[chain.name]));
            }
        }
        result_.report.source =
            has(Family::kIpv4) ? has(Family::kIpv6) ? "iptables-save and ip6tables-save" : "iptables-save"
                               : "ip6tables-save";
        result_.report.file_name = file_name_;
        add_differences();
        add_sets();
        return std::move(result_);
    }

private:
    [[nodiscard]] bool has(Family family) const {
        return std::any_of(tables_.begin(), tables_.end(),
                           [family](const IptablesTable& table) { return table.family == family; });
    }

    std::string label(const IptablesTable& table, const IptablesChain& chain) {
        const Hook* hook = find_hook(table.name, chain.name);
        const bool is_second = table.family == Family::kIpv6 && has(Family::kIpv4);
        return fmt::format("{}{}", is_second ? "ip6 " : "",
                           hook == nullptr ? chain.name : std::string(hook->label));
    }

    void add_chain(const IptablesTable& table, const IptablesChain& chain, std::vector<SourceRule> rules) {
        const std::string reason = reason_to_leave(table, chain);
        if (!reason.empty()) {
            leave_out(table, chain, reason, std::move(rules));
            return;
        }
        const std::string key = iptables_chain_key(table, chain.name);
        result_.ruleset.chains[key] = {label(table, chain), std::move(rules)};
        if (const Hook* hook = chain.drops ? find_hook(table.name, chain.name) : nullptr) {
            result_.ruleset.bases.push_back({key,
                                             hook->direction,
                                             hook->stage,
                                             0,
                                             {of_family(table.family)},
                                             *chain.drops ? Verdict::kDrop : Verdict::kAccept,
                                             table.name != "raw"});
        }
    }

    void leave_out(const IptablesTable& table, const IptablesChain& chain, const std::string& reason,
                   std::vector<SourceRule> rules) {
        std::optional<Direction> direction;
        if (table.name != "nat" && chain.name != "FORWARD") {
            direction =
                chain.name == "OUTPUT" || chain.name == "POSTROUTING" ? Direction::kOut : Direction::kIn;
        }
        forwards_ = forwards_ || (table.name == "filter" && chain.name == "FORWARD" &&
                                  (!rules.empty() || chain.drops.value_or(false)));
        for (SourceRule& rule : rules) {
            rule.reason = reason;
            result_.ruleset.outside.push_back({direction, std::move(rule)});
        }
    }

    void add_differences() {
        result_.report.differences = {
            .is_of_host = true,
            .leaves_forward = forwards_,
            .is_whole = true,
            .has_ip = has(Family::kIpv4),
            .has_ip6 = has(Family::kIpv6),
            .other_version = fmt::format(" until the rules of {} are translated too",
                                         has(Family::kIpv4) ? "ip6tables-save" : "iptables-save")};
    }

    void add_sets() {
        for (const auto& [name, original] : sets_.all()) {
            ImportedSet set;
            set.set.name = name;
            set.set.dynamic = true;
            set.comments.push_back(fmt::format(
                "The set {} of ipset. It is empty until it is filled, or until what stands here is replaced "
                "by what `fwctl import ipset` makes of it.",
                original));
            result_.report.sets.push_back(std::move(set));
        }
        if (!sets_.all().empty()) {
            result_.report.warnings.emplace_back(
                "WARNING: rules ask for sets of ipset, whose members are not in this file: see the sets "
                "below, which match nothing yet.");
        }
    }

    std::string file_name_;
    const std::vector<IptablesTable>& tables_;
    SetNames sets_;
    IptablesRuleset result_;
    bool forwards_ = false;
};

}  // namespace

Result<IptablesRuleset> read_iptables_ruleset(std::string_view text, std::string_view file_name,
                                              const Options& options) {
    const auto tables = read_iptables(text, file_name, options.family);
    if (!tables) {
        return tl::unexpected<Error>(tables.error());
    }
    return Builder(file_name, *tables).build();
}

Result<Imported> import_iptables(std::string_view text, std::string_view file_name, const Options& options) {
    const auto read = read_iptables_ruleset(text, file_name, options);
    if (!read) {
        return tl::unexpected<Error>(read.error());
    }
    const auto flat = flatten(read->ruleset);
    if (!flat) {
        return context(std::string(file_name), flat.error());
    }
    return Imported{write_report(read->report, *flat), flat->translated, flat->left_out};
}

}  // namespace fwctl::importer
