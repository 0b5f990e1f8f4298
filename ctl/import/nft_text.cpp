#include "import/nft_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "import/nft_text_rule.h"
#include "import/nft_tokens.h"

namespace fwctl::importer {

namespace {

using Tokens = std::span<const NftToken>;

struct Priority {
    std::string_view name;
    int value;
};
// Of all families but bridge, which is not translated.
constexpr std::array kPriorities = {Priority{"raw", -300}, Priority{"mangle", -150}, Priority{"dstnat", -100},
                                    Priority{"filter", 0}, Priority{"security", 50}, Priority{"srcnat", 100}};

std::optional<int> integer(std::string_view text) {
    const bool is_negative = text.substr(0, 1) == "-";
    const auto number = parse_number(text.substr(is_negative ? 1 : 0), 1U << 30);
    return number ? std::optional(is_negative ? -static_cast<int>(*number) : static_cast<int>(*number))
                  : std::nullopt;
}

// "filter", "-10", "filter + 5", "security - 1"
int priority_of(Tokens words) {
    if (words.empty()) {
        return 0;
    }
    const auto* row = std::find_if(kPriorities.begin(), kPriorities.end(),
                                   [&](const Priority& known) { return words[0].is(known.name); });
    const int base = row == kPriorities.end() ? integer(words[0].text).value_or(0) : row->value;
    if (words.size() < 3) {
        return base;
    }
    const int offset = integer(words[2].text).value_or(0);
    return words[1].is("-") ? base - offset : base + offset;
}

// With one blank where there were blanks and ends of lines.
std::string in_one_line(std::string_view text) {
    std::string line;
    for (const char letter : text) {
        const bool is_blank = letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r';
        if (!is_blank || (!line.empty() && line.back() != ' ')) {
            line += is_blank ? ' ' : letter;
        }
    }
    return line;
}

class Parser {
public:
    Parser(std::string_view text, std::string_view file_name, std::vector<NftToken> tokens)
        : text_(text), file_name_(file_name), tokens_(std::move(tokens)) {}

    Result<Json> parse() {
        skip_lines();
        while (at_ < tokens_.size()) {
            const Status status = table();
            if (!status) {
                return tl::unexpected<Error>(status.error());
            }
            skip_lines();
        }
        if (objects_.empty()) {
            return refuse("there is no table; this is not the output of nft list ruleset");
        }
        return Json{{"nftables", std::move(objects_)}};
    }

private:
    [[nodiscard]] tl::unexpected<Error> refuse(const std::string& what) const {
        const NftToken end{"", false, 1, 1, 0, 0};
        const NftToken& token = at_ < tokens_.size() ? tokens_[at_] : tokens_.empty() ? end : tokens_.back();
        return fail(fmt::format("{}:{}:{}: {}", file_name_, token.line, token.column, what), Exit::kUsage);
    }

    [[nodiscard]] bool is_at(std::string_view word) const {
        return at_ < tokens_.size() && tokens_[at_].is(word);
    }
    std::string take() { return at_ < tokens_.size() ? tokens_[at_++].text : ""; }
    void skip_lines() {
        while (is_at("\n") || is_at(";")) {
            ++at_;
        }
    }

    // Up to where the statement ends: at a line's end or a semicolon that is not within braces, or at the
    // brace that closes what is around it.
    Tokens statement() {
        const std::size_t begin = at_;
        int depth = 0;
        for (; at_ < tokens_.size(); ++at_) {
            if (depth == 0 && (is_at("\n") || is_at(";") || is_at("}"))) {
                break;
            }
            depth += is_at("{") ? 1 : is_at("}") ? -1 : 0;
        }
        return Tokens(tokens_).subspan(begin, at_ - begin);
    }

    Status open() {
        if (!is_at("{")) {
            return refuse("expected {");
        }
        ++at_;
        return {};
    }

    // Reads statements up to the closing brace. `body` returns a Status.
    template <typename Body>
    Status block(Body body) {
        Status status = open();
        for (skip_lines(); status && !is_at("}"); skip_lines()) {
            if (at_ >= tokens_.size()) {
                return refuse("a brace is not closed; is the file cut short?");
            }
            status = body();
        }
        at_ += status ? 1 : 0;
        return status;
    }

    void add(const std::string& kind, Json body) {
        Json object = Json::object();
        object[kind] = std::move(body);
        objects_.push_back(std::move(object));
    }

