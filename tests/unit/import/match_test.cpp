#include "import/match.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "import/conditions.h"
#include "import/rule_of.h"
#include "policy/evaluate.h"
#include "policy/field.h"
#include "policy/prefix.h"

namespace fwctl::importer {
namespace {

constexpr Number kLargest = 20;

Numbers random_numbers(std::mt19937& random) {
    std::vector<Span> spans;
    for (unsigned i = random() % 4; i > 0; --i) {
        const Number first = random() % (kLargest + 1);
        spans.push_back({first, std::min<Number>(kLargest, first + random() % 5)});
    }
    return Numbers(std::move(spans));
}

TEST(Numbers, AreSetsOfNumbers) {
    std::mt19937 random(1);
    for (int round = 0; round < 5000; ++round) {
        const Numbers one = random_numbers(random);
        const Numbers other = random_numbers(random);
        bool covers = true;
        for (Number value = 0; value <= kLargest; ++value) {
            EXPECT_EQ(one.both(other).contains(value), one.contains(value) && other.contains(value));
            EXPECT_EQ(one.either(other).contains(value), one.contains(value) || other.contains(value));
            EXPECT_EQ(one.outside(kLargest).contains(value), !one.contains(value));
            covers = covers && (one.contains(value) || !other.contains(value));
        }
        EXPECT_EQ(one.covers(other), covers);
        EXPECT_EQ(one.outside(kLargest).outside(kLargest), one);
        EXPECT_EQ(one.both(other), other.both(one));
    }
}

TEST(Numbers, ReachToTheLastAddressOfIpv6) {
    const Number last = largest_address(policy::Family::kIpv6);
    EXPECT_EQ(Numbers::one(last).outside(last), Numbers::between(0, last - 1));
    EXPECT_TRUE(Numbers::between(0, last).outside(last).empty());
    EXPECT_EQ(Numbers::between(0, last - 1).either(Numbers::one(last)), Numbers::between(0, last));
}

TEST(Blocks, MakeUpTheirAddresses) {
    const auto words = [](policy::Family family, const Numbers& addresses) {
        std::vector<std::string> list;
        for (const policy::Prefix& block : blocks_of(family, addresses)) {
            list.push_back(policy::format_prefix(block));
        }
        return list;
    };
    const auto span = parse_span("10.1.0.5", "10.1.0.17").value();
    EXPECT_EQ(words(span.family, span.addresses),
              (std::vector<std::string>{"10.1.0.8/29", "10.1.0.6/31", "10.1.0.16/31", "10.1.0.5"}));
    const auto block = parse_block("2001:db8::ff/126").value();
    EXPECT_EQ(words(block.family, block.addresses), std::vector<std::string>{"2001:db8::fc/126"});
    EXPECT_EQ(words(policy::Family::kIpv6, Numbers::between(0, largest_address(policy::Family::kIpv6))),
              std::vector<std::string>{"::/0"});
    EXPECT_EQ(parse_block("10.9.9.9/255.255.0.0")->addresses, parse_block("10.9.0.0/16")->addresses);
}

// Conditions that a rule could have, drawn from few values so that they often meet.
class RandomConditions {
public:
    explicit RandomConditions(unsigned seed) : random_(seed) {}

    Match match() {
        Match match = chance(3) ? of_ip() : of_family(family());
        const auto with = [&](const Match& more) {
            if (auto narrower = both(match, more)) {
                match = *narrower;
            }
        };
        if (chance(2)) {
            with(of_protocols(maybe_not(Numbers::one(chance(2) ? 6 : 17), 255)));
        }
        if (match[Axis::kProtocol] == Numbers::one(6) && chance(2)) {
            with(of_ports(chance(2) ? Axis::kSelector : Axis::kSourcePort,
                          maybe_not(Numbers::between(20 + below(3), 24), 65535)));
        }
        if (chance(4)) {
            with(of_tcp_flags(maybe_not(masked_byte(0x12, 0x02), 255)));
        }
        if (chance(3)) {
            with(of_ip_number(Axis::kTtl, Numbers::between(below(3), 4)));
        }
        if (chance(3)) {
            with(of_ip_number(Axis::kState, maybe_not(Numbers::between(below(3), 1 + below(4)), 4)));
        }
        if (chance(3) && match.family()) {
            const bool is_ip = match.family() == policy::Family::kIpv4;
            const auto block = parse_block(is_ip ? "10.1.0.0/16" : "2001:db8::/32").value();
            with(of_address(chance(2) ? Axis::kSource : Axis::kDestination, block.family,
                            maybe_not(block.addresses, largest_address(block.family))));
        }
        if (chance(5)) {
            with(in_set(Axis::kSource, "one", chance(2)));
        }
        if (chance(5)) {
            match.on = {chance(2) ? "eth*" : "eth0"};
        }
        return match;
    }

