#include "analyze/names.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "policy/rule.h"

namespace fwctl::analyze {

namespace {

constexpr std::size_t kMaxStates = 8000;
constexpr char kOtherLetter = '/';  // stands for all that no pattern names; no interface has it

// Where in a pattern a name read so far can stand.
struct Stand {
    std::uint32_t pattern = 0;
    std::uint32_t letters = 0;  // of the pattern, read
    auto operator<=>(const Stand&) const = default;
};
using State = std::vector<Stand>;            // sorted
using Matched = std::vector<std::uint32_t>;  // the patterns that match, sorted

// All patterns read at once, letter by letter (the subset construction; Rabin and Scott, 1959).
class Reader {
public:
    explicit Reader(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}

    [[nodiscard]] State start() const {
        State state;
        for (std::uint32_t i = 0; i < patterns_.size(); ++i) {
            enter({i, 0}, state);
        }
        return sorted(std::move(state));
    }

    [[nodiscard]] State after(const State& state, char letter) const {
        State next;
        for (const Stand& stand : state) {
            const std::string& pattern = patterns_[stand.pattern];
            if (stand.letters == pattern.size()) {
                continue;
            }
            const char wanted = pattern[stand.letters];
            if (wanted == '*') {
                enter(stand, next);
            } else if (wanted == '?' || wanted == letter) {
                enter({stand.pattern, stand.letters + 1}, next);
            }
        }
        return sorted(std::move(next));
    }

    // The letters that make a difference.
    [[nodiscard]] std::set<char> letters(const State& state) const {
        std::set<char> all = {kOtherLetter};
        for (const Stand& stand : state) {
            const std::string& pattern = patterns_[stand.pattern];
            if (stand.letters < pattern.size() && pattern[stand.letters] != '*' &&
                pattern[stand.letters] != '?') {
                all.insert(pattern[stand.letters]);
            }
        }
        return all;
    }

    [[nodiscard]] Matched matched(const State& state) const {
        Matched matched;
        for (const Stand& stand : state) {
            if (stand.letters == patterns_[stand.pattern].size()) {
                matched.push_back(stand.pattern);
            }
        }
        return matched;
    }

private:
    void enter(Stand stand, State& state) const {
        const std::string& pattern = patterns_[stand.pattern];
        state.push_back(stand);
        while (stand.letters < pattern.size() && pattern[stand.letters] == '*') {
            ++stand.letters;
            state.push_back(stand);
        }
    }

    static State sorted(State state) {
        std::sort(state.begin(), state.end());
        state.erase(std::unique(state.begin(), state.end()), state.end());
        return state;
    }

    std::vector<std::string> patterns_;
};

// What the names of 1 to policy::kMaxInterfaceNameLength letters match.
std::optional<std::set<Matched>> device_classes(const Reader& reader) {
    std::set<Matched> classes;
    std::set<State> seen;
    std::vector<State> frontier = {reader.start()};
    for (std::size_t length = 1; length <= policy::kMaxInterfaceNameLength && !frontier.empty(); ++length) {
        std::vector<State> reached;
        for (const State& state : frontier) {
            for (const char letter : reader.letters(state)) {
                State next = reader.after(state, letter);
                if (!seen.insert(next).second) {
                    continue;
                }
                if (seen.size() > kMaxStates) {
                    return std::nullopt;
                }
                classes.insert(reader.matched(next));
                reached.push_back(std::move(next));
            }
        }
        frontier = std::move(reached);
    }
    return classes;
}

Matched joined(const Matched& one, const Matched& other) {
    Matched both;
    std::set_union(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(both));
    return both;
}

const std::string& device_of(const policy::Attach& attach) {
    return attach.device.empty() ? attach.name : attach.device;
}

std::vector<std::string> sorted_and_unique(std::vector<std::string> words) {
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
}

// What packets carry that have the attachment's name, alone or beside their device's.
std::set<Matched> attachment_classes(const std::vector<std::string>& patterns, const policy::Attach& attach,
                                     const std::set<Matched>& devices) {
    const auto device = static_cast<std::uint32_t>(
        std::lower_bound(patterns.begin(), patterns.end(), device_of(attach)) - patterns.begin());
    Matched own;
    for (std::uint32_t i = 0; i < patterns.size(); ++i) {
        if (policy::interface_matches(patterns[i], attach.name)) {
            own.push_back(i);
        }
    }
    std::set<Matched> classes = {own};
    for (const Matched& matched : devices) {
        if (std::binary_search(matched.begin(), matched.end(), device)) {
            classes.insert(joined(matched, own));
        }
    }
    return classes;
}

}  // namespace

std::optional<NameClasses> name_classes(const std::vector<const policy::Rule*>& rules,
                                        const std::vector<policy::Attach>& attachments) {
    std::vector<std::string> of_rules;
    for (const policy::Rule* rule : rules) {
        of_rules.insert(of_rules.end(), rule->on.begin(), rule->on.end());
    }
    of_rules = sorted_and_unique(std::move(of_rules));
    std::vector<std::string> patterns = of_rules;
    for (const policy::Attach& attach : attachments) {
        patterns.push_back(device_of(attach));
    }
    patterns = sorted_and_unique(std::move(patterns));

    const auto devices = device_classes(Reader(patterns));
    if (!devices) {
        return std::nullopt;
    }
    std::set<Matched> classes = *devices;
    for (const policy::Attach& attach : attachments) {
        classes.merge(attachment_classes(patterns, attach, *devices));
    }

    std::map<std::string, std::vector<Span>> numbers;
    std::size_t next = 0;
    for (const Matched& matched : classes) {
        for (const std::uint32_t pattern : matched) {
            numbers[patterns[pattern]].push_back({next, next});
        }
        ++next;
    }
    NameClasses result;
    result.count = next;
    for (const std::string& pattern : of_rules) {
        result.of_pattern.emplace(pattern, Ranges(std::move(numbers[pattern])));
    }
    return result;
}

}  // namespace fwctl::analyze
