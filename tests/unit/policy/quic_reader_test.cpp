#include "policy/quic_reader.h"

#include <gtest/gtest.h>

#include "policy/difference.h"
#include "policy/print.h"
#include "policy/quic.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

using Ids = std::vector<ServerId>;
using Lines = std::vector<std::string>;

constexpr const char* kVip = R"([vip.web]
address = "203.0.113.10"
service = ["tcp/443", "udp/443"]
forward = "ipip"
)";

std::string backend(const std::string& name, const std::string& more, const std::string& of = "web") {
    return "[[vip." + of + ".backend]]\nname = \"" + name + "\"\naddress = \"10.0.0." + name.substr(1) +
           "\"\n" + more;
}

TEST(QuicReader, ReadsConfigurationsAndServerIds) {
    const Policy policy =
        policy_of(std::string(kVip) + "quic = { config = [4, \"0\", 4], server_id_length = 2 }\n" +
                  backend("b1", "server_id = [\"FF00\", \"0a01\", \"ff00\"]\n") +
                  backend("b2", "server_id = \"0a02\"\n") + backend("b3", ""));
    const Vip& web = policy.vips[0];
    EXPECT_TRUE(asks_for_quic(web));
    EXPECT_EQ(web.quic.configs, (std::vector<std::uint8_t>{0, 4}));
    EXPECT_EQ(web.quic.server_id_length, 2);
    EXPECT_EQ(web.backends[0].server_ids, (Ids{{0x0a, 0x01}, {0xff, 0x00}}));
    EXPECT_EQ(web.backends[1].server_ids, (Ids{{0x0a, 0x02}}));
    EXPECT_EQ(web.backends[2].server_ids, Ids{});
    EXPECT_FALSE(asks_for_quic(policy_of(std::string(kVip) + backend("b1", "")).vips[0]));
}

TEST(QuicReader, PrintsThemInTheirCanonicalForm) {
    const std::string text =
        print_policy(policy_of(std::string(kVip) + "quic = { server_id_length = 2, config = 6 }\n" +
                               backend("b1", "server_id = [\"FF00\", \"0a01\"]\nweight = 2\n") +
                               backend("b2", "server_id = [\"0A02\"]\n")));
    EXPECT_EQ(text, R"(version = 1

[vip.web]
address = "203.0.113.10"
service = ["tcp/443", "udp/443"]
forward = "ipip"
quic = { config = "6", server_id_length = 2 }

[[vip.web.backend]]
name = "b1"
address = "10.0.0.1"
weight = 2
server_id = ["0a01", "ff00"]

[[vip.web.backend]]
name = "b2"
address = "10.0.0.2"
server_id = "0a02"
)");
}

TEST(QuicReader, SaysWhatIsWrong) {
    EXPECT_EQ(errors_of(R"([vip.web]
address = "203.0.113.10"
service = "udp/443"
forward = "ipip"
quic = { config = [7, -1, "x", 0], server_id_length = 2, key = "" }
[[vip.web.backend]]
name = "b1"
address = "10.0.0.1"
server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
[[vip.web.backend]]
name = "b2"
address = "10.0.0.2"
server_id = "0A01"
[[vip.web.backend]]
name = "b3"
address = "10.0.0.3"
server_id = ["ff01", "000001", "FF01"]
[[vip.web.backend]]
name = "b4"
address = "10.0.0.4"
server_id = []
[vip.api]
address = "203.0.113.11"
service = "udp/443"
forward = "ipip"
[[vip.api.backend]]
name = "b1"
address = "10.0.0.1"
server_id = "0a01"
[vip.tcp]
address = "203.0.113.12"
service = ["tcp/443", "sctp"]
forward = "ipip"
quic = { server_id_length = 16 }
[[vip.tcp.backend]]
name = "b1"
address = "10.0.0.1"
[vip.bad]
address = "203.0.113.13"
service = "udp"
forward = "ipip"
quic = 3
[[vip.bad.backend]]
name = "b1"
address = "10.0.0.1"
)"),
              R"(p.toml:6:20: error: "config" is a number from 0 to 6, not 7
   6 | quic = { config = [7, -1, "x", 0], server_id_length = 2, key = "" }
     |                    ^
p.toml:6:23: error: "config" is a number from 0 to 6, not -1
   6 | quic = { config = [7, -1, "x", 0], server_id_length = 2, key = "" }
     |                       ^~
p.toml:6:27: error: "config" is a number from 0 to 6, not x
   6 | quic = { config = [7, -1, "x", 0], server_id_length = 2, key = "" }
     |                           ^~~
p.toml:6:58: error: unknown key "key"
   6 | quic = { config = [7, -1, "x", 0], server_id_length = 2, key = "" }
     |                                                          ^~~
  hint: the keys of "quic" are config, server_id_length
p.toml:10:14: error: 0a is of 1 octet, and server ids of vip "web" are of 2 octets
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |              ^~~~
p.toml:10:20: error: "0a0" is not a server id: 1 to 15 octets in hexadecimal, such as 0a01
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                    ^~~~~
p.toml:10:27: error: "" is not a server id: 1 to 15 octets in hexadecimal, such as 0a01
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                           ^~
p.toml:10:31: error: "0a 1" is not a server id: 1 to 15 octets in hexadecimal, such as 0a01
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                               ^~~~~~
p.toml:10:39: error: "0x01" is not a server id: 1 to 15 octets in hexadecimal, such as 0a01
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                                       ^~~~~~
p.toml:10:55: error: "server_id" takes strings, not an integer
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                                                       ^
  hint: server_id takes 0a01
p.toml:10:58: error: "0a010203040506070809101112131415" is not a server id: 1 to 15 octets in hexadecimal, such as 0a01
  10 | server_id = ["0a", "0a0", "", "0a 1", "0x01", "0a01", 1, "0a010203040506070809101112131415"]
     |                                                          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
p.toml:14:13: error: another backend of vip "web" has the server id 0a01, in line 10
  14 | server_id = "0A01"
     |             ^~~~~~
p.toml:18:22: error: 000001 is of 3 octets, and server ids of vip "web" are of 2 octets
  18 | server_id = ["ff01", "000001", "FF01"]
     |                      ^~~~~~~~
p.toml:22:13: error: "server_id" lists nothing and would match nothing
  22 | server_id = []
     |             ^~
  hint: server_id takes 0a01
p.toml:30:13: error: "server_id" goes with "quic" of vip "api"
  30 | server_id = "0a01"
     |             ^~~~~~
  hint: add quic = { config = 0, server_id_length = 2 } to the vip
p.toml:35:8: error: "quic" needs the key "config"
  35 | quic = { server_id_length = 16 }
     |        ^~~~~~~~~~~~~~~~~~~~~~~~~
  hint: config takes 0, 1
p.toml:35:8: error: "quic" goes with services of udp, and this vip has none
  35 | quic = { server_id_length = 16 }
     |        ^~~~~~~~~~~~~~~~~~~~~~~~~
p.toml:35:29: error: "server_id_length" is a number from 1 to 15, not 16
  35 | quic = { server_id_length = 16 }
     |                             ^~
p.toml:43:8: error: "quic" takes an inline table, not an integer
  43 | quic = 3
     |        ^
  hint: quic takes { config = 0, server_id_length = 2 }
)");
}

