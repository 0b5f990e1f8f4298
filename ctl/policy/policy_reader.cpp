#include "policy/policy_reader.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/addresses.h"
#include "policy/builtin.h"
#include "policy/check.h"
#include "policy/packet_text.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "policy/table_reader.h"
#include "policy/toml.h"
#include "policy/vip.h"
#include "policy/vip_reader.h"

namespace fwctl::policy {

namespace {

constexpr std::int64_t kVersion = 1;

class FragmentReader {
public:
    FragmentReader(Draft& draft, std::size_t file)
        : draft_(draft), policy_(draft.policy), reader_(draft.diagnostics, file) {}

    void read() {
        const toml::parse_result parsed = toml::parse(draft_.diagnostics.sources()[reader_.file()].text);
        if (parsed) {
            read_root(parsed.table());
        } else {
            report_syntax(parsed.error());
        }
    }

private:
    using Read = void (FragmentReader::*)(const toml::table& table);
    using ReadNamed = void (FragmentReader::*)(const toml::key& name, const toml::table& table);

    void report_syntax(const toml::parse_error& fault) {
        const SourceSpan span = span_of(fault.source());
        std::string_view message = fault.description();
        constexpr std::string_view kOpening = "Error while ";
        if (message.substr(0, kOpening.size()) == kOpening) {
            message.remove_prefix(kOpening.size());
        }
        draft_.diagnostics.error(reader_.file(), {span.line, span.column, 0}, std::string(message),
                                 quotes_hint(span.line));
    }

    // The usual mistake: `from = 192.0.2.1`, a value that is no number and stands without quotes.
    [[nodiscard]] std::string quotes_hint(std::size_t number) const {
        const std::string_view line = draft_.diagnostics.line(reader_.file(), number);
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
            read_section(key, value);
        }
        if (reader_.file() == 0 && !root.contains("version")) {
            draft_.diagnostics.error(0, {1, 1, 0}, "the policy does not say its version",
                                     "begin it with: version = 1");
        }
    }

    void read_section(const toml::key& key, const toml::node& value) {
        if (key == "version") {
            read_version(value);
        } else if (key == "include") {
            read_includes(key, value);
        } else if (key == "defaults") {
            read_defaults(value);
        } else if (key == "conntrack") {
            read_conntrack(value);
        } else if (key == "builtin") {
            read_builtins(value);
        } else if (key == "attach") {
            for_each_named(value, "attach", &FragmentReader::read_attachment);
        } else if (key == "set") {
            for_each_named(value, "set", &FragmentReader::read_set);
        } else if (key == "rule") {
            for_each(value, "rule", &FragmentReader::read_rule);
        } else if (key == "route") {
            for_each(value, "route", &FragmentReader::read_route);
        } else if (key == "vip") {
            for_each_named(value, "vip", &FragmentReader::read_vip);
        } else if (key == "decapsulate") {
            read_decapsulate(draft_, reader_, value);
        } else if (key == "test") {
            for_each(value, "test", &FragmentReader::read_test);
        } else {
            std::vector<std::string_view> names;
            for (const Section& section : sections()) {
                names.push_back(section.name);
            }
            reader_.refuse_key(key, names, "a policy");
        }
    }

    void for_each(const toml::node& value, std::string_view name, Read read_one) {
        reader_.for_each(value, name, fmt::format("[[{}]]", name),
                         [&](const toml::table& table) { (this->*read_one)(table); });
    }

    void for_each_named(const toml::node& value, std::string_view name, ReadNamed read_one) {
        const std::string heading = fmt::format("[{}.NAME]", name);
        const toml::table* tables = reader_.table_of(value, fmt::format("\"{}\"", name), heading);
        if (tables == nullptr) {
            return;
        }
        for (const auto& [key, element] : *tables) {
            const toml::table* table =
                reader_.table_of(element, fmt::format("\"{}.{}\"", name, key.str()), heading);
            if (table != nullptr) {
                const std::string what = fmt::format("[{}.{}]", name, key.str());
                if (claim(what, table->source(), fmt::format("{} is there already", what))) {
                    (this->*read_one)(key, *table);
                }
            }
        }
    }

