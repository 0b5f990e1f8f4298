#include "import/nft_text_rule.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "import/conditions.h"
#include "import/nft_match.h"

namespace fwctl::importer {

namespace {

using Tokens = std::span<const NftToken>;

constexpr unsigned kMostNumber = 1'000'000'000;  // of a rate

constexpr std::array<std::string_view, 13> kHeaders = {
    "ether", "vlan", "arp", "ip", "ip6", "tcp", "udp", "sctp", "dccp", "icmp", "icmpv6", "udplite", "th"};
// Keys of meta that nft prints without that word.
constexpr std::array<std::string_view, 10> kMetaKeys = {"iif",   "iifname", "oif",     "oifname", "mark",
                                                        "skuid", "skgid",   "pkttype", "cpu",     "cgroup"};

// Some have two forms; nft prints the words in rules of iptables.
struct Operator {
    std::string_view written;
    std::string_view meant;
};
constexpr std::array kOperators = {Operator{"==", "=="}, Operator{"!=", "!="}, Operator{"<", "<"},
                                   Operator{">", ">"},   Operator{"<=", "<="}, Operator{">=", ">="},
                                   Operator{"!", "!"},   Operator{"lt", "<"},  Operator{"gt", ">"},
                                   Operator{"le", "<="}, Operator{"ge", ">="}, Operator{"eq", "=="},
                                   Operator{"ne", "!="}};
constexpr std::array<std::string_view, 4> kBareVerdicts = {"accept", "drop", "return", "continue"};
// Where a statement begins whose beginning can be told from the words of others.
constexpr std::array<std::string_view, 11> kBeginnings = {
    "accept", "drop", "return", "continue", "jump", "goto", "reject", "queue", "log", "counter", "comment"};
constexpr std::array<std::string_view, 5> kLogOptions = {"prefix", "level", "group", "snaplen",
                                                         "queue-threshold"};

template <std::size_t kSize>
bool is_one_of(const std::array<std::string_view, kSize>& list, const NftToken& token) {
    return !token.is_quoted && std::find(list.begin(), list.end(), token.text) != list.end();
}

// Splits at that mark where it is not within braces.
std::vector<Tokens> split(Tokens tokens, std::string_view mark) {
    std::vector<Tokens> parts;
    std::size_t begin = 0;
    int depth = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        depth += tokens[i].is("{") ? 1 : tokens[i].is("}") ? -1 : 0;
        if (depth == 0 && tokens[i].is(mark)) {
            parts.push_back(tokens.subspan(begin, i - begin));
            begin = i + 1;
        }
    }
    parts.push_back(tokens.subspan(begin));
    return parts;
}

// "80-90" and "192.0.2.5-192.0.2.9", but not "echo-request".
Json word_to_json(const NftToken& token) {
    const std::size_t dash = token.is_quoted ? std::string::npos : token.text.find('-');
    if (dash != std::string::npos) {
        const std::string first = token.text.substr(0, dash);
        const std::string last = token.text.substr(dash + 1);
        const bool is_number = !first.empty() && first[0] >= '0' && first[0] <= '9';
        if (is_number || parse_span(first, last)) {
            return {{"range", {first, last}}};
        }
    }
    return token.text;
}

Json words_to_json(Tokens tokens, std::string_view mark) {
    Json list = Json::array();
    for (const Tokens part : split(tokens, mark)) {
        list.push_back(nft_value_to_json(part));
    }
    return list;
}

class RuleParser {
public:
    explicit RuleParser(Tokens tokens) : tokens_(tokens) {}

    Json parse() {
        while (at_ < tokens_.size()) {
            const std::size_t before = at_;
            statement();
            at_ = std::max(at_, before + 1);
        }
        return std::move(rule_);
    }

private:
    [[nodiscard]] bool is_at(std::string_view word) const {
        return at_ < tokens_.size() && tokens_[at_].is(word);
    }
    [[nodiscard]] std::string take() { return at_ < tokens_.size() ? tokens_[at_++].text : ""; }

    void add(const std::string& kind, Json body) {
        Json statement = Json::object();
        statement[kind] = std::move(body);
        rule_["expr"].push_back(std::move(statement));
    }

