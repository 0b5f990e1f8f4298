#include "import/nft_rule.h"

#include <algorithm>
#include <array>
#include <cstdint>
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
constexpr std::array<std::string_view, 9> kEndings = {"queue",      "tproxy",   "fwd",      "dnat", "snat",
                                                      "masquerade", "redirect", "synproxy", "vmap"};

class RuleReader {
public:
    RuleReader(const NftTable& table, const NftSets& sets) : table_(table), sets_(sets) {}

    SourceRule read(const Json& rule) {
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
            has_replies_ && (rule_.verdict == Verdict::kAccept || rule_.verdict == Verdict::kElsewhere);
        rule_.counts = has_counter_ && !rule_.logs && rule_.verdict == Verdict::kNone;
        return std::move(rule_);
    }

private:
    // The first reason counts.
    void leave_out(const std::string& reason) { rule_.reason = rule_.reason.empty() ? reason : rule_.reason; }

    void read_statement(const Json& statement) {
        const std::string kind = only_key(statement);
        const Json& body = kind.empty() ? statement : statement.at(kind);
        if (kind == "match") {
            read_match(body);
        } else if (kind == "counter") {
            has_counter_ = true;
        } else if (kind == "log") {
            log_prefix_ = text_of(body, "prefix");
            rule_.logs = condition_;
        } else if (kind == "reject") {
            read_reject(body);
        } else if (kind == "jump" || kind == "goto") {
            rule_.verdict = kind == "jump" ? Verdict::kJump : Verdict::kGoto;
            rule_.target = nft_chain_key(table_, text_of(body, "target"));
        } else if (kind == "accept") {
            rule_.verdict = Verdict::kAccept;
        } else if (kind == "drop") {
            rule_.verdict = Verdict::kDrop;
        } else if (kind == "return") {
            rule_.verdict = Verdict::kReturn;
        } else if (kind == "limit") {
            read_limit(body);
        } else if (kind != "continue") {
            read_other(kind, body, statement);
        }
    }

    void read_match(const Json& match) {
        const Json* left = member(match, "left");
        const Json* right = member(match, "right");
        if (left != nullptr && right != nullptr && nft_name(*left) == "ct state") {
            has_replies_ = has_replies_ || dump(*right).find("\"established\"") != std::string::npos;
        }
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
        // "established : accept" among others
        has_replies_ =
            has_replies_ || (kind == "vmap" && dump(body).find("\"established\"") != std::string::npos);
        if (kind == "vmap" && has_replies_) {
            leave_out("needs flow state, not supported yet");
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
    bool has_replies_ = false;
};

}  // namespace

std::string nft_chain_key(const NftTable& table, std::string_view chain) {
    return fmt::format("{} {} {}", table.family, table.name, chain);
}

SourceRule read_nft_rule(const Json& rule, const NftTable& table, const NftSets& sets) {
    return RuleReader(table, sets).read(rule);
}

}  // namespace fwctl::importer