    Status table() {
        if (!is_at("table")) {
            return refuse("expected a table; this is not what nft list ruleset prints, with or without -j");
        }
        ++at_;
        family_ = take();
        table_ = "";
        if (is_at("{")) {
            table_ = std::exchange(family_, "ip");
        } else {
            table_ = take();
        }
        const std::size_t index = objects_.size();
        add("table", {{"family", family_}, {"name", table_}, {"flags", Json::array()}});
        return block([&] { return table_item(index); });
    }

    Status table_item(std::size_t table) {
        if (is_at("chain") || is_at("set")) {
            const std::string kind = take();
            const std::string name = take();
            return kind == "chain" ? chain(name) : set(name);
        }
        const Tokens words = statement();
        for (const NftToken& word : words.empty() || !words[0].is("flags") ? Tokens() : words.subspan(1)) {
            objects_[table]["table"]["flags"].push_back(word.text);
        }
        return {};
    }

    Status set(const std::string& name) {
        Json body = {{"family", family_}, {"table", table_}, {"name", name}, {"elem", Json::array()}};
        Status status = block([&] {
            set_statement(statement(), body);
            return Status();
        });
        add("set", std::move(body));
        return status;
    }

    static void set_statement(Tokens words, Json& body) {
        if (words.size() < 2) {
            return;
        }
        if (words[0].is("type") || words[0].is("typeof")) {
            body["type"] = set_type(words.subspan(1));
        } else if (words[0].is("flags")) {
            for (const NftToken& word : words.subspan(1)) {
                body["flags"].push_back(word.text);
            }
        } else if (words[0].is("timeout")) {
            const auto timeout = parse_duration(words[1].text);
            body["timeout"] = timeout ? static_cast<unsigned>(timeout->count()) : 0U;
        } else if (words[0].is("size")) {
            body["size"] = parse_number(words[1].text, 1U << 31).value_or(0);
        } else if (words[0].is("elements") && words.size() > 3) {
            body["elem"] = nft_elements_to_json(words.subspan(3, words.size() - 4));
        }
    }

    // "ipv4_addr", "typeof ip saddr"
    static std::string set_type(Tokens words) {
        const bool is_address = words.size() == 2 && (words[1].is("saddr") || words[1].is("daddr"));
        if (is_address && (words[0].is("ip") || words[0].is("ip6"))) {
            return words[0].is("ip") ? "ipv4_addr" : "ipv6_addr";
        }
        return words.size() == 1 ? words[0].text : "several";
    }

    Status chain(const std::string& name) {
        const std::size_t index = objects_.size();
        add("chain", {{"family", family_}, {"table", table_}, {"name", name}});
        return block([&] {
            const Tokens words = statement();
            if (words[0].is("type") || words[0].is("policy") || words[0].is("comment")) {
                chain_statement(words, objects_[index]["chain"]);
            } else {
                rule(words, name);
            }
            return Status();
        });
    }

    // "type filter hook ingress device "eth0" priority filter", "policy drop"
    static void chain_statement(Tokens words, Json& body) {
        for (std::size_t i = 0; i + 1 < words.size(); ++i) {
            for (const std::string_view key : {"type", "hook", "policy"}) {
                if (words[i].is(key)) {
                    body[std::string(key)] = words[i + 1].text;
                }
            }
            if (words[i].is("priority")) {
                body["prio"] = priority_of(words.subspan(i + 1));
            }
            if (words[i].is("device")) {
                body["dev"] = words[i + 1].text;
            }
            if (words[i].is("devices")) {
                body["dev"] = Json::array();
                for (std::size_t name = i + 3; name < words.size() && !words[name].is("}"); ++name) {
                    if (!words[name].is(",")) {
                        body["dev"].push_back(words[name].text);
                    }
                }
            }
        }
    }

    void rule(Tokens words, const std::string& chain) {
        Json body = nft_rule_to_json(words);
        body["family"] = family_;
        body["table"] = table_;
        body["chain"] = chain;
        body["line"] = words.front().line;
        if (words.front().line == std::exchange(last_line_, words.front().line)) {
            body["column"] = words.front().column;
        }
        body["text"] = in_one_line(text_.substr(words.front().begin, words.back().end - words.front().begin));
        add("rule", std::move(body));
    }

    std::string_view text_;
    std::string file_name_;
    std::vector<NftToken> tokens_;
    std::size_t at_ = 0;
    std::string family_;
    std::string table_;
    std::size_t last_line_ = 0;  // that of the last rule
    Json objects_ = Json::array();
};

}  // namespace

Result<Json> nft_text_to_json(std::string_view text, std::string_view file_name) {
    auto tokens = nft_tokens(text, file_name);
    if (!tokens) {
        return tl::unexpected<Error>(tokens.error());
    }
    return Parser(text, file_name, std::move(*tokens)).parse();
}

}  // namespace fwctl::importer