    policy::PacketView packet() {
        policy::PacketView packet;
        packet.interfaces = {chance(2) ? "eth0" : chance(2) ? "eth1" : "lo"};
        packet.family = family();
        const bool is_ip = packet.family == policy::Family::kIpv4;
        packet.ethertype = is_ip ? 0x0800 : 0x86dd;
        packet.protocol = static_cast<std::uint8_t>(chance(2) ? 6 : chance(2) ? 17 : 47);
        packet.source = address(is_ip);
        packet.destination = address(is_ip);
        packet.ttl = static_cast<std::uint8_t>(below(6));
        packet.state = static_cast<policy::FlowState>(below(5));
        packet.fragment = chance(5) ? policy::FragmentKind::kLater : policy::FragmentKind::kNone;
        packet.has_l4 = packet.fragment != policy::FragmentKind::kLater && packet.protocol != 47;
        packet.source_port = static_cast<std::uint16_t>(packet.has_l4 ? 19 + below(7) : 0);
        packet.selector = static_cast<std::uint16_t>(packet.has_l4 ? 19 + below(7) : 0);
        packet.tcp_flags = static_cast<std::uint8_t>(packet.protocol == 6 && packet.has_l4 ? below(64) : 0);
        return packet;
    }

    unsigned below(unsigned limit) { return random_() % limit; }
    bool chance(unsigned in) { return below(in) == 0; }

private:
    policy::Family family() { return chance(2) ? policy::Family::kIpv4 : policy::Family::kIpv6; }
    Numbers maybe_not(const Numbers& numbers, Number largest) {
        return chance(3) ? numbers.outside(largest) : numbers;
    }
    std::array<std::uint8_t, 16> address(bool is_ip) {
        const char* const v4[] = {"10.1.2.3", "10.2.0.1", "8.8.8.8"};
        const char* const v6[] = {"2001:db8::1", "2001:db9::1", "fe80::1"};
        return policy::parse_prefix(is_ip ? v4[below(3)] : v6[below(3)])->address;
    }

