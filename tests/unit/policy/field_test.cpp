#include "policy/field.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

Interval interval(Field field, std::string_view word) {
    return parse_field(field, word).value();
}

std::string error_of(Field field, std::string_view word) {
    const auto parsed = parse_field(field, word);
    return parsed ? "no error" : parsed.error().message;
}

// The words once more, in canonical form.
Words rewritten(Field field, const Words& words) {
    FieldMatch match{field, {}};
    for (const std::string& word : words) {
        match.any_of.push_back(interval(field, word));
    }
    match.any_of = canonical_intervals(match.any_of);
    return format_match(match);
}

TEST(Fields, AreInTheOrderOfTheEnum) {
    ASSERT_EQ(fields().size(), kFields);
    for (std::size_t i = 0; i < kFields; ++i) {
        EXPECT_EQ(fields()[i].field, static_cast<Field>(i));
        EXPECT_EQ(&info_of(static_cast<Field>(i)), &fields()[i]);
        EXPECT_FALSE(fields()[i].meaning.empty());
    }
}

TEST(Fields, TakeTheirOwnExamples) {
    for (const FieldInfo& info : fields()) {
        for (std::string_view rest = info.accepts; !rest.empty();) {
            const std::size_t comma = std::min(rest.find(", "), rest.size());
            EXPECT_EQ(error_of(info.field, rest.substr(0, comma)), "no error") << info.key;
            rest.remove_prefix(std::min(comma + 2, rest.size()));
        }
    }
}

TEST(Fields, HaveOneSpellingEach) {
    const std::tuple<Field, const char*, const char*> cases[] = {
        {Field::kSourcePort, "0", "0"},
        {Field::kSourcePort, "1024-65535", "1024-65535"},
        {Field::kSourcePort, "22-22", "22"},
        {Field::kTcpFlags, "SYN", "syn"},
        {Field::kTcpFlags, "ack+syn", "syn+ack"},
        {Field::kTcpFlags, "!ack+syn", "syn+!ack"},
        {Field::kTcpFlags, "none", "none"},
        {Field::kTcpFlags, "!fin+!syn+!rst+!psh+!ack+!urg+!ece+!cwr", "none"},
        {Field::kFragment, "no", "no"},
        {Field::kFragment, "any", "any"},
        {Field::kTtl, "0-63", "0-63"},
        {Field::kDscp, "46", "ef"},
        {Field::kDscp, "0", "cs0"},
        {Field::kDscp, "0-7", "0-7"},
        {Field::kVlan, "none", "none"},
        {Field::kVlan, "0-4095", "0-4095"},
        {Field::kMac, "52:54:00:AB:cd:ef", "52:54:00:ab:cd:ef"},
        {Field::kMac, "52:54:00:00:00:00/24", "52:54:00:00:00:00/24"},
        {Field::kMac, "52:54:00:12:34:56/48", "52:54:00:12:34:56"},
        {Field::kMac, "00:00:00:00:00:00/0", "00:00:00:00:00:00/0"},
        {Field::kEthertype, "0x0806", "arp"},
        {Field::kEthertype, "35020", "lldp"},
        {Field::kEthertype, "0x9000-0x9001", "0x9000-0x9001"},
        {Field::kEthertype, "0x1", "0x0001"},
    };
    for (const auto& [field, written, spelling] : cases) {
        EXPECT_EQ(format_field(field, interval(field, written)), spelling);
        EXPECT_EQ(interval(field, spelling), interval(field, written));
    }
}

TEST(Fields, MatchWhatTheyName) {
    EXPECT_TRUE(interval(Field::kTcpFlags, "syn+!ack").contains(0x02));
    EXPECT_TRUE(interval(Field::kTcpFlags, "syn+!ack").contains(0xc2));
    EXPECT_FALSE(interval(Field::kTcpFlags, "syn+!ack").contains(0x12));
    EXPECT_TRUE(interval(Field::kTcpFlags, "none").contains(0));
    EXPECT_FALSE(interval(Field::kTcpFlags, "none").contains(0x80));
    EXPECT_TRUE(interval(Field::kMac, "52:54:00:00:00:00/24").contains(0x525400ffffff));
    EXPECT_FALSE(interval(Field::kMac, "52:54:00:00:00:00/24").contains(0x525401000000));
    EXPECT_TRUE(interval(Field::kVlan, "none").contains(kNoVlan));
    EXPECT_FALSE(interval(Field::kVlan, "0-4095").contains(kNoVlan));
    for (const FragmentKind kind : {FragmentKind::kNone, FragmentKind::kAtomic}) {
        EXPECT_TRUE(interval(Field::kFragment, "no").contains(static_cast<std::uint64_t>(kind)));
        EXPECT_FALSE(interval(Field::kFragment, "any").contains(static_cast<std::uint64_t>(kind)));
    }
}

