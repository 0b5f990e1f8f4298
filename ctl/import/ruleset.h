// What iptables and nftables have in common: chains of rules that are asked at a hook or from other chains.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "import/match.h"
#include "policy/model.h"

namespace fwctl::importer {

enum class Verdict {
    kNone,  // the next rule is asked
    kAccept,
    kDrop,
    kReject,
    kReturn,
    kJump,
    kGoto,       // a jump that does not come back
    kElsewhere,  // decided by something that is not translated
};

struct SourceRule {
    // "rules.v4:14"; the same for those alone that the original has as one, which then follow each other
    std::string place;
    std::string text;     // the rule as it was written
    std::string comment;  // what it says for people
    std::string reason;   // why it cannot be translated; empty: it can
    std::string note;     // what is a little different in the translation; empty: nothing

    Condition condition = always();
    std::optional<Condition> logs;     // which packets it reports
    std::optional<policy::Rate> rate;  // asked when the condition holds
    bool counts = false;               // its counter is all that it is for
    Verdict verdict = Verdict::kNone;
    policy::RejectWith reject_with = policy::RejectWith::kAuto;
    std::string target;            // of a jump: the key of a chain
    bool lets_replies_in = false;  // a left out one would let known connections go on
    bool steers_states = false;    // it says which packets have a state, or by what means
};

struct Chain {
    std::string label;  // how names of rules begin: "input"
    std::vector<SourceRule> rules;
};

// A chain that a hook asks.
struct BaseChain {
    std::string chain;  // its key
    policy::Direction direction = policy::Direction::kIn;
    int stage = 0;  // of the packet's way, before the priority
    int priority = 0;
    Condition scope = always();         // of which packets it is asked
    Verdict policy = Verdict::kAccept;  // or kDrop
    bool knows_states = true;           // flows are followed before it is asked
};

// A rule that no chain which is translated asks.
struct OutsideRule {
    std::optional<policy::Direction> direction;  // what its verdict would be about; absent: neither
    SourceRule rule;
};

struct Ruleset {
    std::map<std::string, Chain> chains;
    std::vector<BaseChain> bases;  // in the order in which they are asked, but for stage and priority
    std::vector<OutsideRule> outside;
};

}  // namespace fwctl::importer