    void read_version(const toml::node& value) {
        const auto version = value.value_exact<std::int64_t>();
        if (!version) {
            reader_.error(value.source(),
                          fmt::format("\"version\" takes an integer, not {}", kind_of(value)));
        } else if (*version != kVersion) {
            reader_.error(value.source(), fmt::format("version {} is not known; this fwctl reads version {}",
                                                      *version, kVersion));
        }
    }

    void read_includes(const toml::key& key, const toml::node& value) {
        if (draft_.origin == Origin::kLive || reader_.file() != 0) {
            reader_.error(key.source(), "only the policy's own file includes others");
            return;
        }
        const auto add = [&](const toml::node& node) {
            if (const auto folder = node.value_exact<std::string>(); folder && !folder->empty()) {
                draft_.includes.push_back({*folder, reader_.place(node.source())});
            } else {
                reader_.error(node.source(), fmt::format("\"include\" takes names of folders, not {}",
                                                         folder ? "an empty one" : kind_of(node)));
            }
        };
        if (const toml::array* list = value.as_array()) {
            for (const toml::node& element : *list) {
                add(element);
            }
        } else {
            add(value);
        }
    }

    void read_defaults(const toml::node& value) {
        const toml::table* table = reader_.table_of(value, "\"defaults\"", "[defaults]");
        if (table == nullptr) {
            return;
        }
        claim("[defaults]", table->source(), "[defaults] is there already");
        reader_.read(*table, default_keys(), policy_.defaults, "[defaults]");
        if (policy_.defaults.lockout) {
            reduce(policy_.defaults.lockout->from);
            reduce(policy_.defaults.lockout->services);
        }
        if (const toml::table* lockout = table->get_as<toml::table>("lockout")) {
            mention_sets(*lockout);
        }
    }

    void read_conntrack(const toml::node& value) {
        const toml::table* table = reader_.table_of(value, "\"conntrack\"", "[conntrack]");
        if (table == nullptr) {
            return;
        }
        claim("[conntrack]", table->source(), "[conntrack] is there already");
        reader_.read(*table, conntrack_keys(), policy_.conntrack, "[conntrack]");
        auto& asymmetric = policy_.conntrack.asymmetric;
        std::sort(asymmetric.begin(), asymmetric.end());
        asymmetric.erase(std::unique(asymmetric.begin(), asymmetric.end()), asymmetric.end());
    }

    void read_builtins(const toml::node& value) {
        const toml::table* table = reader_.table_of(value, "\"builtin\"", "[builtin]");
        if (table == nullptr) {
            return;
        }
        const std::vector<Rule> rules = builtin_rules();
        std::vector<std::string_view> names;
        for (const Rule& rule : rules) {
            names.push_back(rule.name);
        }
        for (const auto& [key, node] : *table) {
            const auto on = node.value_exact<bool>();
            if (std::find(names.begin(), names.end(), key.str()) == names.end()) {
                reader_.error(key.source(), fmt::format("there is no built-in rule \"{}\"", key.str()),
                              key_hint(key, names, "[builtin]"));
            } else if (!on) {
                reader_.error(node.source(),
                              fmt::format("\"{}\" takes true or false, not {}", key.str(), kind_of(node)));
            } else {
                claim(fmt::format("[builtin] {}", key.str()), key.source(),
                      fmt::format("\"{}\" is there already", key.str()));
                if (!*on) {
                    policy_.disabled_builtins.emplace_back(key.str());
                }
            }
        }
    }

