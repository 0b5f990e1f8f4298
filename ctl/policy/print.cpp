#include "policy/print.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/addresses.h"
#include "policy/builtin.h"
#include "policy/health.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/schema.h"

namespace fwctl::policy {

namespace {

constexpr std::size_t kShortList = 4;

// A TOML basic string. What udp sends can have control characters, which no terminal is to obey.
std::string quote(std::string_view word) {
    std::string out = "\"";
    while (!word.empty()) {
        const std::size_t control = control_size(word);
        if (control != 0) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(word[control - 1]));
        } else {
            out += word[0] == '"' || word[0] == '\\' ? "\\" : "";
            out += word[0];
        }
        word.remove_prefix(std::max<std::size_t>(1, control));
    }
    return out + "\"";
}

std::string format_array(const std::vector<std::string>& words) {
    std::vector<std::string> quoted;
    quoted.reserve(words.size());
    for (const std::string& word : words) {
        quoted.push_back(quote(word));
    }
    return fmt::format("[{}]", fmt::join(quoted, ", "));
}

// Long lists stand one element a line, so that a comparison shows which one has changed.
std::string format_list(const std::vector<std::string>& words) {
    std::string out = "[\n";
    for (const std::string& word : words) {
        out += "    " + quote(word) + ",\n";
    }
    return out + "]";
}

std::string format_value(ValueKind kind, const std::vector<std::string>& words) {
    if (kind == ValueKind::kBoolean || kind == ValueKind::kInteger) {
        return words.front();
    }
    if (words.size() == 1) {
        return quote(words.front());
    }
    return kind == ValueKind::kList && words.size() > kShortList ? format_list(words) : format_array(words);
}

// "key = value" of each key that is there.
template <typename Target>
std::vector<std::string> assignments(std::span<const Key<Target>> keys, const Target& target) {
    std::vector<std::string> lines;
    for (const Key<Target>& key : keys) {
        if (key.kind == ValueKind::kTable) {
            const auto inner = assignments(key.keys(), target);
            if (!inner.empty()) {
                lines.push_back(fmt::format("{} = {{ {} }}", key.name, fmt::join(inner, ", ")));
            }
        } else if (const auto words = key.words(target); !words.empty()) {
            lines.push_back(fmt::format("{} = {}", key.name, format_value(key.kind, words)));
        }
    }
    return lines;
}

void print_table(std::string& out, std::string_view heading, const std::vector<std::string>& lines) {
    out += fmt::format("\n{}\n", heading);
    for (const std::string& line : lines) {
        out += line;
        out += '\n';
    }
}

// [attach.wan], [attach."veth*"]
std::string heading(std::string_view table, const std::string& name) {
    const bool is_bare = name.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-") == std::string::npos;
    return fmt::format("[{}.{}]", table, is_bare ? name : quote(name));
}

void print_builtins(std::string& out, const Policy& policy) {
    std::vector<std::string> lines;
    for (const std::string& name : policy.disabled_builtins) {
        lines.push_back(name + " = false");
    }
    if (!lines.empty()) {
        print_table(out, "[builtin]", lines);
    }
}

void print_set(std::string& out, const Set& set) {
    auto lines = assignments(set_keys(), set);
    const bool is_of_nothing = !set.dynamic && set.file.empty() && set.elements.empty();
    if (is_of_nothing) {
        lines.emplace_back("elements = []");
    }
    print_table(out, heading("set", set.name), lines);
}

void print_vip(std::string& out, const Vip& vip) {
    print_table(out, heading("vip", vip.name), assignments(vip_keys(), vip));
    for (const Backend& backend : vip.backends) {
        print_table(out, fmt::format("[[vip.{}.backend]]", vip.name), assignments(backend_keys(), backend));
    }
}

std::string clause(std::string_view key, const Rule& rule) {
    const auto words = find_rule_key(key)->words(rule);
    return words.empty() ? "" : fmt::format(" {} {}", key, fmt::join(words, ", "));
}

