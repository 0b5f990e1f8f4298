#include "import/nft.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "import/conditions.h"
#include "import/flatten.h"
#include "import/nft_rule.h"
#include "import/nft_sets.h"
#include "import/nft_text.h"
#include "import/notes.h"

namespace fwctl::importer {

namespace {

using policy::Direction;
using policy::Family;

// A hook of the kernel, and where it stands on a packet's way.
struct NftHook {
    std::string_view name;
    Direction direction;
    int stage;
    bool sees_fragments;
};
constexpr std::array kNftHooks = {
    NftHook{"ingress", Direction::kIn, 0, true},       NftHook{"prerouting", Direction::kIn, 1, false},
    NftHook{"input", Direction::kIn, 2, false},        NftHook{"output", Direction::kOut, 0, false},
    NftHook{"postrouting", Direction::kOut, 1, false}, NftHook{"egress", Direction::kOut, 2, true},
};

const NftHook* find_nft_hook(std::string_view name) {
    const auto* hook = std::find_if(kNftHooks.begin(), kNftHooks.end(),
                                    [&](const NftHook& known) { return known.name == name; });
    return hook == kNftHooks.end() ? nullptr : hook;
}

// The kernel begins to follow flows at NF_IP_PRI_CONNTRACK of the first hook for IP.
bool knows_states(const NftHook& hook, int priority) {
    constexpr int kFollows = -200;
    const bool is_first = hook.name == "prerouting" || hook.name == "output";
    return !hook.sees_fragments && (!is_first || priority > kFollows);
}

struct ChainSource {
    NftTable table;
    std::string name;
    const Json* json = nullptr;
    std::vector<const Json*> rules;
};

// "eth0", or several of them.
std::vector<std::string> devices(const Json& chain) {
    std::vector<std::string> names;
    const Json* device = member(chain, "dev");
    if (device != nullptr && device->is_string()) {
        names.push_back(device->get<std::string>());
    }
    for (const Json& name : device != nullptr && device->is_array() ? *device : Json::array()) {
        names.push_back(word_of(name).value_or(""));
    }
    return names;
}

Condition scope_of(const NftTable& table) {
    if (table.family == "netdev") {
        return always();
    }
    return {table.family == "inet" ? of_ip()
                                   : of_family(table.family == "ip" ? Family::kIpv4 : Family::kIpv6)};
}

class NftBuilder {
public:
    explicit NftBuilder(std::string_view file_name) : file_name_(file_name) {}

    NftRuleset build(const Json& objects) {
        for (const Json& object : objects) {
            collect(object);
        }
        for (const std::string& key : order_) {
            add_chain(key, chains_.at(key));
        }
        result_.report.source = "nft list ruleset";
        result_.report.file_name = file_name_;
        result_.report.sets = sets_.sets();
        result_.report.differences = differences_;
        return std::move(result_);
    }

private:
    void collect(const Json& object) {
        const std::string kind = only_key(object);
        const Json& body = kind.empty() ? object : object.at(kind);
        const NftTable table{text_of(body, "family"), text_of(body, "table")};
        if (kind == "table") {
            const Json* flags = member(body, "flags");
            if (flags != nullptr && dump(*flags).find("\"dormant\"") != std::string::npos) {
                dormant_.push_back(table.family + " " + text_of(body, "name"));
            }
        } else if (kind == "set") {
            sets_.add(body);
        } else if (kind == "chain") {
            const std::string name = text_of(body, "name");
            const std::string key = nft_chain_key(table, name);
            if (chains_.emplace(key, ChainSource{table, name, &body, {}}).second) {
                order_.push_back(key);
            }
        } else if (kind == "rule") {
            const auto chain = chains_.find(nft_chain_key(table, text_of(body, "chain")));
            if (chain != chains_.end()) {
                chain->second.rules.push_back(&body);
            }
        }
    }

    // Why the rules of a chain are left out; empty: they are not.
    [[nodiscard]] std::string reason_to_leave(const ChainSource& chain) const {
        const std::string& family = chain.table.family;
        const std::string type = text_of(*chain.json, "type");
        const std::string hook = text_of(*chain.json, "hook");
        if (std::find(dormant_.begin(), dormant_.end(), family + " " + chain.table.name) != dormant_.end()) {
            return "the table is dormant";
        }
        if (family != "ip" && family != "ip6" && family != "inet" && family != "netdev") {
            return fmt::format("tables of the family {} have no counterpart", family);
        }
        if (hook.empty()) {
            return "";
        }
        if (type != "filter" && type != "route") {
            return fmt::format("chains of type {} change addresses, which fwctl does not", type);
        }
        if (hook == "forward") {
            return "an interface does not know which packets will be forwarded";
        }
        if (find_nft_hook(hook) == nullptr) {
            return fmt::format("the hook {} has no counterpart", hook);
        }
        if (find_nft_hook(hook)->sees_fragments && devices(*chain.json).empty()) {
            return "nft -j does not say of which device; translate what it prints without -j";
        }
        return "";
    }

    // As text it has a line, and a column where it is not the first one there.
    [[nodiscard]] std::string place_of(const Json& rule, const ChainSource& chain, std::size_t number) const {
        const Json* line = member(rule, "line");
        const Json* column = member(rule, "column");
        if (line == nullptr || !line->is_number()) {
            return fmt::format("{}: {} {} {}, rule {}", file_name_, chain.table.family, chain.table.name,
                               chain.name, number);
        }
        return column == nullptr ? fmt::format("{}:{}", file_name_, dump(*line))
                                 : fmt::format("{}:{}:{}", file_name_, dump(*line), dump(*column));
    }