    std::mt19937 random_;
};

using Rules = std::vector<policy::Rule>;

// The rules that say it, whose meaning the slow evaluator knows. nullopt: there are no words for it.
std::optional<Rules> rules_of(const Condition& condition) {
    Rules rules;
    for (const Match& match : condition) {
        const auto rule = rule_of(match);
        if (!rule) {
            return std::nullopt;
        }
        rules.push_back(*rule);
    }
    return rules;
}

long count(const Rules& rules, const policy::PacketView& packet) {
    static const policy::Context kSets = [] {
        policy::Context sets;
        sets.members["one"] = {{policy::parse_prefix("10.1.2.3").value()},
                               {policy::parse_prefix("fe80::1").value()}};
        return sets;
    }();
    return std::count_if(rules.begin(), rules.end(),
                         [&](const policy::Rule& rule) { return policy::matches(rule, packet, kSets); });
}

TEST(Conditions, AreIntersectedAndSubtractedAsSetsOfPackets) {
    RandomConditions random(7);
    int compared = 0;
    for (int round = 0; round < 1500; ++round) {
        const Condition one = {random.match()};
        const Condition other = {random.match(), random.match()};
        const auto in_one = rules_of(one);
        const auto in_other = rules_of(other);
        const auto in_shared = rules_of(both(one, other));
        const auto in_rest = rules_of(but_not(one, other).value());
        const auto in_parted = rules_of(disjoint(other).value());
        for (int i = 0; i < 10 && in_one && in_other && in_shared && in_rest && in_parted; ++i) {
            const policy::PacketView packet = random.packet();
            const bool is_one = count(*in_one, packet) > 0;
            const bool is_other = count(*in_other, packet) > 0;
            EXPECT_EQ(count(*in_shared, packet) > 0, is_one && is_other);
            EXPECT_EQ(count(*in_rest, packet), is_one && !is_other ? 1 : 0);
            EXPECT_EQ(count(*in_parted, packet), is_other ? 1 : 0);
            ++compared;
        }
    }
    EXPECT_GT(compared, 5000);
}

TEST(Conditions, OfManyAlternativesAreRefused) {
    Condition hole;
    for (unsigned i = 0; i < 70; ++i) {
        Match match = of_ip_number(Axis::kTtl, Numbers::one(i));
        match[Axis::kDscp] = Numbers::one(i % 60);
        hole.push_back(match);
    }
    const auto rest = but_not(always(), hole);
    ASSERT_FALSE(rest.has_value());
    EXPECT_EQ(rest.error().message, "more than 64 rules would be needed in its place");
}

TEST(Patterns, CoverWhatTheyStandFor) {
    EXPECT_TRUE(pattern_covers("eth*", "eth0"));
    EXPECT_TRUE(pattern_covers("eth*", "eth*"));
    EXPECT_TRUE(pattern_covers("e*", "eth*"));
    EXPECT_TRUE(pattern_covers("eth0", "eth0"));
    EXPECT_FALSE(pattern_covers("eth*", "e*"));
    EXPECT_FALSE(pattern_covers("eth0", "eth*"));
    EXPECT_FALSE(pattern_covers("eth0", "eth01"));
}

TEST(RuleOf, SaysWhatTheLanguageCannotSay) {
    const auto message = [](const Match& match) { return rule_of(match).error().message; };
    Match other_interface;
    other_interface.not_on = {"lo", "eth*"};
    EXPECT_EQ(message(other_interface), "`on` cannot say every interface but lo, eth*");
    Match two_sets = in_set(Axis::kSource, "one", true);
    two_sets.sets.push_back({Axis::kSource, "two", true});
    EXPECT_EQ(message(two_sets), "a rule cannot ask for two sets at once");
    EXPECT_EQ(message(of_ip_number(Axis::kFragment, Numbers::one(0))),
              "whole packets cannot be told from atomic fragments");
}

TEST(RuleOf, AsksForFlagsInFewWords) {
    const auto words = [](const Numbers& flags) {
        return policy::format_match(rule_of(of_tcp_flags(flags))->fields.front());
    };
    using Words = std::vector<std::string>;
    EXPECT_EQ(words(masked_byte(0x17, 0x02)), Words{"!fin+syn+!rst+!ack"});
    EXPECT_EQ(words(masked_byte(0x12, 0).outside(255)), (Words{"syn", "ack"}));
    EXPECT_EQ(words(masked_byte(0xff, 0)), Words{"none"});
    EXPECT_EQ(words(masked_byte(0x02, 0)), Words{"!syn"});
}

// Any set of values is the same in words, tried on all values.
TEST(RuleOf, AsksForAnyFlags) {
    std::mt19937 random(3);
    for (int round = 0; round < 40; ++round) {
        Numbers flags;
        for (int i = 0; i < 30; ++i) {
            flags = flags.either(Numbers::one(random() % 256));
        }
        const auto rule = rule_of(of_tcp_flags(flags)).value();
        for (unsigned value = 0; value < 256; ++value) {
            const auto& tests = rule.fields.front().any_of;
            EXPECT_EQ(std::any_of(tests.begin(), tests.end(),
                                  [&](const policy::Interval& test) { return test.contains(value); }),
                      flags.contains(value));
        }
    }
}

}  // namespace
}  // namespace fwctl::importer