// What the action says beside its name, in words that no rule of the command line has.
std::string describe_action(const Rule& rule) {
    std::string out;
    if (rule.reject_with != RejectWith::kAuto) {
        out += fmt::format(" with {}", reject_name(rule.reject_with));
    }
    if (rule.redirect && !rule.redirect->interface.empty()) {
        out += fmt::format(" through {}", rule.redirect->interface);
    }
    if (rule.redirect && rule.redirect->via) {
        out += fmt::format(" via {}", format_prefix(*rule.redirect->via));
    }
    if (rule.ban) {
        out += fmt::format(" ban @{}", rule.ban->set);
        if (rule.ban->lasts.count() != 0) {
            out += fmt::format(" for {}", format_duration(rule.ban->lasts));
        }
    }
    if (rule.sample != 1) {
        out += fmt::format(" one in {}", rule.sample);
    }
    return out;
}

}  // namespace

std::string print_policy(const Policy& policy) {
    std::string out = "version = 1\n";
    if (const auto lines = assignments(default_keys(), policy.defaults); !lines.empty()) {
        print_table(out, "[defaults]", lines);
    }
    if (const auto lines = assignments(conntrack_keys(), policy.conntrack); !lines.empty()) {
        print_table(out, "[conntrack]", lines);
    }
    print_builtins(out, policy);
    for (const Attach& attach : policy.attachments) {
        print_table(out, heading("attach", attach.name), assignments(attach_keys(), attach));
    }
    for (const Set& set : policy.sets) {
        print_set(out, set);
    }
    for (const Route& route : policy.routes) {
        print_table(out, "[[route]]", assignments(route_keys(), route));
    }
    for (const Rule& rule : policy.rules) {
        print_table(out, "[[rule]]", assignments(rule_keys(), rule));
    }
    for (const Vip& vip : policy.vips) {
        print_vip(out, vip);
    }
    if (!policy.decapsulate.from.empty()) {
        print_table(out, "[decapsulate]", assignments(decapsulate_keys(), policy.decapsulate));
    }
    for (const Test& test : policy.tests) {
        print_table(out, "[[test]]", assignments(test_keys(), test));
    }
    return out;
}

std::string describe(const Rule& rule) {
    std::string out(action_name(rule.action));
    if (const auto refused = judged_by_parser(rule)) {
        return fmt::format("{} {}", out, *refused);
    }
    const auto services = find_rule_key("service")->words(rule);
    out += services.empty() ? " any" : fmt::format(" {}", fmt::join(services, ", "));
    if (rule.rate) {
        out += " " + format_rate(*rule.rate);
    }
    for (const std::string_view key : clause_keys()) {
        out += clause(key, rule);
    }
    if (rule.direction != Direction::kBoth) {
        out += fmt::format(" {}", direction_name(rule.direction));
    }
    return out + describe_action(rule);
}

std::string describe(const Vip& vip) {
    const auto words = [&](std::string_view key) {
        return fmt::format("{}", fmt::join(find_key(vip_keys(), key)->words(vip), ", "));
    };
    const std::size_t count = vip.backends.size();
    const std::string_view check = word_of<HealthKind>(health_kinds(), vip.health.kind);
    return fmt::format("{} to {} by {} over {} backend{}{}{}{}{}{}", words("service"), words("address"),
                       transport_name(vip.forward), count, count == 1 ? "" : "s",
                       vip.announce.empty() ? "" : ", announced on ", vip.announce,
                       check.empty() ? "" : ", checked by ", check, vip.enabled ? "" : ", disabled");
}

std::string print_inline(std::span<const Key<Vip>> keys, const Vip& vip) {
    const auto lines = assignments(keys, vip);
    return lines.empty() ? "none" : fmt::format("{{ {} }}", fmt::join(lines, ", "));
}

std::string describe(const Backend& backend) {
    std::string out = fmt::format("{}", fmt::join(prefix_words(backend.addresses), ", "));
    if (backend.port != 0) {
        out += fmt::format(" port {}", backend.port);
    }
    if (backend.weight != Backend{}.weight) {
        out += fmt::format(" weight {}", backend.weight);
    }
    if (backend.state != BackendState::kReady) {
        out += fmt::format(" {}", state_name(backend.state));
    }
    if (backend.fallback) {
        out += " fallback";
    }
    if (!backend.server_ids.empty()) {
        out += fmt::format(" server id {}",
                           fmt::join(find_key(backend_keys(), "server_id")->words(backend), ", "));
    }
    return out;
}

}  // namespace fwctl::policy