    void read_attachment(const toml::key& name, const toml::table& table) {
        Attach attach;
        attach.name = name.str();
        attach.device = attach.name;
        attach.place = reader_.place(table.source());
        if (const Status known = check_interface(attach.name); !known) {
            reader_.error(name.source(), known.error().message);
        }
        reader_.read(table, attach_keys(), attach, "an attachment");
        const bool has_xdp = std::find(attach.hooks.begin(), attach.hooks.end(), "xdp") != attach.hooks.end();
        if (attach.mode == AttachMode::kTc && has_xdp) {
            reader_.error(table.get("hooks")->source(), "mode = \"tc\" has no hook xdp");
        }
        const bool is_xdp_mode = attach.mode == AttachMode::kNative || attach.mode == AttachMode::kGeneric;
        if (is_xdp_mode && !attach.hooks.empty() && !has_xdp) {
            reader_.error(table.get("mode")->source(), "native and generic are modes of the hook xdp");
        }
        claim("device " + attach.device, table.source(),
              fmt::format("another attachment has the device \"{}\"", attach.device));
        policy_.attachments.push_back(std::move(attach));
    }

    void read_set(const toml::key& name, const toml::table& table) {
        Set set;
        set.name = name.str();
        set.place = reader_.place(table.source());
        if (const Status known = check_set_name(set.name); !known) {
            reader_.error(name.source(), known.error().message);
        }
        reader_.read(table, set_keys(), set, "a set");
        reduce(set.elements);
        if (!check_set(set, table)) {
            set.file.clear();
        }
        if (!set.file.empty()) {
            draft_.set_files.push_back({set.name, reader_.place(table.get("file")->source())});
        }
        policy_.sets.push_back(std::move(set));
    }

    bool check_set(const Set& set, const toml::table& table) {
        const std::size_t mistakes_before = draft_.diagnostics.errors();
        const auto refuse = [&](std::string_view key, std::string message) {
            if (const toml::node* node = table.get(key)) {
                reader_.error(node->source(), std::move(message));
            }
        };
        if (set.dynamic) {
            refuse("elements", "a dynamic set is filled while it runs, not by \"elements\"");
            refuse("file", "a dynamic set is filled while it runs, not by \"file\"");
        } else {
            refuse("timeout", "members stay in a set that is not dynamic; add dynamic = true");
            refuse("size", "a set that is not dynamic is as large as its elements; add dynamic = true");
        }
        if (!set.dynamic && table.contains("elements")) {
            refuse("file", "a set has \"elements\" or a \"file\"; a rule may name two sets");
        }
        if (!set.dynamic && !table.contains("elements") && !table.contains("file")) {
            reader_.error(table.source(), fmt::format("the set \"{}\" does not say what is in it", set.name),
                          "write elements = [\"192.0.2.1\"], file = \"list.txt\" or dynamic = true");
        }
        if (draft_.origin == Origin::kLive) {
            refuse("file", "only a policy's own files name others");
        }
        return draft_.diagnostics.errors() == mistakes_before;
    }

    void read_rule(const toml::table& table) {
        const std::size_t mistakes_before = draft_.diagnostics.errors();
        Rule rule;
        rule.origin = draft_.origin;
        rule.place = reader_.place(table.source());
        reader_.read(table, rule_keys(), rule, "a rule");
        if (const toml::node* name = table.get("name")) {
            claim_name(rule.name, name->source());
        }
        rule = canonical(std::move(rule));
        if (draft_.diagnostics.errors() == mistakes_before) {
            check_rule(rule, table);
        }
        mention_sets(table);
        mention_ban(table);
        policy_.rules.push_back(std::move(rule));
    }

    void check_rule(const Rule& rule, const toml::table& table) {
        if (const auto found = find_contradiction(rule)) {
            const toml::node* node = table.get(found->key);
            reader_.error(node == nullptr ? table.source() : node->source(), found->message);
        }
    }

