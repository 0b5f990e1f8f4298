#include "import/iptables_rule.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "import/iptables_match.h"
#include "import/rates.h"

namespace fwctl::importer {

namespace {

using policy::RejectWith;

// Extensions whose options iptables_match.h reads.
constexpr std::array<std::string_view, 17> kModules = {
    "state",   "conntrack", "limit", "tcp", "udp",     "sctp",   "icmp", "icmp6", "icmpv6",
    "comment", "set",       "ttl",   "hl",  "iprange", "length", "dscp", "mac"};

// Targets behind which the next rule is asked.
constexpr std::array<std::string_view, 24> kGoOn = {
    "AUDIT",   "CHECKSUM", "CLASSIFY",  "CONNMARK", "CONNSECMARK", "CT",   "DSCP",  "ECN",
    "HL",      "HMARK",    "IDLETIMER", "LED",      "LOG",         "MARK", "NFLOG", "NOTRACK",
    "RATEEST", "SECMARK",  "SET",       "TCPMSS",   "TCPOPTSTRIP", "TOS",  "TRACE", "TTL"};

struct Reject {
    std::string_view name;
    RejectWith with;
    std::string_view instead;  // what is answered, where it is not quite the same
};
constexpr std::array kRejects = {
    Reject{"tcp-reset", RejectWith::kTcpReset, ""},
    Reject{"icmp-port-unreachable", RejectWith::kPortUnreachable, ""},
    Reject{"icmp-host-unreachable", RejectWith::kHostUnreachable, ""},
    Reject{"icmp-net-unreachable", RejectWith::kHostUnreachable, "host-unreachable"},
    Reject{"icmp-proto-unreachable", RejectWith::kPortUnreachable, "port-unreachable"},
    Reject{"icmp-admin-prohibited", RejectWith::kAdminProhibited, ""},
    Reject{"icmp-host-prohibited", RejectWith::kAdminProhibited, "admin-prohibited"},
    Reject{"icmp-net-prohibited", RejectWith::kAdminProhibited, "admin-prohibited"},
    Reject{"icmp6-port-unreachable", RejectWith::kPortUnreachable, ""},
    Reject{"icmp6-addr-unreachable", RejectWith::kHostUnreachable, ""},
    Reject{"icmp6-no-route", RejectWith::kHostUnreachable, "address-unreachable"},
    Reject{"icmp6-reject-route", RejectWith::kHostUnreachable, "address-unreachable"},
    Reject{"icmp6-adm-prohibited", RejectWith::kAdminProhibited, ""},
    Reject{"icmp6-policy-fail", RejectWith::kAdminProhibited, "communication-prohibited"},
};

template <std::size_t kSize>
bool is_one_of(const std::array<std::string_view, kSize>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

class RuleReader {
public:
    RuleReader(const IptablesRule& rule, const IptablesTable& table, std::string_view file_name,
               SetNames& sets)
        : words_(rule.words), table_(table), match_(table.family, sets) {
        rule_.place = fmt::format("{}:{}", file_name, rule.line);
        rule_.text = rule.text;
        rule_.counts = true;
    }

    SourceRule read() {
        while (next_ < words_.size() && rule_.reason.empty()) {
            read_option();
        }
        // What is left may still say what the verdict would have been.
        for (; next_ < words_.size(); ++next_) {
            note_verdict(words_[next_]);
        }
        if (rule_.comment.empty()) {
            rule_.comment = log_prefix_;
        }
        rule_.lets_replies_in = rule_.verdict == Verdict::kAccept && asks_for_replies();
        auto condition = match_.finish();
        if (!condition && rule_.reason.empty()) {
            rule_.reason = condition.error().message;
        }
        rule_.condition = condition ? *condition : always();
        if (has_limit_ && rule_.reason.empty()) {
            auto rate = iptables_rate(limit_, burst_);
            rule_.reason = rate ? "" : rate.error().message;
            rule_.rate = rate ? std::optional(*rate) : std::nullopt;
        }
        if (is_log_ && rule_.reason.empty()) {
            rule_.logs = rule_.condition;
        }
        return std::move(rule_);
    }

private:
    [[nodiscard]] std::string word(std::size_t index) const {
        return index < words_.size() ? words_[index] : std::string();
    }

    void note_verdict(const std::string& option) {
        if (option == "-j" || option == "--jump" || option == "-g" || option == "--goto") {
            read_target(word(next_ + 1), option == "-g" || option == "--goto");
            ++next_;
        } else if (option == "--comment" || option == "--log-prefix") {
            (option == "--comment" ? rule_.comment : log_prefix_) = word(next_ + 1);
            ++next_;
        }
    }

    void read_option() {
        const std::string& option = words_[next_];
        if (option == "-m" || option == "--match") {
            read_module(word(next_ + 1));
            next_ += 2;
        } else if (option == "-j" || option == "--jump" || option == "-g" || option == "--goto" ||
                   option == "--comment" || option == "--log-prefix") {
            note_verdict(option);
            ++next_;
        } else if (option == "--reject-with") {
            read_reject(word(next_ + 1));
            next_ += 2;
        } else if (option == "--log-level" || option == "--log-macdecode") {
            next_ += option == "--log-level" ? 2 : 1;
        } else if (option.rfind("--log-", 0) == 0) {
            ++next_;
        } else if (option == "--limit" || option == "--limit-burst") {
            (option == "--limit" ? limit_ : burst_) = word(next_ + 1);
            next_ += 2;
        } else if (!limit_.empty()) {
            rule_.reason = "its rate counts packets before all of its matches are asked";
        } else {
            const auto used = match_.read(words_, next_);
            if (!used) {
                rule_.reason = used.error().message;
            }
            next_ += used ? *used : 0;
        }
    }

    void read_module(const std::string& name) {
        if (name == "limit") {
            rule_.reason = has_limit_ ? "it has two rates" : rule_.reason;
            has_limit_ = true;
            limit_ = "3/hour";  // what the module takes when nothing is said
        }
        if (!is_one_of(kModules, name) && name != "multiport") {
            rule_.reason = fmt::format("the match `{}` has no counterpart", name);
        }
    }

    // Whether known connections are among what the rule is about.
    [[nodiscard]] bool asks_for_replies() const {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            if (words_[i] == "--state" || words_[i] == "--ctstate") {
                const bool is_negated = i > 0 && words_[i - 1] == "!";
                return (word(i + 1).find("ESTABLISHED") != std::string::npos) != is_negated;
            }
        }
        return false;
    }

    // Of the targets CT and NOTRACK: packets that are not followed, or followed by other means.
    [[nodiscard]] bool steers_states(const std::string& target) const {
        return target == "NOTRACK" ||
               (target == "CT" && std::any_of(words_.begin(), words_.end(), [](const std::string& option) {
                    return option == "--notrack" || option == "--helper" || option.rfind("--zone", 0) == 0;
                }));
    }

    void read_target(const std::string& name, bool goes) {
        rule_.counts = false;
        const bool is_chain = std::any_of(table_.chains.begin(), table_.chains.end(),
                                          [&](const IptablesChain& chain) { return chain.name == name; });
        if (is_chain) {
            rule_.verdict = goes ? Verdict::kGoto : Verdict::kJump;
            rule_.target = iptables_chain_key(table_, name);
        } else if (name == "ACCEPT") {
            rule_.verdict = Verdict::kAccept;
        } else if (name == "DROP") {
            rule_.verdict = Verdict::kDrop;
        } else if (name == "REJECT") {
            rule_.verdict = Verdict::kReject;
            rule_.reject_with = RejectWith::kPortUnreachable;
        } else if (name == "RETURN") {
            rule_.verdict = Verdict::kReturn;
        } else if (name == "LOG") {
            is_log_ = true;
        } else {
            rule_.steers_states = steers_states(name);
            rule_.verdict = is_one_of(kGoOn, name) ? Verdict::kNone : Verdict::kElsewhere;
            if (rule_.reason.empty()) {
                rule_.reason = fmt::format("the target `{}` has no counterpart", name);
            }
        }
    }

    void read_reject(const std::string& name) {
        const auto* row = std::find_if(kRejects.begin(), kRejects.end(),
                                       [&](const Reject& known) { return known.name == name; });
        if (row == kRejects.end()) {
            rule_.reason = fmt::format("the answer `{}` has no counterpart", name);
            return;
        }
        rule_.reject_with = row->with;
        if (!row->instead.empty()) {
            rule_.note = fmt::format("Answers {} where the original answers {}.", row->instead, name);
        }
    }

    const std::vector<std::string>& words_;
    const IptablesTable& table_;
    IptablesMatch match_;
    SourceRule rule_;
    std::string log_prefix_;
    bool has_limit_ = false;
    std::string limit_;
    std::string burst_ = "5";
    std::size_t next_ = 0;
    bool is_log_ = false;
};

}  // namespace

std::string iptables_chain_key(const IptablesTable& table, std::string_view chain) {
    return fmt::format("{} {} {}", table.family == policy::Family::kIpv4 ? "ip" : "ip6", table.name, chain);
}

SourceRule read_iptables_rule(const IptablesRule& rule, const IptablesTable& table,
                              std::string_view file_name, SetNames& sets) {
    return RuleReader(rule, table, file_name, sets).read();
}

}  // namespace fwctl::importer