    void statement() {
        const NftToken& first = tokens_[at_];
        if (is_one_of(kBareVerdicts, first)) {
            add(take(), nullptr);
        } else if (first.is("jump") || first.is("goto")) {
            const std::string kind = take();
            add(kind, {{"target", take()}});
        } else if (first.is("counter")) {
            counter();
        } else if (first.is("log")) {
            log();
        } else if (first.is("reject")) {
            reject();
        } else if (first.is("limit")) {
            limit();
        } else if (first.is("comment")) {
            ++at_;
            rule_["comment"] = take();
        } else if (is_one_of(kHeaders, first)) {
            const std::string protocol = take();
            match({{"payload", {{"protocol", protocol}, {"field", take()}}}});
        } else if (first.is("meta") || first.is("ct") || first.is("exthdr")) {
            const std::string kind = take();
            Json left = Json::object();
            left[kind] = {{kind == "exthdr" ? "name" : "key", take()}};
            match(std::move(left));
        } else if (is_one_of(kMetaKeys, first)) {
            match({{"meta", {{"key", take()}}}});
        } else {
            add(take(), Json::object());
            skip();
        }
    }

    // To where the next statement surely begins.
    void skip() {
        int depth = 0;
        for (; at_ < tokens_.size(); ++at_) {
            if (depth == 0 && is_one_of(kBeginnings, tokens_[at_])) {
                return;
            }
            depth += tokens_[at_].is("{") ? 1 : tokens_[at_].is("}") ? -1 : 0;
        }
    }

    // "counter packets 1 bytes 2", "counter name cnt", "counter"
    void counter() {
        ++at_;
        add("counter", nullptr);
        if (is_at("name")) {
            at_ += 2;
        }
        while (is_at("packets") || is_at("bytes")) {
            at_ += 2;
        }
    }

    void log() {
        ++at_;
        Json body = Json::object();
        while (at_ < tokens_.size()) {
            if (is_one_of(kLogOptions, tokens_[at_])) {
                const std::string option = take();
                body[option] = take();
            } else if (is_at("flags")) {
                // "flags tcp sequence,options", "flags all"
                const bool has_detail =
                    at_ + 1 < tokens_.size() && (tokens_[at_ + 1].is("tcp") || tokens_[at_ + 1].is("ip"));
                at_ += has_detail ? 3 : 2;
                while (is_at(",")) {
                    at_ += 2;
                }
            } else {
                break;
            }
        }
        add("log", std::move(body));
    }

    // "reject", "reject with tcp reset", "reject with icmp type host-unreachable"
    void reject() {
        ++at_;
        Json body = Json::object();
        if (is_at("with")) {
            ++at_;
            const std::string type = take();
            if (type == "tcp") {
                ++at_;
                body["type"] = "tcp reset";
            } else {
                at_ += is_at("type") ? 1 : 0;
                body["type"] = type;
                body["expr"] = take();
            }
        }
        add("reject", std::move(body));
    }

    // "limit rate over 10/second burst 5 packets"; what is not of packets stays without its numbers.
    void limit() {
        ++at_;
        Json body = Json::object();
        at_ += is_at("rate") ? 1 : 0;
        if (is_at("over")) {
            ++at_;
            body["inv"] = true;
        }
        const std::string rate = take();
        const std::size_t slash = std::min(rate.find('/'), rate.size());
        const auto count = parse_number(rate.substr(0, slash), kMostNumber);
        const auto burst = is_at("burst") && at_ + 2 < tokens_.size() && tokens_[at_ + 2].is("packets")
                               ? parse_number(tokens_[at_ + 1].text, kMostNumber)
                               : std::nullopt;
        at_ += burst ? 3 : 0;
        if (!count || slash == rate.size() || is_at("burst")) {
            skip();
        } else {
            body["rate"] = *count;
            body["per"] = rate.substr(slash + 1);
        }
        if (burst) {
            body["burst"] = *burst;
        }
        add("limit", std::move(body));
    }

    // The words of one value: up to the blank behind it, so to say.
    Tokens value() {
        const std::size_t begin = at_;
        if (is_at("{") || is_at("(")) {
            int depth = 0;
            do {
                depth += is_at("{") || is_at("(") ? 1 : is_at("}") || is_at(")") ? -1 : 0;
                ++at_;
            } while (at_ < tokens_.size() && depth > 0);
            return tokens_.subspan(begin, at_ - begin);
        }
        at_ = std::min(at_ + 1, tokens_.size());
        while (is_at(",") || is_at("|")) {
            at_ = std::min(at_ + 2, tokens_.size());
        }
        return tokens_.subspan(begin, at_ - begin);
    }