    void read_route(const toml::table& table) {
        const std::size_t mistakes_before = draft_.diagnostics.errors();
        Route route;
        route.place = reader_.place(table.source());
        reader_.read(table, route_keys(), route, "a route");
        if (draft_.diagnostics.errors() == mistakes_before) {
            const std::string prefix = format_prefix(route.prefix);
            claim("route " + prefix, table.source(), fmt::format("another route has the prefix {}", prefix));
            if (route.next_hop.via->family != route.prefix.family) {
                reader_.error(table.get("via")->source(),
                              fmt::format("{} is no neighbour for packets of another IP version",
                                          format_prefix(*route.next_hop.via)));
            }
        }
        policy_.routes.push_back(std::move(route));
    }

    void read_vip(const toml::key& name, const toml::table& table) {
        policy::read_vip(draft_, reader_, name, table);
    }

    void read_test(const toml::table& table) {
        Test test;
        test.place = reader_.place(table.source());
        reader_.read(table, test_keys(), test, "a test");
        if (const toml::node* packet = table.get("packet"); packet != nullptr && !test.packet.empty()) {
            check_packet(test.packet, span_of(packet->source()));
        }
        if (const auto vip = vip_of_expectation(test.expect); vip && check_vip_name(*vip)) {
            draft_.used_vips.push_back({std::string(*vip), reader_.place(table.get("expect")->source())});
        }
        policy_.tests.push_back(std::move(test));
    }

    // Its mistakes, at their places in the string where that stands as it reads.
    void check_packet(const std::string& packet, const SourceSpan& value) {
        const auto parsed = parse_packet(packet);
        if (parsed) {
            return;
        }
        const std::string_view line = draft_.diagnostics.line(reader_.file(), value.line);
        const std::size_t place = line.find(packet);
        for (const Diagnostic& mistake : parsed.error().all()) {
            SourceSpan span = value;
            if (place != std::string_view::npos) {
                span.column = code_points(line.substr(0, place)) + mistake.span.column;
                span.length = mistake.span.length;
            }
            draft_.diagnostics.error(reader_.file(), span, mistake.message, mistake.hint);
        }
    }

    void claim_name(const std::string& name, const toml::source_region& region) {
        if (describe_builtin(name)) {
            reader_.error(region, fmt::format("\"{}\" is the name of a built-in rule", name));
        } else {
            claim("rule " + name, region, fmt::format("another rule is called \"{}\"", name));
        }
    }

    bool claim(std::string what, const toml::source_region& region, std::string message) {
        return draft_.claim(std::move(what), reader_.place(region), std::move(message));
    }

    // Remembers the sets that `from` and `to` of a table name.
    void mention_sets(const toml::table& table) {
        for (const std::string_view key : {"from", "to"}) {
            const toml::node* node = table.get(key);
            if (node == nullptr) {
                continue;
            }
            if (const toml::array* list = node->as_array()) {
                for (const toml::node& element : *list) {
                    mention_set(element);
                }
            } else {
                mention_set(*node);
            }
        }
    }

    void mention_ban(const toml::table& table) {
        const toml::table* ban = table.get_as<toml::table>("ban");
        const toml::node* set = ban == nullptr ? nullptr : ban->get("set");
        const auto name = set == nullptr ? std::nullopt : set->value_exact<std::string>();
        if (name && check_set_name(*name)) {
            draft_.used_sets.push_back({*name, reader_.place(set->source())});
            draft_.ban_sets.push_back(draft_.used_sets.back());
        }
    }

    void mention_set(const toml::node& node) {
        std::string_view word = node.value_exact<std::string_view>().value_or("");
        word.remove_prefix(word.substr(0, 1) == "!" ? 1 : 0);
        if (word.substr(0, 1) == "@" && check_set_name(word.substr(1))) {
            draft_.used_sets.push_back({std::string(word.substr(1)), reader_.place(node.source())});
        }
    }

    Draft& draft_;
    Policy& policy_;
    TableReader reader_;
};

}  // namespace

void read_file(Draft& draft, std::size_t file) {
    FragmentReader(draft, file).read();
}

}  // namespace fwctl::policy
