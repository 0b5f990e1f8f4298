#include "policy/command.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/schema.h"

namespace fwctl::policy {

namespace {

// A word that opens a list; its name is the key of the schema.
struct Opener {
    std::string_view word;
    std::string_view takes;
    std::string_view example;
};

const std::vector<Opener>& openers() {
    static const std::vector<Opener> all_openers = [] {
        std::vector<Opener> all = {{"from", "an address", "192.0.2.0/24"},
                                   {"to", "an address", "192.0.2.0/24"},
                                   {"on", "an interface", "eth0"}};
        for (const FieldInfo& info : fields()) {
            all.push_back({info.key, "a value", info.accepts.substr(0, info.accepts.find(','))});
        }
        return all;
    }();
    return all_openers;
}

// What a word such as 10/second opens.
constexpr Opener kRateOpener = {"rate", "a rate", "10/second"};

// All words that are not values.
const std::vector<std::string_view>& keywords() {
    static const std::vector<std::string_view> all_keywords = [] {
        std::vector<std::string_view> all = {"in", "out"};
        for (const Opener& opener : openers()) {
            all.push_back(opener.word);
        }
        return all;
    }();
    return all_keywords;
}

const Opener* find_opener(std::string_view word) {
    const auto row = std::find_if(openers().begin(), openers().end(),
                                  [word](const Opener& known) { return known.word == word; });
    return row == openers().end() ? nullptr : &*row;
}

bool is_direction(std::string_view word) {
    return word == "in" || word == "out";
}

std::vector<std::string> split_at_commas(std::span<const std::string> words) {
    std::vector<std::string> parts;
    for (const std::string& word : words) {
        std::string_view rest = word;
        while (!rest.empty()) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            if (comma > 0) {
                parts.emplace_back(rest.substr(0, comma));
            }
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return parts;
}

bool is_bare_number(std::string_view word) {
    return word.find_first_not_of("0123456789") == std::string_view::npos;
}

// Reads the words from left to right into a rule.
class RuleSentence {
public:
    enum class Kind { kPlain, kLimit };

    explicit RuleSentence(Action action, Kind kind = Kind::kPlain) : is_limit_(kind == Kind::kLimit) {
        rule_.action = action;
    }

    Status read(const std::string& word) {
        if (const Opener* opener = find_opener(word)) {
            return open(*opener);
        }
        if (is_direction(word)) {
            return set_direction(word);
        }
        if (direction_is_last_) {
            return refuse_behind_direction(word);
        }
        if (is_limit_ && begins_rate(word)) {
            if (!rate_.empty()) {
                return refuse(fmt::format("\"{}\" is a second rate; a limit takes one", word));
            }
            const Status opened = open(kRateOpener);
            rate_ = "over " + word;
            list_is_empty_ = false;
            return opened;
        }
        Status added = opener_ == nullptr ? add_service(word) : add_to_list(word);
        list_is_empty_ = false;
        return added;
    }

    Result<Rule> finish() {
        const Status closed = close_list();
        if (!closed) {
            return tl::unexpected<Error>(closed.error());
        }
        if (rule_.services.empty()) {
            return refuse(
                fmt::format("{} what? name a service such as icmp or tcp/22, or any for every packet",
                            is_limit_ ? "limit" : action_name(rule_.action)));
        }
        if (is_limit_ && rate_.empty()) {
            return refuse(
                "limit to what? write a rate behind the services: fwctl limit tcp/22 10/minute per source");
        }
        if (is_limit_) {
            if (const Status added = find_rule_key("rate")->add(rule_, rate_); !added) {
                return tl::unexpected<Error>(added.error());
            }
        }
        Rule rule = canonical(std::move(rule_));
        rule.name = default_name(rule);
        return check_rule(rule).map([&] { return rule; });
    }

private:
    Status open(const Opener& opener) {
        Status closed = close_list();
        if (!closed) {
            return closed;
        }
        if (std::find(opened_.begin(), opened_.end(), opener.word) != opened_.end()) {
            return refuse(
                fmt::format("\"{0}\" is there twice; one \"{0}\" takes several of them", opener.word));
        }
        opened_.push_back(opener.word);
        opener_ = &opener;
        list_is_empty_ = true;
        direction_is_last_ = false;
        return {};
    }

    Status close_list() {
        if (opener_ != nullptr && list_is_empty_) {
            return refuse(fmt::format("\"{0}\" without {1} behind it: write {0} {2}", opener_->word,
                                      opener_->takes, opener_->example));
        }
        return {};
    }

    Status set_direction(const std::string& word) {
        Status closed = close_list();
        if (!closed) {
            return closed;
        }
        if (direction_ == word) {
            return refuse(fmt::format("\"{}\" is there twice", word));
        }
        if (!direction_.empty()) {
            return refuse("in and out contradict; leave both out for both");
        }
        direction_ = word;
        direction_is_last_ = true;
        return find_rule_key("direction")->add(rule_, word);
    }

    [[nodiscard]] tl::unexpected<Error> refuse_behind_direction(const std::string& word) const {
        if (const auto meant = nearest(word, keywords())) {
            return refuse_unknown(word, *meant);
        }
        return refuse(fmt::format("\"{}\" follows \"{}\", which takes nothing behind it", word, direction_));
    }

    static tl::unexpected<Error> refuse_unknown(std::string_view word, std::string_view meant) {
        return refuse(fmt::format("unknown word \"{}\"; did you mean \"{}\"?", word, meant));
    }

    Status add_service(const std::string& word) {
        // "tcp 22" and "tcp/80,90": a number alone is a protocol, which is hardly what is meant here.
        if (is_bare_number(word) && !rule_.services.empty()) {
            return refuse(fmt::format(
                "is {0} a port, a type or a protocol? write tcp/{0}, icmp/{0} or proto/{0}", word));
        }
        Status added = find_rule_key("service")->add(rule_, word);
        if (added) {
            return added;
        }
        const auto meant = rule_.services.empty() ? std::nullopt : nearest(word, keywords());
        if (meant) {
            return refuse_unknown(word, *meant);
        }
        if (word.front() == '@' || parse_prefix(word)) {
            return refuse(fmt::format("\"{0}\" is an address: write from {0} or to {0}", word));
        }
        return added;
    }

    // The comma of "per source/24,64" has parted it.
    Status add_to_rate(const std::string& word) {
        const std::size_t last = rate_.rfind(' ');
        const bool goes_on = is_bare_number(word) && rate_.find('/', last) != std::string::npos;
        rate_ += (goes_on ? "," : " ") + word;
        return {};
    }

    Status add_to_list(const std::string& word) {
        if (opener_ == &kRateOpener) {
            return add_to_rate(word);
        }
        if (opener_->takes == "an address" && word == "any") {
            return refuse(
                fmt::format("\"{0} any\" says nothing: leave {0} out for any address", opener_->word));
        }
        Status added = find_rule_key(opener_->word)->add(rule_, word);
        const auto meant = added ? std::nullopt : nearest(word, keywords());
        if (meant) {
            return refuse_unknown(word, *meant);
        }
        return added;
    }

    bool is_limit_ = false;
    Rule rule_;
    std::string rate_;                // as the key has it
    const Opener* opener_ = nullptr;  // of the list that is being read; nullptr: the services
    bool list_is_empty_ = true;
    std::vector<std::string_view> opened_;
    std::string direction_;
    bool direction_is_last_ = false;
};

Result<Rule> read_sentence(RuleSentence sentence, std::span<const std::string> words) {
    for (const std::string& word : split_at_commas(words)) {
        const Status read = sentence.read(word);
        if (!read) {
            return tl::unexpected<Error>(read.error());
        }
    }
    return sentence.finish();
}

}  // namespace

Result<Rule> parse_rule_words(Action action, std::span<const std::string> words) {
    return read_sentence(RuleSentence(action), words);
}

Result<Rule> parse_filter_words(std::vector<std::string> words) {
    const std::vector<std::string_view>& all = keywords();
    if (words.empty() || std::find(all.begin(), all.end(), words.front()) != all.end())
        words.insert(words.begin(), "any");
    return parse_rule_words(Action::kAllow, words);
}

Result<Rule> parse_limit_words(std::span<const std::string> words) {
    return read_sentence(RuleSentence(Action::kDeny, RuleSentence::Kind::kLimit), words);
}

}  // namespace fwctl::policy