TEST(QuicReader, TheSameIdIsOfAnotherVipsBackendToo) {
    const std::string quic = "quic = { config = 0, server_id_length = 1 }\n";
    EXPECT_EQ(errors_of(std::string(kVip) + quic + backend("b1", "server_id = \"01\"\n") +
                        "[vip.api]\naddress = \"203.0.113.11\"\nservice = \"udp\"\nforward = \"gue\"\n" +
                        quic + backend("b2", "server_id = \"01\"\n", "api")),
              "no error");
}

TEST(QuicReader, WarnsWhereNoIdIsNamed) {
    const std::string quic = std::string(kVip) + "quic = { config = 0, server_id_length = 1 }\n";
    const LoadResult loaded = load("version = 1\n" + quic + backend("b1", ""));
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->warnings.render(),
              "p.toml:2:1: warning: vip \"web\" has \"quic\", but no backend with a server id: no connection "
              "id names one\n"
              "   2 | [vip.web]\n"
              "     | ^~~~~~~~~\n"
              "  hint: add server_id to its backends\n");
    const LoadResult one =
        load("version = 1\n" + quic + backend("b1", "") + backend("b2", "server_id = \"01\"\n"));
    ASSERT_TRUE(one.has_value());
    EXPECT_TRUE(one->warnings.empty());
}

TEST(QuicReader, ChangesAreShown) {
    const std::string vip = kVip;
    const Policy without = policy_of(vip + backend("b1", ""));
    const Policy one = policy_of(vip + "quic = { config = 0, server_id_length = 2 }\n" +
                                 backend("b1", "server_id = \"0a01\"\n"));
    const Policy two = policy_of(vip + "quic = { config = [0, 1], server_id_length = 2 }\n" +
                                 backend("b1", "server_id = [\"0a01\", \"0b01\"]\n") +
                                 backend("b2", "server_id = \"0a02\"\n"));
    EXPECT_EQ(difference(without, one),
              (Lines{"~ vip web: quic none -> { config = \"0\", server_id_length = 2 }",
                     "~ vip web: backend b1 server_id none -> 0a01"}));
    EXPECT_EQ(difference(one, two),
              (Lines{"~ vip web: quic { config = \"0\", server_id_length = 2 } -> { config = [\"0\", \"1\"], "
                     "server_id_length = 2 }",
                     "~ vip web: backend b1 server_id 0a01 -> 0a01, 0b01",
                     "~ vip web: + backend b2: 10.0.0.2 server id 0a02"}));
    EXPECT_EQ(difference(two, two), Lines{});
}

TEST(ServerIdText, IsReadAndWritten) {
    for (const char* word : {"00", "0a01", "ffeeddccbbaa99887766554433221100"}) {
        const auto id = parse_server_id(std::string_view(word).substr(0, 30));
        ASSERT_TRUE(id);
        EXPECT_EQ(format_server_id(*id), std::string_view(word).substr(0, 30));
    }
    EXPECT_EQ(*parse_server_id("AbCd"), (ServerId{0xab, 0xcd}));
    for (const char* word : {"", "0", "000", "0g", "0x01", " 00", "0a-1", "ffeeddccbbaa99887766554433221100"})
        EXPECT_FALSE(parse_server_id(word)) << word;
}

}  // namespace
}  // namespace fwctl::policy
