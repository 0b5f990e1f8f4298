// docs/policy.md holds the tables of the schema, and its examples and those of docs/health.md and
// docs/balance.md are policies.
// With FWCTL_WRITE_DOCUMENTS in the environment the tables are written instead of compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "policy/builtin.h"
#include "policy/packet_text.h"
#include "policy/parse.h"
#include "policy/print.h"
#include "policy/schema.h"

namespace fwctl::policy {
namespace {

constexpr const char* kDocument = FWCTL_SOURCE_DIR "/docs/policy.md";
constexpr const char* kHealthDocument = FWCTL_SOURCE_DIR "/docs/health.md";
constexpr const char* kBalanceDocument = FWCTL_SOURCE_DIR "/docs/balance.md";

std::string document(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string_view kind_name(ValueKind kind) {
    switch (kind) {
        case ValueKind::kWord:
            return "string";
        case ValueKind::kWords:
        case ValueKind::kNumbers:
        case ValueKind::kList:
            return "list";
        case ValueKind::kBoolean:
            return "boolean";
        case ValueKind::kInteger:
            return "integer";
        case ValueKind::kTable:
            break;
    }
    return "table";
}

template <typename Target>
std::string table_of(std::span<const Key<Target>> keys) {
    std::string out = "| key | value | such as | meaning |\n|---|---|---|---|\n";
    for (const Key<Target>& key : keys) {
        out += fmt::format("| `{}`{} | {} | `{}` | {} |\n", key.name, key.required ? " (required)" : "",
                           kind_name(key.kind), key.accepts, key.meaning);
    }
    return out;
}

std::string section_table() {
    std::string out = "| written | meaning |\n|---|---|\n";
    for (const Section& section : sections()) {
        out += fmt::format("| `{}` | {} |\n", section.heading, section.meaning);
    }
    return out;
}

std::string builtin_table() {
    std::string out = "| name | rule | why |\n|---|---|---|\n";
    for (const Rule& rule : builtin_rules()) {
        out += fmt::format("| `{}` | {} | {} |\n", rule.name, describe(rule), *describe_builtin(rule.name));
    }
    return out;
}

std::map<std::string, std::string> tables() {
    return {
        {"sections", section_table()},
        {"defaults", table_of(default_keys())},
        {"lockout", table_of(find_key(default_keys(), "lockout")->keys())},
        {"conntrack", table_of(conntrack_keys())},
        {"builtin", builtin_table()},
        {"attach", table_of(attach_keys())},
        {"set", table_of(set_keys())},
        {"rule", table_of(rule_keys())},
        {"redirect", table_of(find_rule_key("redirect")->keys())},
        {"ban", table_of(find_rule_key("ban")->keys())},
        {"route", table_of(route_keys())},
        {"vip", table_of(vip_keys())},
        {"health", table_of(health_keys())},
        {"quic", table_of(quic_keys())},
        {"backend", table_of(backend_keys())},
        {"decapsulate", table_of(decapsulate_keys())},
        {"test", table_of(test_keys())},
    };
}

TEST(Reference, HoldsTheTablesOfTheSchema) {
    const std::string before = document(kDocument);
    std::string text = before;
    for (const auto& [name, table] : tables()) {
        const std::size_t marker = text.find("<!-- " + name + ": ");
        ASSERT_NE(marker, std::string::npos) << name;
        const std::size_t begin = text.find('\n', marker) + 1;
        text.replace(begin, text.find("<!-- end -->", begin) - begin, table);
    }
    if (std::getenv("FWCTL_WRITE_DOCUMENTS") != nullptr) {
        std::ofstream(kDocument) << text;
        return;
    }
    EXPECT_EQ(before, text) << "FWCTL_WRITE_DOCUMENTS=1 unit_tests --gtest_filter='Reference.*' writes it";
}

// The blocks of that language.
std::vector<std::string> blocks(const std::string& text, const std::string& language) {
    std::vector<std::string> found;
    const std::string fence = "\n```" + language + "\n";
    for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
        at += fence.size();
        const std::size_t end = text.find("\n```\n", at);
        found.push_back(text.substr(at, end + 1 - at));
        at = end;
    }
    return found;
}

// `list` is what the files named in it hold.
void expect_policy(std::string example, const std::string& list) {
    if (example.find("version = ") == std::string::npos) {
        example.insert(0, "version = 1\n");
    }
    const LoadResult loaded =
        load_policy("p.toml", SnapshotReader({Source{"p.toml", example}, Source{"lists/drop.txt", list}}));
    ASSERT_TRUE(loaded.has_value()) << loaded.error().render();
    EXPECT_TRUE(loaded->warnings.empty()) << loaded->warnings.render();
}

TEST(Reference, HasExamplesThatAreRead) {
    const std::string text = document(kDocument);
    const auto lists = blocks(text, "text");
    ASSERT_EQ(lists.size(), 2U);  // a list of addresses, and packets
    const auto examples = blocks(text, "toml");
    EXPECT_GT(examples.size(), 8U);
    for (const std::string& example : examples) expect_policy(example, lists[0]);
    std::istringstream packets(lists[1]);
    for (std::string packet; std::getline(packets, packet);) EXPECT_TRUE(parse_packet(packet)) << packet;
}

TEST(Reference, HasExamplesOfHealthChecksThatAreRead) {
    const auto examples = blocks(document(kHealthDocument), "toml");
    EXPECT_EQ(examples.size(), 2U);
    for (const std::string& example : examples) expect_policy(example, "");
}

TEST(Reference, HasAnExampleOfBalancingThatIsRead) {
    const auto examples = blocks(document(kBalanceDocument), "toml");
    EXPECT_EQ(examples.size(), 1U);
    for (const std::string& example : examples) expect_policy(example, "");
}

}  // namespace
}  // namespace fwctl::policy
