// What the compiler writes, and that a reader of it finds the rule that the slow evaluator finds.
//
// Other policies than the usual ones: --gtest_random_seed=N.
#include "compile/compile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "fwctl/abi/reason.h"
#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/command.h"
#include "policy/evaluate.h"
#include "policy/parse.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/rule.h"

namespace fwctl::compile {
namespace {

using policy::Action;
using policy::Family;
using policy::Rule;
using Words = std::vector<std::string>;
using Bits = std::vector<std::size_t>;

constexpr std::uint16_t kFirstCounter = 40;

// "deny tcp/22 from 10.0.0.0/8", as on the command line.
Rule rule(const std::string& text) {
    std::istringstream stream(text);
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    const Action action = words.front() == "allow" ? Action::kAllow : Action::kDeny;
    words.erase(words.begin());
    return policy::parse_rule_words(action, words).value();
}

// Rule i counts at kFirstCounter + i.
Input input_of(std::vector<Rule> rules, std::vector<Attachment> attachments = {{0, "eth0"}}) {
    Input input{std::move(rules), {}, std::move(attachments)};
    for (std::size_t i = 0; i < input.rules.size(); ++i)
        input.counters.push_back(static_cast<std::uint16_t>(kFirstCounter + i));
    return input;
}

Input input_of(const Words& texts, std::vector<Attachment> attachments = {{0, "eth0"}}) {
    std::vector<Rule> rules;
    for (const std::string& text : texts) rules.push_back(rule(text));
    return input_of(std::move(rules), std::move(attachments));
}

Image image_of(const Words& texts, std::vector<Attachment> attachments = {{0, "eth0"}}) {
    return compile(input_of(texts, std::move(attachments))).value();
}

std::string error_of(const Input& input) {
    const auto image = compile(input);
    return image ? "no error" : image.error().message;
}

bool has(const fw_match_set& set, std::size_t bit) {
    return ((set.words[bit / 64] >> (bit % 64)) & 1) != 0;
}

Bits bits(const fw_match_set& set) {
    Bits found;
    for (std::size_t bit = 0; bit < FW_MAX_MATCHES; ++bit)
        if (has(set, bit)) found.push_back(bit);
    return found;
}

// Entries as "from 10.0.0.0/8: 0 2", in their order.
Words lines(const Image& image) {
    Words lines;
    for (const PrefixEntry& entry : image.prefixes) {
        policy::Prefix prefix;
        prefix.family = static_cast<Family>(entry.key.family);
        prefix.length = static_cast<std::uint8_t>(entry.key.prefix_length - FW_PREFIX_KEY_FIXED_BITS);
        std::copy(std::begin(entry.key.address), std::end(entry.key.address), prefix.address.begin());
        lines.push_back(fmt::format("{} {}: {}", entry.key.side == FW_SOURCE ? "from" : "to",
                                    policy::format_prefix(prefix), fmt::join(bits(entry.matches), " ")));
    }
    return lines;
}

fw_match only_match(const std::string& text) {
    const Image image = image_of({text});
    EXPECT_EQ(bits(image.generation->unrestricted[FW_SOURCE]), Bits{0}) << text;
    return image.generation->matches[0];
}

TEST(Compile, AnAttachmentTakesTheRulesOfItsNameAndDirection) {
    const Image image = image_of(
        {"deny icmp", "deny tcp/22 udp/53 in", "deny any on veth* docker0 out", "allow any on eth? in"},
        {{0, "eth0"}, {7, "veth1"}, {FW_MAX_ATTACHMENTS - 1, "docker0"}});
    const auto& attachments = image.generation->attachments;
    EXPECT_EQ(bits(attachments[0].matches[FW_IN]), (Bits{0, 1, 2, 4}));
    EXPECT_EQ(bits(attachments[0].matches[FW_OUT]), Bits{0});
    for (const std::size_t slot : {7, FW_MAX_ATTACHMENTS - 1}) {
        EXPECT_EQ(bits(attachments[slot].matches[FW_IN]), (Bits{0, 1, 2}));
        EXPECT_EQ(bits(attachments[slot].matches[FW_OUT]), (Bits{0, 3}));
    }
    for (std::size_t slot = 0; slot < FW_MAX_ATTACHMENTS; ++slot) {
        const bool is_attached = slot == 0 || slot == 7 || slot == FW_MAX_ATTACHMENTS - 1;
        EXPECT_EQ(attachments[slot].enabled, is_attached ? 1U : 0U) << slot;
        if (!is_attached) {
            EXPECT_EQ(bits(attachments[slot].matches[FW_IN]), Bits{}) << slot;
        }
    }
}

TEST(Compile, WhatTheParserJudgesTakesNoMatch) {
    const std::vector<Rule> builtin = policy::builtin_rules();
    const Image image = compile(input_of(builtin)).value();
    EXPECT_EQ(image.generation->matches[0].rule, kFirstCounter + policy::kParserRules);  // arp
    std::size_t expected = 0;
    for (std::size_t i = policy::kParserRules; i < builtin.size(); ++i)
        expected += builtin[i].services.size();
    EXPECT_EQ(bits(image.generation->unrestricted[FW_SOURCE]).size(), expected);
    EXPECT_EQ(image.generation->rule_count, 0U);
}

TEST(Compile, RulesThatNameNoAddressHoldForAll) {
    const Image image = image_of({"deny icmp", "deny tcp from 10.0.0.0/8", "deny udp to 10.0.0.0/8",
                                  "deny sctp from 10.0.0.1 to 2001:db8::/32 10.0.0.2"});
    EXPECT_EQ(bits(image.generation->unrestricted[FW_SOURCE]), (Bits{0, 2}));
    EXPECT_EQ(bits(image.generation->unrestricted[FW_DESTINATION]), (Bits{0, 1}));
}

TEST(Compile, SaysWhichTriesMustBeAsked) {
    const auto tries = [](const char* text) {
        const Image image = image_of({text});
        const auto& has_prefixes = image.generation->has_prefixes;
        return std::array{has_prefixes[FW_SOURCE][0], has_prefixes[FW_SOURCE][1],
                          has_prefixes[FW_DESTINATION][0], has_prefixes[FW_DESTINATION][1]};
    };
    using Tries = std::array<__u8, 4>;
    EXPECT_EQ(tries("deny any"), (Tries{0, 0, 0, 0}));
    EXPECT_EQ(tries("deny any from 10.0.0.1"), (Tries{1, 0, 0, 0}));
    EXPECT_EQ(tries("deny any from ::/0"), (Tries{0, 1, 0, 0}));
    EXPECT_EQ(tries("deny any to 0.0.0.0/0"), (Tries{0, 0, 1, 0}));
    EXPECT_EQ(tries("deny any from 10.0.0.1 to 10.0.0.2 ::1"), (Tries{1, 0, 1, 1}));
}

TEST(Compile, APrefixHoldsWhatTheBlocksAroundItHold) {
    const Image image = image_of({"deny any from 10.0.0.0/8", "deny tcp from 10.1.0.0/16", "deny icmp",
                                  "deny udp from 10.1.2.3 192.0.2.0/24", "deny sctp from 0.0.0.0/0 ::/0",
                                  "deny gre from 2001:db8::/32 to 2001:db8:1::/48"});
    Words found = lines(image);
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, (Words{
                         "from 0.0.0.0/0: 2 4",
                         "from 10.0.0.0/8: 0 2 4",
                         "from 10.1.0.0/16: 0 1 2 4",
                         "from 10.1.2.3: 0 1 2 3 4",
                         "from 192.0.2.0/24: 2 3 4",
                         "from 2001:db8::/32: 2 4 5",
                         "from ::/0: 2 4",
                         "to 2001:db8:1::/48: 0 1 2 3 4 5",
                     }));
}

TEST(Compile, AKeySaysSideFamilyAndLength) {
    const Image image = image_of({"deny any to 2001:db8::/32"});
    ASSERT_EQ(image.prefixes.size(), 1U);
    const fw_prefix_key& key = image.prefixes.front().key;
    EXPECT_EQ(key.prefix_length, 24U + 32U);
    EXPECT_EQ(key.half, 0);  // the writer's
    EXPECT_EQ(key.side, FW_DESTINATION);
    EXPECT_EQ(key.family, FW_FAMILY_IPV6);
    EXPECT_EQ(key.unused, 0);
    const std::array<std::uint8_t, 16> address = {0x20, 0x01, 0x0d, 0xb8};
    EXPECT_TRUE(std::equal(address.begin(), address.end(), key.address));
}

struct Compiled {
    const char* text;
    std::uint64_t traits;
    std::uint64_t mask;
    policy::Range selector = {};
};

TEST(Compile, EachKindOfServiceHasItsTraits) {
    constexpr std::uint64_t kIp = FW_TRAITS_IP;
    constexpr std::uint64_t kL4 = FW_TRAITS_L4;
    constexpr std::uint64_t kProtocol = FW_TRAITS_IP | FW_TRAITS_PROTOCOL;
    constexpr std::uint64_t kBound = kProtocol | FW_TRAITS_FAMILY;
    const Compiled table[] = {
        {"deny any", 0, 0},
        {"deny tcp", kIp | 6, kProtocol},
        {"deny 47", kIp | 47, kProtocol},
        {"deny 0", kIp, kProtocol},
        {"deny 58", kIp | 58, kProtocol},
        {"deny tcp/22", kIp | kL4 | 6, kProtocol | kL4, {22, 22}},
        {"deny udp/1000-2000", kIp | kL4 | 17, kProtocol | kL4, {1000, 2000}},
        {"deny sctp/1-65535", kIp | kL4 | 132, kProtocol | kL4, {1, 65535}},
        {"deny icmp", kIp | 4 << 8 | 1, kBound},
        {"deny icmp6", kIp | 6 << 8 | 58, kBound},
        {"deny icmp/8", kIp | kL4 | 4 << 8 | 1, kBound | kL4, {0x0800, 0x08ff}},
        {"deny icmp/3/4", kIp | kL4 | 4 << 8 | 1, kBound | kL4, {0x0304, 0x0304}},
        {"deny icmp6/133-137", kIp | kL4 | 6 << 8 | 58, kBound | kL4, {133 * 256, 137 * 256 + 255}},
    };
    for (const Compiled& expected : table) {
        const fw_match match = only_match(expected.text);
        EXPECT_EQ(match.traits, expected.traits) << expected.text;
        EXPECT_EQ(match.traits_mask, expected.mask) << expected.text;
        EXPECT_EQ(match.selector_first, expected.selector.first) << expected.text;
        EXPECT_EQ(match.selector_last, expected.selector.last) << expected.text;
        EXPECT_EQ(match.source_port_first, 0) << expected.text;
        EXPECT_EQ(match.source_port_last, 65535) << expected.text;
    }
}

TEST(Compile, WhatOnlyBuiltInRulesSayHasItsTraits) {
    std::vector<Rule> rules;
    for (const Rule& rule : policy::builtin_rules())
        if (rule.name == "arp" || rule.name == "dhcp-replies") rules.push_back(rule);
    const Image image = compile(input_of(rules)).value();
    const fw_match& arp = image.generation->matches[0];
    EXPECT_EQ(arp.traits, std::uint64_t{0x0806} << 32);
    EXPECT_EQ(arp.traits_mask, std::uint64_t{0xffff} << 32);
    const fw_match& dhcp = image.generation->matches[1];
    EXPECT_EQ(dhcp.traits, std::uint64_t{FW_TRAITS_IP} | FW_TRAITS_L4 | 4 << 8 | 17);
    EXPECT_EQ(dhcp.selector_first, 68);
    EXPECT_EQ(dhcp.selector_last, 68);
    EXPECT_EQ(dhcp.source_port_first, 67);
    EXPECT_EQ(dhcp.source_port_last, 67);
}

TEST(Compile, AMatchKnowsItsRulesCounterVerdictAndTime) {
    std::vector<Rule> rules = {rule("allow tcp/22 udp/53"), rule("deny icmp")};
    rules[0].expires = 12'345'678'901;
    const Image image = compile(input_of(rules)).value();
    for (const std::size_t row : {0, 1}) {
        EXPECT_EQ(image.generation->matches[row].rule, kFirstCounter);
        EXPECT_EQ(image.generation->matches[row].reason, FW_REASON_RULE_ALLOW);
        EXPECT_EQ(image.generation->matches[row].expires, 12'345'678'901U);
    }
    EXPECT_EQ(image.generation->matches[2].rule, kFirstCounter + 1);
    EXPECT_EQ(image.generation->matches[2].reason, FW_REASON_RULE_DENY);
    EXPECT_EQ(image.generation->matches[2].expires, 0U);
}

// tcp/1, tcp/3, tcp/5 …
Rule rule_with_services(int count) {
    std::string text = "deny";
    for (int i = 0; i < count; ++i) text += fmt::format(" tcp/{}", 2 * i + 1);
    Rule many = rule(text);
    many.name = "many";
    return many;
}

TEST(Compile, TakesAsManyMatchesAsTheMapHas) {
    const auto image = compile(input_of({rule_with_services(FW_MAX_MATCHES - 1), rule("deny icmp")}));
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(bits(image->generation->unrestricted[FW_SOURCE]).size(), +FW_MAX_MATCHES);
    EXPECT_EQ(error_of(input_of({rule_with_services(FW_MAX_MATCHES), rule("deny icmp")})),
              "the rules expand to more than 256 matches, one for each service of a rule; \"deny-icmp\" is "
              "the first that does not fit");
    EXPECT_EQ(error_of(input_of({rule_with_services(FW_MAX_MATCHES + 1)})),
              "the rules expand to more than 256 matches, one for each service of a rule; \"many\" is the "
              "first that does not fit");
}

TEST(Compile, TakesAsManyRulesAsThereAreCounters) {
    std::vector<Rule> rules;
    for (int port = 1; port <= FW_MAX_RULES; ++port) rules.push_back(rule(fmt::format("deny tcp/{}", port)));
    EXPECT_EQ(error_of(input_of(rules)), "no error");
    rules.push_back(rule("deny icmp"));
    EXPECT_EQ(error_of(input_of(rules)), "257 rules are more than the limit of 256");
}

// 0.0.0.0/0, which saves the compiler looking for others around an address, and 100.100.100.100 and on.
std::vector<policy::Prefix> prefixes(std::size_t count) {
    std::vector<policy::Prefix> list(count);
    for (std::size_t i = 1; i < count; ++i) {
        list[i].length = 32;
        list[i].address = {100, 100, static_cast<std::uint8_t>(100 + i / 100),
                           static_cast<std::uint8_t>(100 + i % 100)};
    }
    return list;
}

TEST(Compile, TakesAsManyPrefixesAsHalfTheTrieHas) {
    Rule many = rule("deny icmp");
    many.origin = policy::Origin::kBuiltin;  // not part of the text, whose limit is reached before
    many.from.prefixes = prefixes(FW_MAX_PREFIXES / 4);
    many.to = many.from;
    EXPECT_EQ(error_of(input_of({many})), "no error");
    many.to.prefixes = prefixes(FW_MAX_PREFIXES / 4 + 1);
    EXPECT_EQ(error_of(input_of({many})), "the rules name 8193 different prefixes, the limit is 8192");
}

TEST(Compile, TakesAsMuchTextAsThereIsRoomBeforeTheNul) {
    Rule long_one = rule("deny any");
    const auto size_with = [&](std::size_t count) {
        long_one.from.prefixes = prefixes(count);
        return policy::print_policy({.rules = {long_one}}).size();
    };
    const std::size_t each = size_with(3) - size_with(2);
    const std::size_t count = 2 + (FW_POLICY_TEXT_SIZE - 1 - size_with(2)) / each;
    long_one.name += std::string(FW_POLICY_TEXT_SIZE - 1 - size_with(count), 'x');
    ASSERT_LE(long_one.name.size(), policy::kMaxNameLength);

    const auto image = compile(input_of({long_one}));
    ASSERT_TRUE(image.has_value()) << image.error().message;
    EXPECT_EQ(image->generation->text_size, 65535U);
    EXPECT_EQ(image->generation->text[65535], '\0');
    long_one.name += "x";
    EXPECT_EQ(error_of(input_of({long_one})), "the live rules are 65536 bytes as text, the limit is 65535");
}

TEST(Compile, TheTextIsTheLiveRules) {
    Input input = input_of(policy::builtin_rules());
    policy::Policy live;
    for (const char* text : {"allow tcp/22 from 192.0.2.0/24", "deny icmp on veth* in", "deny any"}) {
        live.rules.push_back(rule(text));
        input.rules.push_back(live.rules.back());
        input.rules.back().expires = live.rules.size() == 2 ? 77 : 0;
        input.counters.push_back(static_cast<std::uint16_t>(200 - live.rules.size()));
    }
    const Image image = compile(input).value();
    const fw_generation& generation = *image.generation;
    EXPECT_EQ(std::strlen(generation.text), generation.text_size);
    EXPECT_EQ(policy::parse_policy({generation.text, generation.text_size}, "text").value(), live);
    ASSERT_EQ(generation.rule_count, 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(generation.rules[i].counter, 199 - i);
        EXPECT_EQ(generation.rules[i].expires, i == 1 ? 77U : 0U);
    }
}

unsigned seed() {
    return static_cast<unsigned>(GTEST_FLAG_GET(random_seed));
}

// Built-in rules in front, some with an end, and every interface that packets come by.
Input random_input(generate::SmallWorld& random) {
    std::vector<Rule> rules = policy::builtin_rules();
    for (Rule& rule : random.policy().rules) {
        rule.expires = random.chance(4) ? random.below(4) : 0;
        rules.push_back(std::move(rule));
    }
    return input_of(std::move(rules), {{3, "eth0"},
                                       {0, "eth1"},
                                       {9, "eth10"},
                                       {700, "docker0"},
                                       {FW_MAX_ATTACHMENTS - 1, "veth[1]"},
                                       {64, "veth1"}});
}

TEST(Compile, TheSameInputGivesTheSameBytes) {
    generate::SmallWorld random(seed(), generate::Vocabulary::kLive);
    for (int i = 0; i < 50; ++i) {
        const Input input = random_input(random);
        const Image one = compile(input).value();
        const Image other = compile(input).value();
        ASSERT_EQ(std::memcmp(one.generation.get(), other.generation.get(), sizeof(fw_generation)), 0);
        ASSERT_EQ(one.prefixes.size(), other.prefixes.size());
        if (one.prefixes.empty()) continue;
        ASSERT_EQ(std::memcmp(one.prefixes.data(), other.prefixes.data(),
                              one.prefixes.size() * sizeof(PrefixEntry)),
                  0);
    }
}

using Address = std::array<std::uint8_t, 16>;

bool lies_in(const Address& address, const fw_prefix_key& key) {
    for (unsigned bit = 0; bit < key.prefix_length - FW_PREFIX_KEY_FIXED_BITS; ++bit)
        if ((((address[bit / 8] ^ key.address[bit / 8]) >> (7 - bit % 8)) & 1) != 0) return false;
    return true;
}

// The longest prefix, as the trie would find it.
const fw_match_set& matches_at(const Image& image, fw_side side, const policy::PacketView& packet) {
    const Address& address = side == FW_SOURCE ? packet.source : packet.destination;
    const PrefixEntry* found = nullptr;
    for (const PrefixEntry& entry : image.prefixes) {
        if (!packet.family || entry.key.side != side) continue;
        if (entry.key.family != static_cast<int>(*packet.family) || !lies_in(address, entry.key)) continue;
        if (found == nullptr || entry.key.prefix_length > found->key.prefix_length) found = &entry;
    }
    const int family = packet.family == Family::kIpv6 ? 1 : 0;
    EXPECT_TRUE(found == nullptr || image.generation->has_prefixes[side][family] == 1);
    return found != nullptr ? found->matches : image.generation->unrestricted[side];
}

bool holds(const fw_match& match, const policy::PacketView& packet) {
    const std::uint64_t family = packet.family ? static_cast<std::uint64_t>(*packet.family) : 0;
    const std::uint64_t traits = std::uint64_t{packet.ethertype} << FW_TRAITS_ETHERTYPE_SHIFT |
                                 (packet.has_l4 ? FW_TRAITS_L4 : 0) | (packet.family ? FW_TRAITS_IP : 0) |
                                 family << 8 | packet.protocol;
    return (traits & match.traits_mask) == match.traits && packet.selector >= match.selector_first &&
           packet.selector <= match.selector_last && packet.source_port >= match.source_port_first &&
           packet.source_port <= match.source_port_last && (match.expires == 0 || packet.now < match.expires);
}

// The rule that a reader of the image finds: the lowest bit in all three sets whose match holds.
std::optional<std::size_t> look_up(const Image& image, const Input& input, const policy::PacketView& packet) {
    const auto attachment =
        std::find_if(input.attachments.begin(), input.attachments.end(),
                     [&](const Attachment& one) { return one.name == packet.interfaces.back(); });
    const auto& here = image.generation->attachments[attachment->slot];
    const fw_match_set& from = matches_at(image, FW_SOURCE, packet);
    const fw_match_set& to = matches_at(image, FW_DESTINATION, packet);
    const fw_match_set& both = here.matches[packet.direction == policy::Direction::kIn ? FW_IN : FW_OUT];
    for (std::size_t row = 0; row < FW_MAX_MATCHES; ++row)
        if (has(from, row) && has(to, row) && has(both, row) && holds(image.generation->matches[row], packet))
            return image.generation->matches[row].rule - kFirstCounter;
    return std::nullopt;
}

TEST(Compile, AReaderOfTheImageFindsTheFirstMatch) {
    generate::SmallWorld random(seed(), generate::Vocabulary::kLive);
    std::size_t by_live_rules = 0;
    std::size_t by_default = 0;
    for (int i = 0; i < 1000; ++i) {
        const Input input = random_input(random);
        const Image image = compile(input).value();
        const policy::Policy policy{.rules = input.rules};
        for (int j = 0; j < 200; ++j) {
            const policy::PacketView packet = random.packet();
            const auto expected = policy::first_match(policy.rules, packet);
            ASSERT_EQ(look_up(image, input, packet), expected) << "seed " << seed() << "\n"
                                                               << policy::print_policy(policy);
            by_default += expected ? 0 : 1;
            by_live_rules += expected && *expected >= policy::builtin_rules().size() ? 1 : 0;
        }
    }
    EXPECT_GT(by_live_rules, 20'000U);
    EXPECT_GT(by_default, 20'000U);
}

}  // namespace
}  // namespace fwctl::compile
