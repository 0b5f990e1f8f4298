#include "import/nft_rule.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "import/conditions.h"
#include "import/nft_names.h"
#include "import/rates.h"
#include "policy/service.h"

namespace fwctl::importer {

namespace {

using policy::Family;

// Statements that end the rule in a way that is not translated.
constexpr std::array<std::string_view, 8> kEndings = {"queue", "tproxy",     "fwd",      "dnat",
                                                      "snat",  "masquerade", "redirect", "synproxy"};

// Rules for the keys of a verdict map that have the same verdict.
struct Group {
    Json verdict;
    Json keys = Json::array();
};

// In the order of the map; nullopt: it is none that is written out, or has a key for all else, which overlaps
// the others.
std::optional<std::vector<Group>> groups_of(const Json& vmap) {
    const Json* data = member(vmap, "data");
    const Json* pairs = data == nullptr ? nullptr : member(*data, "set");
    if (pairs == nullptr || !pairs->is_array()) {
        return std::nullopt;
    }
    std::vector<Group> groups;
    for (const Json& pair : *pairs) {
        if (!pair.is_array() || pair.size() != 2 || nft_element(pair[0]) == "*") {
            return std::nullopt;
        }
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group& known) { return known.verdict == pair[1]; });
        if (group == groups.end()) {
            group = groups.insert(groups.end(), Group{pair[1]});
        }
        group->keys.push_back(pair[0]);
    }
    return groups;
}

// Whether known connections are among what is asked for.
bool asks_for_replies(const Condition& condition) {
    return std::any_of(condition.begin(), condition.end(), [](const Match& match) {
        return match.asks(Axis::kState) &&
               match[Axis::kState].contains(static_cast<Number>(policy::FlowState::kEstablished));
    });
}

class NftRuleReader {
public:
    NftRuleReader(const NftTable& table, const NftSets& sets) : table_(table), sets_(sets) {}

    std::vector<SourceRule> read(const Json& rule) {
        const Json* statements = member(rule, "expr");
        for (const Json& statement :
             statements != nullptr && statements->is_array() ? *statements : Json::array()) {
            read_statement(statement);
        }
        rule_.comment = text_of(rule, "comment");
        if (rule_.comment.empty()) {
            rule_.comment = log_prefix_;
        }
        rule_.condition = condition_;
        if (rule_.rate && !(condition_ == at_limit_)) {
            leave_out("its rate counts packets before all of its matches are asked");
        }
        for (const Match& match : condition_) {
            const Status ports = check_ports(match);
            leave_out(ports ? "" : ports.error().message);
        }
        rule_.lets_replies_in =
            maps_replies_ || (rule_.verdict == Verdict::kAccept && asks_for_replies(condition_));
        rule_.counts = has_counter_ && !rule_.logs && rule_.verdict == Verdict::kNone;
        return has_map_ && rule_.reason.empty() ? map_rules() : std::vector{std::move(rule_)};
    }

private:
    // The first reason counts.
    void leave_out(const std::string& reason) { rule_.reason = rule_.reason.empty() ? reason : rule_.reason; }

    // Those of the map's verdicts, and before them one for what the rule does before.
    [[nodiscard]] std::vector<SourceRule> map_rules() const {
        std::vector<SourceRule> rules;
        SourceRule before = rule_;
        before.verdict = Verdict::kNone;
        before.counts = has_counter_ && !before.logs;
        if (before.logs || before.counts || mapped_.empty()) {
            rules.push_back(before);
        }
        for (const SourceRule& mapped : mapped_) {
            SourceRule one = rule_;
            one.logs.reset();
            one.condition = mapped.condition;
            one.verdict = mapped.verdict;
            one.target = mapped.target;
            one.lets_replies_in = one.verdict == Verdict::kAccept && asks_for_replies(one.condition);
            rules.push_back(std::move(one));
        }
        return rules;
    }

    void read_statement(const Json& statement) {
        const std::string kind = only_key(statement);
        const Json& body = kind.empty() ? statement : statement.at(kind);
        if (has_map_) {
            leave_out("what stands behind its verdict map has no counterpart");
        }
        if (kind == "match") {
            read_match(body);
        } else if (kind == "counter") {
            has_counter_ = true;
        } else if (kind == "log") {
            log_prefix_ = text_of(body, "prefix");
            rule_.logs = condition_;
        } else if (kind == "reject") {
            read_reject(body);
        } else if (kind == "limit") {
            read_limit(body);
        } else if (kind == "vmap") {
            read_map(body);
        } else if (!read_verdict(kind, body, rule_)) {
            read_other(kind, body, statement);
        }
    }

    // False: it is none.
    [[nodiscard]] bool read_verdict(const std::string& kind, const Json& body, SourceRule& rule) const {
        if (kind == "jump" || kind == "goto") {
            rule.verdict = kind == "jump" ? Verdict::kJump : Verdict::kGoto;
            rule.target = nft_chain_key(table_, text_of(body, "target"));
        } else if (kind == "accept") {
            rule.verdict = Verdict::kAccept;
        } else if (kind == "drop") {
            rule.verdict = Verdict::kDrop;
        } else if (kind == "return") {
            rule.verdict = Verdict::kReturn;
        } else {
            return kind == "continue";
        }
        return true;
    }