TEST(Fields, RefuseWhatTheyDoNotTake) {
    EXPECT_EQ(error_of(Field::kSourcePort, "ssh"),
              "\"ssh\" is not a value of sport, which takes 22, 1024-65535");
    EXPECT_EQ(error_of(Field::kSourcePort, "65536"),
              "\"65536\" is not a value of sport, which goes from 0 to 65535");
    EXPECT_EQ(error_of(Field::kSourcePort, "99999999999999999999"),
              "\"99999999999999999999\" is not a value of sport, which takes 22, 1024-65535");
    EXPECT_EQ(error_of(Field::kTtl, "63-0"), "the range \"63-0\" runs backwards; did you mean \"0-63\"?");
    EXPECT_EQ(error_of(Field::kVlan, "4096"), "\"4096\" is not a value of vlan, which goes from 0 to 4095");
    EXPECT_EQ(error_of(Field::kTcpFlags, "sym"), "\"sym\" is not a value of flags; did you mean \"syn\"?");
    EXPECT_EQ(error_of(Field::kTcpFlags, "syn+"),
              "\"\" is not a value of flags, which takes syn, !ack, syn+ack, syn+!ack, none");
    EXPECT_EQ(error_of(Field::kTcpFlags, "syn+!syn"), "\"syn+!syn\" names syn twice");
    EXPECT_EQ(error_of(Field::kFragment, "firts"),
              "\"firts\" is not a value of fragment; did you mean \"first\"?");
    EXPECT_EQ(error_of(Field::kFragment, "2"),
              "\"2\" is not a value of fragment, which takes no, atomic, first, later, any");
    EXPECT_EQ(error_of(Field::kDscp, "64"), "\"64\" is not a value of dscp, which goes from 0 to 63");
    EXPECT_EQ(error_of(Field::kDscp, "af11-af13"),
              "\"af11-af13\" is not a value of dscp, which takes 46, ef, af11, cs3, 0-7");
    EXPECT_EQ(error_of(Field::kMac, "52:54:00:12:34:56/24"),
              "52:54:00:12:34:56/24 has bits set behind its length; did you mean 52:54:00:00:00:00/24 or "
              "52:54:00:12:34:56?");
    EXPECT_EQ(
        error_of(Field::kMac, "52-54-00-12-34-56"),
        "\"52-54-00-12-34-56\" is not a value of mac, which takes 52:54:00:12:34:56, 52:54:00:00:00:00/24");
    EXPECT_EQ(error_of(Field::kEthertype, "ipv6"),
              "\"ipv6\" is not a value of ethertype; did you mean \"ip6\"?");
    EXPECT_EQ(parse_field(Field::kTtl, "").error().exit, Exit::kUsage);
}

TEST(FieldMatch, HasOneForm) {
    EXPECT_EQ(rewritten(Field::kTtl, {"10", "1-5", "6", "3"}), (Words{"1-6", "10"}));
    EXPECT_EQ(rewritten(Field::kFragment, {"later", "first"}), (Words{"any"}));
    EXPECT_EQ(rewritten(Field::kFragment, {"first", "atomic"}), (Words{"atomic", "first"}));
    EXPECT_EQ(rewritten(Field::kFragment, {"any", "no"}), (Words{"no", "any"}));
    EXPECT_EQ(rewritten(Field::kFragment, {"any", "atomic"}), (Words{"atomic", "any"}));
    EXPECT_EQ(rewritten(Field::kVlan, {"none", "4000-4095"}), (Words{"4000-4095", "none"}));
    EXPECT_EQ(rewritten(Field::kMac, {"52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"}),
              (Words{"52:54:00:00:00:01", "52:54:00:00:00:02/47"}));
    EXPECT_EQ(rewritten(Field::kTcpFlags, {"syn", "syn+ack", "fin+!ack", "syn"}), (Words{"syn", "fin+!ack"}));
}

// Both say the same of every value, and the words make the same match again.
TEST(FieldMatch, IsReadBackFromItsWords) {
    std::mt19937 random(4);
    const auto below = [&](std::uint64_t limit) {
        return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
    };
    for (int i = 0; i < 5000; ++i) {
        const FieldInfo& info = fields()[below(kFields)];
        FieldMatch match{info.field, {}};
        for (std::uint64_t j = 0; j <= below(3); ++j) {
            Interval made;
            made.first = below(info.largest + 1);
            made.last = made.first + below(info.largest - made.first + 1);
            if (info.field == Field::kTcpFlags) {
                made.mask = 1 + below(255);
                made.first = made.last = made.first & made.mask;
            }
            if (info.field == Field::kFragment) {
                const char* word[] = {"no", "atomic", "first", "later", "any"};
                made = interval(info.field, word[below(5)]);
            }
            match.any_of.push_back(made);
        }
        FieldMatch reduced{info.field, canonical_intervals(match.any_of)};
        for (int j = 0; j < 50; ++j) {
            const std::uint64_t value = below(info.largest + 1);
            const auto holds = [value](const FieldMatch& one) {
                return std::any_of(one.any_of.begin(), one.any_of.end(),
                                   [value](const Interval& part) { return part.contains(value); });
            };
            ASSERT_EQ(holds(match), holds(reduced)) << info.key;
        }
        FieldMatch read{info.field, {}};
        for (const std::string& word : format_match(reduced)) {
            read.any_of.push_back(interval(info.field, word));
        }
        read.any_of = canonical_intervals(read.any_of);
        ASSERT_EQ(read, reduced) << info.key;
    }
}

}  // namespace
}  // namespace fwctl::policy
