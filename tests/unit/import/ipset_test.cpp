#include <string_view>

#include <gtest/gtest.h>

#include "import/import.h"
#include "read_back.h"

namespace fwctl::importer {
namespace {

TEST(Ipset, BecomesSets) {
    const Imported imported =
        import_ipset(R"(create admins hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12
add admins 192.0.2.1
add admins 192.0.2.9 comment "the \"other\" one"
create Blocked.v6 hash:net family inet6 hashsize 1024 maxelem 65536 counters
add Blocked.v6 2001:db8::/32 packets 0 bytes 0
create lan hash:ip family inet netmask 24
add lan 10.2.3.0
create range bitmap:ip range 10.0.0.0-10.0.0.255
add range 10.0.0.5
create banned hash:ip family inet hashsize 1024 maxelem 100 timeout 600
add banned 9.9.9.9 timeout 599
add banned 9.9.9.8 timeout 5
create empty hash:net family inet
create pairs hash:ip,port family inet
add pairs 1.2.3.4,tcp:80
)",
                     "sets")
            .value();
    EXPECT_EQ(imported.translated, 11U);
    EXPECT_EQ(imported.left_out, 4U);
    EXPECT_EQ(imported.toml,
              R"(# Translated by fwctl from ipset save as sets has it; lines translated: 11, left out: 4.
#
# WARNING: rules that ask for what is left out match less than they did, or more where they ask for what is
# not in a set.

version = 1

[set.admins]
elements = ["192.0.2.1", "192.0.2.9"]

# Called Blocked.v6 by ipset.
[set.blocked-v6]
elements = "2001:db8::/32"

[set.lan]
elements = "10.2.3.0/24"

[set.range]
elements = "10.0.0.5"

# sets:10-12: the members of banned (2): those of a set with timeouts are added live, by `fwctl set add`
[set.banned]
dynamic = true
timeout = "10m"
size = 100

[set.empty]
elements = []

# sets:14: the set pairs (members: 1): sets of the type `hash:ip,port` have no counterpart
)");
    EXPECT_EQ(read_back(imported.toml).sets.size(), 6U);
}

TEST(Ipset, TheLongestPrefixDecidesWhatIsNoMember) {
    const policy::Policy policy = read_back(import_ipset("create a hash:net family inet\n"
                                                         "add a 10.1.0.0/16 nomatch\n"
                                                         "add a 10.0.0.0/14\n"
                                                         "add a 10.1.2.0/24\n",
                                                         "sets")
                                                .value()
                                                .toml);
    const policy::Policy wanted =
        read_back("version = 1\n[set.a]\nelements = [\"10.0.0.0/16\", \"10.1.2.0/24\", \"10.2.0.0/15\"]\n");
    EXPECT_EQ(policy.sets, wanted.sets);
}

TEST(Ipset, ASetWithAStrangeMemberIsLeftOut) {
    const Imported imported =
        import_ipset("create a hash:net family inet\nadd a 10.0.0.0/8\nadd a x\n", "sets").value();
    EXPECT_EQ(imported.left_out, 3U);
    EXPECT_NE(imported.toml.find("# sets:1: the set a (members: 2): the member `x` is not understood\n"),
              std::string::npos);
    EXPECT_TRUE(read_back(imported.toml).sets.empty());
}

TEST(Ipset, SetsThatWouldBeCalledAlikeAreNotMixed) {
    const Imported imported =
        import_ipset("create a.b hash:ip\ncreate a-b hash:ip\nadd a-b 1.2.3.4\n", "sets").value();
    EXPECT_NE(
        imported.toml.find("# sets:2: the set a-b (members: 1): `a.b` and `a-b` would both be the set a-b\n"),
        std::string::npos)
        << imported.toml;
}

TEST(Ipset, OtherTextsAreRefusedWithTheirPlace) {
    const auto message = [](std::string_view text) {
        const auto imported = import_ipset(text, "f");
        EXPECT_FALSE(imported.has_value()) << text;
        return imported ? "" : imported.error().message;
    };
    EXPECT_EQ(message(""), "f:1:1: there is no set; this is not the output of ipset save");
    EXPECT_EQ(
        message("# x\n*filter\n"),
        "f:2:1: expected `create SET TYPE …` or `add SET MEMBER`; this is not the output of ipset save");
    EXPECT_EQ(message("add a 1.2.3.4\n"), "f:1:1: the set a has not been created before");
    EXPECT_EQ(message("create a hash:ip comment \"x\n"), "f:1:1: a quotation mark is not closed");
}

}  // namespace
}  // namespace fwctl::importer
