#include "import/report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

#include "import/printable.h"
#include "policy/print.h"

namespace fwctl::importer {

namespace {

using policy::Action;
using policy::Direction;

constexpr std::size_t kPageWidth = 110;
constexpr std::size_t kMostListed = 20;

// What print_policy() writes behind the version.
std::string body_of(const policy::Policy& policy) {
    static const std::string head = policy::print_policy({});
    return policy::print_policy(policy).substr(head.size());
}

bool is_denial(const Entry& entry) {
    return entry.rule && (entry.rule->action == Action::kDeny || entry.rule->action == Action::kReject);
}

bool is_allowance(const Entry& entry) {
    return entry.rule && entry.rule->action == Action::kAllow;
}

// The states that a rule asks for; nullptr: it does not ask.
const policy::FieldMatch* states_of(const policy::Rule& rule) {
    const auto match =
        std::find_if(rule.fields.begin(), rule.fields.end(),
                     [](const policy::FieldMatch& known) { return known.field == policy::Field::kState; });
    return match == rule.fields.end() ? nullptr : &*match;
}

bool asks_for_states(const Flat& flat) {
    return std::any_of(flat.entries.begin(), flat.entries.end(),
                       [](const Entry& entry) { return entry.rule && states_of(*entry.rule) != nullptr; });
}

// Whether it lets in all packets of known connections.
bool lets_replies_in(const Entry& entry) {
    if (!is_allowance(entry) || entry.direction != Direction::kIn || states_of(*entry.rule) == nullptr) {
        return false;
    }
    const policy::Rule& rule = *entry.rule;
    const std::vector<policy::Interval>& states = states_of(rule)->any_of;
    return rule.on.empty() && rule.from.empty() && rule.to.empty() && !rule.rate &&
           rule.services == std::vector{policy::Service{}} &&
           std::any_of(states.begin(), states.end(), [](const policy::Interval& state) {
               return state.contains(static_cast<std::uint64_t>(policy::FlowState::kEstablished));
           });
}

// What became of the packets of rules that are left out.
class Effects {
public:
    explicit Effects(const Flat& flat) : flat_(flat) {
        for (std::size_t i = 0; i < flat.entries.size(); ++i) {
            if (flat.entries[i].left_out) {
                add(i);
            }
        }
        loses_replies_ =
            loses_replies_ && std::none_of(flat.entries.begin(), flat.entries.end(), lets_replies_in);
    }

    [[nodiscard]] std::string write() const {
        std::string out;
        if (loses_replies_) {
            out += write_comment(
                "WARNING: replies are dropped. The rule that lets known connections go on is left out, and "
                "what no rule lets in is denied: what this host asks others for does not come back. Let in "
                "what is needed (by `state`, say) before you apply this policy.");
        }
        out += list("WARNING: this policy closes more than the original. It may deny what these let pass:",
                    closes_);
        out += list("WARNING: this policy opens more than the original. It may let pass what these deny:",
                    opens_);
        out += list(
            "WARNING: these exempt packets from being followed, or say how they are. fwctl follows all, and "
            "its rules on `state` judge them by that:",
            steers_);
        return out.empty() ? out : "#\n" + out;
    }

private:
    void add(std::size_t index) {
        const Entry& entry = flat_.entries[index];
        const std::string what = entry.source == nullptr
                                     ? entry.comment
                                     : fmt::format("{}: {}", entry.source->place, entry.source->text);
        if (entry.allows && follows(index, Action::kDeny, is_denial)) {
            note(closes_, what);
            loses_replies_ =
                loses_replies_ || (entry.source->lets_replies_in && entry.direction == Direction::kIn);
        }
        if (entry.source != nullptr && entry.source->steers_states && asks_for_states(flat_)) {
            note(steers_, what);
        }
        if (entry.denies && follows(index, Action::kAllow, is_allowance)) {
            note(opens_, what);
        }
    }

    // Whether a rule behind that place or the default does the contrary.
    [[nodiscard]] bool follows(std::size_t index, Action fallback, bool (*contrary)(const Entry&)) const {
        const Direction direction = flat_.entries[index].direction;
        return (direction == Direction::kIn ? flat_.in : flat_.out) == fallback ||
               std::any_of(
                   flat_.entries.begin() + static_cast<std::ptrdiff_t>(index), flat_.entries.end(),
                   [&](const Entry& entry) { return entry.direction == direction && contrary(entry); });
    }

    static void note(std::vector<std::string>& list, const std::string& what) {
        if (std::find(list.begin(), list.end(), what) == list.end()) {
            list.push_back(what);
        }
    }