    [[nodiscard]] std::vector<SourceRule> rules_of(const ChainSource& chain) const {
        std::vector<SourceRule> rules;
        std::size_t number = 0;
        for (const Json* json : chain.rules) {
            ++number;
            const Json* statements = member(*json, "expr");
            for (SourceRule& rule : read_nft_rule(*json, chain.table, sets_)) {
                rule.place = place_of(*json, chain, number);
                rule.text = text_of(*json, "text");
                if (rule.text.empty() && statements != nullptr) {
                    rule.text = dump(*statements);
                }
                rules.push_back(std::move(rule));
            }
        }
        return rules;
    }

    // The name alone where no other table has one like it.
    [[nodiscard]] std::string label(const ChainSource& chain) const {
        const auto same = std::count_if(chains_.begin(), chains_.end(),
                                        [&](const auto& known) { return known.second.name == chain.name; });
        return same == 1 ? chain.name : nft_chain_key(chain.table, chain.name);
    }

    void add_chain(const std::string& key, const ChainSource& chain) {
        const std::string reason = reason_to_leave(chain);
        const NftHook* hook = find_nft_hook(text_of(*chain.json, "hook"));
        const bool drops = text_of(*chain.json, "policy") == "drop";
        if (!reason.empty()) {
            leave_out(chain, reason);
            return;
        }
        result_.ruleset.chains[key] = {label(chain), rules_of(chain)};
        if (hook == nullptr) {
            return;
        }
        Condition scope = scope_of(chain.table);
        if (hook->sees_fragments) {
            scope = both(scope, on_interfaces(hook->direction, devices(*chain.json), false));
        }
        const Json* json = member(*chain.json, "prio");
        const int priority = json != nullptr && json->is_number_integer() ? json->get<int>() : 0;
        result_.ruleset.bases.push_back({key, hook->direction, hook->stage, priority, scope,
                                         drops ? Verdict::kDrop : Verdict::kAccept,
                                         knows_states(*hook, priority)});
        const bool is_host = hook->name == "input" || hook->name == "output";
        differences_.is_of_host = differences_.is_of_host || is_host;
        differences_.is_whole = differences_.is_whole || !hook->sees_fragments;
        differences_.has_ip = differences_.has_ip || chain.table.family != "ip6";
        differences_.has_ip6 = differences_.has_ip6 || chain.table.family != "ip";
    }

    void leave_out(const ChainSource& chain, const std::string& reason) {
        const bool is_forward = text_of(*chain.json, "hook") == "forward";
        differences_.leaves_forward =
            differences_.leaves_forward ||
            (is_forward && (!chain.rules.empty() || text_of(*chain.json, "policy") == "drop"));
        for (SourceRule& rule : rules_of(chain)) {
            rule.reason = reason;
            const NftHook* hook = find_nft_hook(text_of(*chain.json, "hook"));
            const bool filters = hook != nullptr && hook->sees_fragments;
            result_.ruleset.outside.push_back(
                {filters ? std::optional(hook->direction) : std::nullopt, std::move(rule)});
        }
    }

    std::string file_name_;
    NftSets sets_;
    std::map<std::string, ChainSource> chains_;
    std::vector<std::string> order_;  // of the chains
    std::vector<std::string> dormant_;
    Differences differences_;
    NftRuleset result_;
};

// Deeper than nft writes anything, and shallow enough for what goes through it.
constexpr std::size_t kDeepestJson = 64;

Status check_depth(std::string_view text, std::string_view file_name) {
    std::size_t depth = 0;
    for (const char letter : text) {
        depth += letter == '{' || letter == '[' ? 1 : 0;
        depth -= depth > 0 && (letter == '}' || letter == ']') ? 1 : 0;
        if (depth > kDeepestJson) {
            return fail(
                fmt::format(
                    "{}:1:1: this is not the output of nft list ruleset: it is nested more than {} deep",
                    file_name, kDeepestJson),
                Exit::kUsage);
        }
    }
    return {};
}

// The place of a byte.
std::string place(std::string_view text, std::string_view file_name, std::size_t byte) {
    const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t begin = before.find_last_of('\n');
    const std::size_t column = begin == std::string_view::npos ? before.size() : before.size() - begin - 1;
    return fmt::format("{}:{}:{}", file_name, lines + 1, column + 1);
}

Result<Json> parse_json(std::string_view text, std::string_view file_name) {
    const Status depth = check_depth(text, file_name);
    if (!depth) {
        return tl::unexpected<Error>(depth.error());
    }
    try {
        Json json = Json::parse(text);
        const Json* objects = member(json, "nftables");
        if (objects == nullptr || !objects->is_array()) {
            return fail(
                fmt::format("{}:1:1: this is JSON, but not the output of nft -j list ruleset", file_name),
                Exit::kUsage);
        }
        return json;
    } catch (const Json::parse_error& error) {
        return fail(fmt::format("{}: this is not JSON, as nft -j list ruleset prints it",
                                place(text, file_name, error.byte)),
                    Exit::kUsage);
    }
}

}  // namespace

Result<NftRuleset> read_nft_ruleset(std::string_view text, std::string_view file_name) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const bool is_json = first != std::string_view::npos && text[first] == '{';
    const auto json = is_json ? parse_json(text, file_name) : nft_text_to_json(text, file_name);
    if (!json) {
        return tl::unexpected<Error>(json.error());
    }
    return NftBuilder(file_name).build(json->at("nftables"));
}

Result<Imported> import_nft(std::string_view text, std::string_view file_name) {
    const auto read = read_nft_ruleset(text, file_name);
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
