#include "policy/parse.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/builtin.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "policy/toml.h"

namespace fwctl::policy {

namespace {

constexpr std::int64_t kVersion = 1;

SourceSpan span_of(const toml::source_region& region) {
    SourceSpan span{region.begin.line, region.begin.column, 0};
    span.length = region.end.line == region.begin.line ? region.end.column - region.begin.column
                                                       : std::numeric_limits<std::size_t>::max();
    return span;
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a float";
        case toml::node_type::boolean:
            return "a boolean";
        default:
            return "a date or time";
    }
}

// "did you mean …" where a word is near, else what there is.
std::string hint_for(std::string_view word, const std::vector<std::string_view>& known, std::string_view of) {
    if (const auto meant = nearest(word, known)) {
        return fmt::format("did you mean \"{}\"?", *meant);
    }
    return fmt::format("the keys of {} are {}", of, fmt::join(known, ", "));
}

class Reader {
public:
    Reader(std::string_view text, std::string_view file_name) : text_(text), diagnostics_(file_name, text) {}

    ParseResult read() {
        const toml::parse_result parsed = toml::parse(text_);
        if (!parsed) {
            report_syntax(parsed.error());
        } else {
            read_root(parsed.table());
        }
        if (!diagnostics_.empty()) {
            return tl::unexpected<Diagnostics>(std::move(diagnostics_));
        }
        return std::move(policy_);
    }

private:
    void error(const toml::source_region& region, std::string message, std::string hint = {}) {
        diagnostics_.error(span_of(region), std::move(message), std::move(hint));
    }

    void report_syntax(const toml::parse_error& fault) {
        const SourceSpan span = span_of(fault.source());
        std::string_view message = fault.description();
        constexpr std::string_view kOpening = "Error while ";
        if (message.substr(0, kOpening.size()) == kOpening) {
            message.remove_prefix(kOpening.size());
        }
        diagnostics_.error({span.line, span.column, 0}, std::string(message), quotes_hint(span.line));
    }

    // The usual mistake: `from = 192.0.2.1`, a value that is no number and stands without quotes.
    [[nodiscard]] std::string quotes_hint(std::size_t number) const {
        const std::string_view line = diagnostics_.line(number);
        const std::size_t equals = line.find('=');
        const std::string_view value =
            line.substr(equals == std::string_view::npos ? line.size() : equals + 1);
        const bool is_number = value.find_first_not_of(" \t0123456789") == std::string_view::npos;
        if (is_number || value.find_first_of("\"'") != std::string_view::npos) {
            return {};
        }
        return "services, addresses and names stand in quotes: from = \"192.0.2.1\"";
    }

    void read_root(const toml::table& root) {
        for (const auto& [key, value] : root) {
            if (key == "version") {
                read_version(value);
            } else if (key == "rule") {
                read_rules(value);
            } else {
                error(key.source(), fmt::format("unknown key \"{}\"", key.str()),
                      hint_for(key, {"version", "rule"}, "a policy"));
            }
        }
        if (!root.contains("version")) {
            diagnostics_.error({1, 1, 0}, "the policy does not say its version",
                               "begin it with: version = 1");
        }
    }

    void read_version(const toml::node& value) {
        const auto version = value.value_exact<std::int64_t>();
        if (!version) {
            error(value.source(), fmt::format("\"version\" takes an integer, not {}", kind_of(value)));
        } else if (*version != kVersion) {
            error(value.source(),
                  fmt::format("version {} is not known; this fwctl reads version {}", *version, kVersion));
        }
    }

    void read_rules(const toml::node& value) {
        const toml::array* rules = value.as_array();
        if (rules == nullptr) {
            error(value.source(), fmt::format("\"rule\" is a list of tables, not {}", kind_of(value)),
                  "write [[rule]]");
            return;
        }
        for (const toml::node& element : *rules) {
            if (const toml::table* table = element.as_table()) {
                read_rule(*table);
            } else {
                error(element.source(), fmt::format("a rule is a table, not {}", kind_of(element)),
                      "write [[rule]]");
            }
        }
    }

    void read_rule(const toml::table& table) {
        const std::size_t mistakes_before = diagnostics_.errors().size();
        Rule rule;
        for (const auto& [key, value] : table) {
            if (const RuleKey* row = find_rule_key(key.str())) {
                read_value(*row, value, rule);
            } else {
                report_unknown_rule_key(key);
            }
        }
        for (const RuleKey& row : rule_keys()) {
            if (row.required && !table.contains(row.name)) {
                error(table.source(), fmt::format("a rule needs the key \"{}\"", row.name),
                      fmt::format("{} takes {}", row.name, row.accepts));
            }
        }
        if (const toml::node* name = table.get("name")) {
            claim_name(rule.name, *name);
        }
        const Status possible = check_rule(canonical(rule));
        if (!possible && diagnostics_.errors().size() == mistakes_before) {
            error(table.source(), possible.error().message);
        }
        policy_.rules.push_back(canonical(std::move(rule)));
    }

    void report_unknown_rule_key(const toml::key& key) {
        std::vector<std::string_view> known;
        for (const RuleKey& row : rule_keys()) {
            known.push_back(row.name);
        }
        error(key.source(), fmt::format("unknown key \"{}\"", key.str()), hint_for(key, known, "a rule"));
    }

    void read_value(const RuleKey& row, const toml::node& value, Rule& rule) {
        const toml::array* list = row.kind == ValueKind::kWords ? value.as_array() : nullptr;
        if (list == nullptr) {
            read_word(row, value, rule,
                      row.kind == ValueKind::kWord ? "a string" : "a string or an array of strings");
            return;
        }
        if (list->empty()) {
            error(value.source(), fmt::format("\"{}\" lists nothing and would match nothing", row.name),
                  fmt::format("leave {} out to match everything", row.name));
        }
        for (const toml::node& element : *list) {
            read_word(row, element, rule, "strings");
        }
    }

    void read_word(const RuleKey& row, const toml::node& value, Rule& rule, std::string_view takes) {
        const auto word = value.value_exact<std::string_view>();
        if (!word) {
            error(value.source(), fmt::format("\"{}\" takes {}, not {}", row.name, takes, kind_of(value)),
                  fmt::format("{} takes {}", row.name, row.accepts));
            return;
        }
        const Status added = row.add(rule, *word);
        if (!added) {
            error(value.source(), added.error().message);
        }
    }

    void claim_name(const std::string& name, const toml::node& value) {
        if (describe_builtin(name)) {
            error(value.source(), fmt::format("\"{}\" is the name of a built-in rule", name));
        }
        const auto [first, is_new] = names_.emplace(name, value.source().begin.line);
        if (!is_new) {
            error(value.source(),
                  fmt::format("another rule is called \"{}\", in line {}", name, first->second));
        }
    }

    std::string_view text_;
    Diagnostics diagnostics_;
    Policy policy_;
    std::map<std::string, std::size_t> names_;  // and the line where each stands
};

}  // namespace

ParseResult parse_policy(std::string_view text, std::string_view file_name) {
    return Reader(text, file_name).read();
}

}  // namespace fwctl::policy