    // The keys of a map do not overlap, so that the order of its rules is no matter.
    void read_map(const Json& body) {
        has_map_ = true;
        rule_.verdict = Verdict::kElsewhere;
        maps_replies_ = dump(body).find("\"established\"") != std::string::npos;
        const Json* key = member(body, "key");
        const auto groups = groups_of(body);
        if (key == nullptr || !groups) {
            leave_out("a verdict map with a name, or with * for all else, has no counterpart");
            return;
        }
        for (const Group& group : *groups) {
            SourceRule mapped;
            const std::string kind = only_key(group.verdict);
            if (kind.empty() || !read_verdict(kind, group.verdict.at(kind), mapped)) {
                leave_out(fmt::format("`{}` has no counterpart", kind));
                return;
            }
            const Json match = {{"op", "=="}, {"left", *key}, {"right", {{"set", group.keys}}}};
            const auto condition = nft_condition(match, table_, sets_);
            if (!condition || rule_.rate) {
                leave_out(condition ? "its rate counts packets before all of its matches are asked"
                                    : condition.error().message);
                return;
            }
            mapped.condition = both(condition_, *condition);
            for (const Match& part : mapped.condition) {
                const Status ports = check_ports(part);
                leave_out(ports ? "" : ports.error().message);
            }
            if (mapped.verdict != Verdict::kNone) {
                mapped_.push_back(std::move(mapped));
            }
        }
    }

    void read_match(const Json& match) {
        const Json* left = member(match, "left");
        if (left != nullptr && nft_name(*left) == "ip6 nexthdr") {
            rule_.note = "fwctl looks for the protocol behind all extension headers.";
        }
        const auto condition = nft_condition(match, table_, sets_);
        if (!condition) {
            leave_out(condition.error().message);
            return;
        }
        condition_ = both(condition_, *condition);
    }

    // Of packets, by count and time: rates of bytes have another burst there.
    void read_limit(const Json& body) {
        const Json* count = member(body, "rate");
        const Json* burst = member(body, "burst");
        const Json* over = member(body, "inv");
        const std::string unit = text_of(body, "rate_unit");
        if (count == nullptr || !count->is_number_unsigned() || (!unit.empty() && unit != "packets")) {
            leave_out("a rate of bytes, or of another rule's making, has no counterpart");
            return;
        }
        constexpr std::uint64_t kUsualBurst = 5;
        const bool has_burst = burst != nullptr && burst->is_number_unsigned() && *burst != 0;
        const auto rate = packet_rate(over != nullptr && over->is_boolean() && over->get<bool>(),
                                      count->get<std::uint64_t>(), text_of(body, "per"),
                                      has_burst ? burst->get<std::uint64_t>() : kUsualBurst);
        if (!rate || rule_.rate || rule_.logs) {
            leave_out(!rate        ? rate.error().message
                      : rule_.rate ? "it has two rates"
                                   : "it logs before its rate is asked");
            return;
        }
        rule_.rate = *rate;
        at_limit_ = condition_;
    }

    void read_reject(const Json& body) {
        const std::string type = text_of(body, "type");
        rule_.verdict = Verdict::kReject;
        const auto reject =
            type.empty() ? nft_reject("icmpx", "port-unreachable") : nft_reject(type, text_of(body, "expr"));
        if (!reject) {
            leave_out(reject.error().message);
            return;
        }
        rule_.reject_with = reject->with;
        if (!reject->instead.empty()) {
            rule_.note = fmt::format("Answers {} where the original answers {}.", reject->instead,
                                     text_of(body, "expr"));
        }
        // What such an answer is for.
        if (type == "icmp" || type == "icmpv6") {
            condition_ =
                both(condition_, Condition{of_family(type == "icmp" ? Family::kIpv4 : Family::kIpv6)});
        } else if (type == "tcp reset") {
            condition_ = both(condition_, Condition{of_protocols(Numbers::one(policy::kProtocolTcp))});
        }
    }

    void read_other(const std::string& kind, const Json& body, const Json& statement) {
        if (std::find(kEndings.begin(), kEndings.end(), kind) != kEndings.end()) {
            rule_.verdict = Verdict::kElsewhere;
        }
        const Json* key = kind == "mangle" ? member(body, "key") : nullptr;
        const std::string changed = key == nullptr ? "" : nft_name(*key);
        rule_.steers_states = rule_.steers_states || kind == "notrack" || kind == "ct helper" ||
                              changed == "ct zone" || changed == "ct helper";
        if (!changed.empty()) {
            leave_out(fmt::format("`{} set` has no counterpart", changed));
        } else if (kind == "xt") {
            leave_out("is a rule of iptables; translate the output of iptables-save instead");
        } else if (kind == "unread") {
            leave_out(body.is_string() ? body.get<std::string>() : "is not understood");
        } else {
            leave_out(fmt::format("`{}` has no counterpart", nft_name(statement)));
        }
    }

    const NftTable& table_;
    const NftSets& sets_;
    SourceRule rule_;
    Condition condition_ = always();
    Condition at_limit_;  // what was asked before the rate
    std::string log_prefix_;
    bool has_counter_ = false;
    bool maps_replies_ = false;
    bool has_map_ = false;
    std::vector<SourceRule> mapped_;  // their conditions and verdicts
};

}  // namespace

std::string nft_chain_key(const NftTable& table, std::string_view chain) {
    return fmt::format("{} {} {}", table.family, table.name, chain);
}

std::vector<SourceRule> read_nft_rule(const Json& rule, const NftTable& table, const NftSets& sets) {
    return NftRuleReader(table, sets).read(rule);
}

}  // namespace fwctl::importer