    static Json to_json(Tokens words) {
        if (words.size() >= 2 && (words.front().is("{") || words.front().is("("))) {
            const bool is_set = words.front().is("{");
            const Tokens inside = words.subspan(1, words.size() - 2);
            return is_set ? Json{{"set", nft_elements_to_json(inside)}} : nft_value_to_json(inside);
        }
        return split(words, ",").size() > 1 ? words_to_json(words, ",") : nft_value_to_json(words);
    }

    void refuse(std::string_view what) {
        add("unread", fmt::format("{} no counterpart", what));
        skip();
    }

    void match(Json left) {
        if (is_at(".")) {
            return refuse("concatenations have");
        }
        if (is_at("vmap")) {
            return vmap(left);
        }
        if (is_at("set")) {
            add("mangle", {{"key", left}});
            return skip();
        }
        if (is_at("map")) {
            return refuse(fmt::format("`{} map` has", nft_name(left)));
        }
        if (is_at("exists") || is_at("missing")) {
            return add("match", {{"op", "=="}, {"left", left}, {"right", take() == "exists"}});
        }
        bool is_masked = is_at("&");
        if (is_masked) {
            ++at_;
            left = {{"&", Json::array({left, to_json(value())})}};
        }
        const std::string op = take_operator();
        if (at_ >= tokens_.size()) {
            return refuse(fmt::format("`{}` without a value has", nft_name(left)));
        }
        const Json right = to_json(value());
        if (is_at("/")) {
            ++at_;
            is_masked = true;
            left = {{"&", Json::array({left, to_json(value())})}};
        }
        // nft lists == without its sign here, and takes what it lists for a question for one of them.
        if (op.empty() && right.contains("|") && nft_name(left) == "ct state") {
            return refuse("states with | between them and no comparison have");
        }
        const bool is_bits = !is_masked && !right.contains("set") && is_bitmask(left);
        add("match", {{"op", !op.empty() ? op : is_bits ? "in" : "=="}, {"left", left}, {"right", right}});
    }

    // Empty: there is none.
    std::string take_operator() {
        for (const Operator& known : kOperators) {
            if (is_at(known.written)) {
                ++at_;
                return std::string(known.meant);
            }
        }
        return "";
    }

    static bool is_bitmask(const Json& left) {
        const std::string name = nft_name(left);
        return name == "tcp flags" || name == "ct state";
    }

    // "ct state vmap { invalid : drop, established : accept }"
    void vmap(const Json& left) {
        ++at_;
        const Tokens words = value();
        if (words.size() < 2 || !words.front().is("{")) {
            return add("vmap", {{"key", left}, {"data", words.empty() ? "" : words.front().text}});
        }
        Json pairs = Json::array();
        for (const Tokens pair : split(words.subspan(1, words.size() - 2), ",")) {
            const std::vector<Tokens> sides = split(pair, ":");
            if (!pair.empty() && sides.size() == 2 && !sides[0].empty() && !sides[1].empty()) {
                pairs.push_back(Json::array({nft_value_to_json(sides[0]), verdict_to_json(sides[1])}));
            } else if (!pair.empty()) {
                return refuse("what stands in its verdict map has");
            }
        }
        add("vmap", {{"key", left}, {"data", {{"set", pairs}}}});
    }

    // "accept", "jump dns"
    static Json verdict_to_json(Tokens words) {
        Json verdict = Json::object();
        verdict[words[0].text] = words.size() == 1 ? Json() : Json{{"target", words[1].text}};
        return verdict;
    }

    Tokens tokens_;
    std::size_t at_ = 0;
    Json rule_ = {{"expr", Json::array()}};
};

}  // namespace

Json nft_value_to_json(Tokens tokens) {
    if (tokens.empty()) {
        return "";
    }
    if (split(tokens, "|").size() > 1) {
        return {{"|", words_to_json(tokens, "|")}};
    }
    if (split(tokens, ".").size() > 1) {
        return {{"concat", words_to_json(tokens, ".")}};
    }
    // What follows an element of a set is its timeout, counter or comment.
    return word_to_json(tokens.front());
}

Json nft_elements_to_json(Tokens tokens) {
    std::vector<NftToken> words;
    std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(words),
                 [](const NftToken& token) { return !token.ends_line(); });
    Json list = Json::array();
    for (const Tokens part : split(words, ",")) {
        if (!part.empty()) {
            list.push_back(nft_value_to_json(part));
        }
    }
    return list;
}

Json nft_rule_to_json(Tokens tokens) {
    std::vector<NftToken> words;
    std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(words),
                 [](const NftToken& token) { return !token.ends_line(); });
    return RuleParser(words).parse();
}

}  // namespace fwctl::importer
