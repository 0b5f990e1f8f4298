// The tables of all keys of a policy. Parser, printer, command line and reference page read them: a new key
// is a new row.
//
// Promises: the order of the rows is the order in which they are printed. add() and words() are each other's
// inverse: what words() gives for canonical values, add() reads back to the same.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

enum class ValueKind {
    kWord,     // a string
    kWords,    // a string or an array of strings, not empty
    kNumbers,  // the same, and what is a number may stand without quotes
    kList,     // as kWords, but the array may be empty
    kBoolean,  // true or false, which is also how add() and words() spell it
    kInteger,  // likewise in decimal
    kTable,    // an inline table with keys of its own
};

template <typename Target>
struct Key {
    std::string_view name;
    ValueKind kind = ValueKind::kWord;
    bool required = false;
    std::string_view accepts;  // what a value looks like
    std::string_view meaning;  // one line for the reference page; says what its absence means

    // Reads one word of the value.
    Status (*add)(Target& target, std::string_view word) = nullptr;

    // The value as canonical words; empty when the target says what it says without the key.
    std::vector<std::string> (*words)(const Target& target) = nullptr;

    // kTable alone, instead of the two above.
    std::span<const Key> (*keys)() = nullptr;
};

using RuleKey = Key<Rule>;

std::span<const RuleKey> rule_keys();                  // [[rule]]
std::span<const Key<Defaults>> default_keys();         // [defaults]
std::span<const Key<Conntrack>> conntrack_keys();      // [conntrack]
std::span<const Key<Attach>> attach_keys();            // [attach.NAME]
std::span<const Key<Set>> set_keys();                  // [set.NAME]
std::span<const Key<Route>> route_keys();              // [[route]]
std::span<const Key<Vip>> vip_keys();                  // [vip.NAME], but for its backends
std::span<const Key<Vip>> health_keys();               // its inline table health
std::span<const Key<Vip>> quic_keys();                 // its inline table quic
std::span<const Key<Backend>> backend_keys();          // [[vip.NAME.backend]]
std::span<const Key<Decapsulate>> decapsulate_keys();  // [decapsulate]
std::span<const Key<Test>> test_keys();                // [[test]]

// What stands at the top of a file.
struct Section {
    std::string_view name;
    std::string_view heading;  // how it is written
    std::string_view meaning;
};
std::span<const Section> sections();

// The row of that name, nullptr when there is none.
template <typename Target>
const Key<Target>* find_key(std::span<const Key<Target>> keys, std::string_view name) {
    for (const Key<Target>& key : keys) {
        if (key.name == name) {
            return &key;
        }
    }
    return nullptr;
}
const RuleKey* find_rule_key(std::string_view name);

// The keys whose words make a clause on the command line and in descriptions, "from 10.0.0.0/8", in their
// order: from, to, the fields, on.
std::span<const std::string_view> clause_keys();

std::string_view action_name(Action action);           // "allow", "deny" …
std::string_view direction_name(Direction direction);  // "both", "in", "out"
std::string_view origin_name(Origin origin);           // "built-in", "live", "policy"
std::string_view reject_name(RejectWith with);         // "auto", "tcp-reset" …
std::string_view transport_name(Transport transport);  // as "l2-dsr"
std::string_view state_name(BackendState state);       // "ready", "drain", "maint"

}  // namespace fwctl::policy
