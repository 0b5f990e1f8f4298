// Broken input: whatever the bytes, there is an answer, and what is translated is a policy.
#include <cstddef>
#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "import/import.h"
#include "iptables_oracle.h"
#include "read_back.h"

namespace fwctl::importer {
namespace {

// Bytes exchanged, words doubled, moved or taken out.
std::string broken(std::string text, std::mt19937& random) {
    const auto at = [&] { return random() % (text.size() + 1); };
    for (unsigned i = random() % 4 + 1; i > 0 && !text.empty(); --i) {
        const std::size_t begin = at();
        const std::size_t size = random() % 12;
        switch (random() % 4) {
            case 0:
                text.insert(begin, 1, static_cast<char>(random() % 256));
                break;
            case 1:
                text.erase(begin, size);
                break;
            case 2:
                text.insert(at(), text.substr(begin, size));
                break;
            default:
                text.insert(begin, "{}[]\"!/-:@,. \n" + random() % 13, 1);
        }
    }
    return text;
}

template <typename Import>
void survive(std::string_view text, unsigned seed, Import import) {
    std::mt19937 random(seed);
    int translated = 0;
    for (int i = 0; i < 1500; ++i) {
        const std::string input = broken(std::string(text), random);
        const auto imported = import(input);
        if (imported) {
            ++translated;
            read_back(imported->toml);
        }
        ASSERT_FALSE(testing::Test::HasFailure()) << input;
    }
    EXPECT_GT(translated, 100);
}

TEST(Hostile, Iptables) {
    for (unsigned seed = 0; seed < 3; ++seed) {
        const std::string text = IptablesOracle(seed, policy::Family::kIpv4, true).text();
        survive(text, seed, [](const std::string& input) { return import_iptables(input, "f\x01", {}); });
    }
}

TEST(Hostile, NftText) {
    survive(R"(table inet t {
	set s {
		type ipv4_addr
		timeout 10m
		size 100
		elements = { 1.2.3.4, 10.0.0.0/8, 1.2.3.4-1.2.3.9 }
	}
	chain c {
		type filter hook input priority filter; policy drop;
		iifname { "lo", "eth*" } accept comment "x"
		ip saddr @s tcp dport != { 22, 80-90 } log prefix "y" reject with tcp reset
		tcp flags & (syn | ack) == syn jump d
		icmp type echo-request ip ttl < 5 ct state established,new accept
		ct state vmap { established | new : accept, 0x4 : jump d, invalid : drop }
		ct state != { new } tcp dport vmap { 22 : accept, 80-90 : return }
	}
	chain d {
		ip6 daddr fe80::/10 meta l4proto != udp return
		exthdr frag exists drop
	}
}
)",
            4, [](const std::string& input) { return import_nft(input, "f"); });
}

TEST(Hostile, NftJson) {
    survive(R"({"nftables": [{"table": {"family": "ip", "name": "t"}},
{"set": {"family": "ip", "name": "s", "table": "t", "type": "ipv4_addr", "timeout": 6, "size": 9, "elem": ["1.2.3.4"]}},
{"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip",
 "field": "saddr"}}, "right": {"set": ["1.2.3.4", {"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": ["1.1.1.1", "2.2.2.2"]}]}}},
 {"match": {"op": "in", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": ["syn", {"|": ["ack", 4]}]}},
 {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", {"|": ["new", 1]}]}},
 {"log": {"prefix": "x"}}, {"reject": {"type": "icmp", "expr": "host-unreachable"}}]}},
{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"vmap": {"key": {"ct": {"key": "state"}},
 "data": {"set": [["established", {"accept": null}], [{"|": ["new", "related"]}, {"drop": null}], [1, {"goto": {"target": "c"}}]]}}}]}}]})",
            5, [](const std::string& input) { return import_nft(input, "f"); });
}

TEST(Hostile, Ipset) {
    survive(
        "create a hash:net family inet maxelem 9\nadd a 10.0.0.0/8\nadd a 10.1.0.0/16 nomatch\n"
        "create b hash:ip family inet6 timeout 9\nadd b ::1 timeout 4 comment \"x\"\n",
        6, [](const std::string& input) { return import_ipset(input, "f"); });
}

}  // namespace
}  // namespace fwctl::importer