    static std::string list(std::string_view head, const std::vector<std::string>& rules) {
        std::string out = rules.empty() ? "" : write_comment(head);
        for (std::size_t i = 0; i < std::min(rules.size(), kMostListed); ++i) {
            out += fmt::format("#   {}\n", printable(rules[i]));
        }
        if (rules.size() > kMostListed) {
            out += fmt::format("#   and {} more, which are marked below\n", rules.size() - kMostListed);
        }
        return out;
    }

    const Flat& flat_;
    std::vector<std::string> closes_;
    std::vector<std::string> opens_;
    std::vector<std::string> steers_;
    bool loses_replies_ = false;
};

// Whether a length is asked for that tells packets apart which a frame of Ethernet pads to the same.
bool asks_for_short_packets(const Flat& flat) {
    constexpr std::uint64_t kPadded = 46;
    constexpr std::uint64_t kShortest = 20;  // a header of IPv4
    const auto parts = [](const policy::Interval& lengths) {
        return (lengths.first > kShortest && lengths.first <= kPadded) || lengths.last < kPadded;
    };
    return std::any_of(flat.entries.begin(), flat.entries.end(), [&](const Entry& entry) {
        return entry.rule &&
               std::any_of(entry.rule->fields.begin(), entry.rule->fields.end(),
                           [&](const policy::FieldMatch& match) {
                               return match.field == policy::Field::kLength &&
                                      std::any_of(match.any_of.begin(), match.any_of.end(), parts);
                           });
    });
}

std::string write_entry(const Entry& entry) {
    if (entry.rule) {
        policy::Policy policy;
        policy.rules = {*entry.rule};
        const std::string body = body_of(policy);
        return entry.comment.empty() ? body : "\n" + write_comment(entry.comment) + body.substr(1);
    }
    if (entry.source == nullptr) {
        return fmt::format("# {}\n", printable(entry.comment));
    }
    return fmt::format("# {}: {}: {}\n", printable(entry.source->place), printable(entry.source->text),
                       printable(entry.comment));
}

std::string write_head(const Report& report, const Flat& flat) {
    std::string out = write_comment(
        fmt::format("Translated by fwctl from {} as {} has it; rules translated: {}, left out: {}.",
                    report.source, report.file_name, flat.translated, flat.left_out));
    out += Effects(flat).write();
    Differences differences = report.differences;
    differences.follows = asks_for_states(flat);
    std::vector<std::string> notes = report.warnings;
    const std::vector<std::string> usual = notes_on(differences);
    notes.insert(notes.end(), usual.begin(), usual.end());
    if (flat.in == Action::kDeny || flat.out == Action::kDeny) {
        notes.emplace_back(
            "What is neither IP nor ARP, which the original does not judge, is denied with the rest.");
    }
    if (asks_for_short_packets(flat)) {
        notes.emplace_back(
            "`length` counts the padding of short frames, which the original does not: on Ethernet a packet "
            "of less than 46 bytes may have a length of 46 here.");
    }
    out += notes.empty() ? "" : "#\n";
    for (const std::string& note : notes) {
        out += write_comment(note);
    }
    return out;
}

}  // namespace

std::string write_comment(std::string_view words) {
    std::string out;
    std::string line = "#";
    const std::string clean = printable(words);
    for (std::size_t i = 0; i < clean.size();) {
        const std::size_t end = std::min(clean.find(' ', i), clean.size());
        const std::string word = clean.substr(i, end - i);
        if (line.size() > 1 && line.size() + 1 + word.size() > kPageWidth) {
            out += line + "\n";
            line = "#";
        }
        line += " " + word;
        i = end + 1;
    }
    return out + line + "\n";
}

std::string write_set(const ImportedSet& set) {
    std::string out = "\n";
    for (const std::string& comment : set.comments) {
        out += fmt::format("# {}\n", printable(comment));
    }
    if (set.set.name.empty()) {
        return out;
    }
    policy::Policy policy;
    policy.sets = {set.set};
    const std::string body = body_of(policy);
    return out + (body.empty() ? body : body.substr(1));
}

std::string write_report(const Report& report, const Flat& flat) {
    policy::Policy policy;
    policy.defaults.in = flat.in;
    policy.defaults.out = flat.out;
    std::string out = write_head(report, flat) + "\n" + policy::print_policy(policy);
    for (const ImportedSet& set : report.sets) {
        out += write_set(set);
    }
    bool after_comment = false;
    for (const Entry& entry : flat.entries) {
        out += !entry.rule && !after_comment ? "\n" : "";
        out += write_entry(entry);
        after_comment = !entry.rule;
    }
    return out;
}

}  // namespace fwctl::importer
