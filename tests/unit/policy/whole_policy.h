// Random policies that use every key of the schema, for tests of reading and printing.
//
// Promises: the same seed gives the same policies. They are as if read: rules are canonical and contradict
// nothing, what has names is sorted by them, and names differ.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "policy/addresses.h"
#include "policy/check.h"
#include "policy/health.h"
#include "policy/model.h"
#include "policy/prefix_list.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "policy/service.h"
#include "policy/vip.h"

namespace fwctl::policy {

class WholePolicy {
public:
    explicit WholePolicy(unsigned seed) : random_(seed) {}

    Rule rule(int number) {
        for (;;) {
            Rule rule;
            fill(rule_keys(), rule);
            rule.name = "rule " + std::to_string(number);
            rule = canonical(std::move(rule));
            if (!find_contradiction(rule)) {
                return rule;
            }
        }
    }

    Policy policy() {
        Policy policy;
        fill(default_keys(), policy.defaults);
        if (policy.defaults.lockout &&
            (policy.defaults.lockout->from.empty() || policy.defaults.lockout->services.empty())) {
            policy.defaults.lockout.reset();
        }
        if (policy.defaults.lockout) {
            reduce(policy.defaults.lockout->from);
            reduce(policy.defaults.lockout->services);
        }
        fill(conntrack_keys(), policy.conntrack, "conntrack.");
        auto& asymmetric = policy.conntrack.asymmetric;
        std::sort(asymmetric.begin(), asymmetric.end());
        asymmetric.erase(std::unique(asymmetric.begin(), asymmetric.end()), asymmetric.end());
        for (const char* name : {"arp", "dhcp-replies", "malformed"}) {
            if (one_in(3)) {
                policy.disabled_builtins.emplace_back(name);
            }
        }
        for (const char* name : {"a", "b.c", "veth*", "wan"}) {
            if (one_in(2)) {
                policy.attachments.push_back(attachment(name));
            }
        }
        for (const char* name : {"admins", "b_1", "banned", "drop-2"}) {
            policy.sets.push_back(set(name));
        }
        for (int i = below(6); i > 0; --i) {
            policy.rules.push_back(rule(i));
        }
        for (const char* prefix : {"10.0.0.0/8", "2001:db8::/32"}) {
            if (one_in(3)) {
                policy.routes.push_back(route(prefix));
            }
        }
        for (const char* name : {"api", "b-1", "web_2"}) {
            if (one_in(3)) {
                policy.vips.push_back(vip(name, static_cast<std::uint8_t>(policy.vips.size())));
            }
        }
        if (one_in(3)) {
            fill(decapsulate_keys(), policy.decapsulate, "decapsulate.");
            reduce(policy.decapsulate.from);
        }
        for (int i = below(3); i > 0; --i) {
            Test& test = policy.tests.emplace_back();
            fill(test_keys(), test);
        }
        return policy;
    }

private:
    Attach attachment(const std::string& name) {
        Attach attach;
        do {
            attach = Attach{};
            attach.name = name;
            attach.device = name;
            fill(attach_keys(), attach);
        } while (!attach.hooks.empty() && attach.mode != AttachMode::kAuto);
        if (attach.device != name) {
            attach.device += name.substr(0, 1);  // no two have the same
        }
        return attach;
    }

    Set set(const std::string& name) {
        Set set;
        fill(set_keys(), set);
        set.name = name;
        set.dynamic = set.dynamic || name == "banned";
        if (set.dynamic) {
            set.elements.clear();
        } else {
            set.timeout = {};
            set.size = Set{}.size;
        }
        reduce(set.elements);
        return set;
    }

    Route route(const char* prefix) {
        Route route;
        fill(route_keys(), route);
        (void)find_key(route_keys(), "prefix")->add(route, prefix);
        (void)find_key(route_keys(), "via")->add(route, prefix[0] == '1' ? "192.0.2.1" : "fe80::1");
        return route;
    }

    // `number` keeps its addresses apart from those of the others.
    Vip vip(const char* name, std::uint8_t number) {
        Vip vip;
        vip.name = name;
        fill(vip_keys(), vip, "vip.");
        for (Prefix& block : vip.addresses) {
            block.address[1] = static_cast<std::uint8_t>(block.address[1] + number);
        }
        if (!check_announce(vip)) {
            vip.announce.clear();
        }
        if (vip.forward != Transport::kGue) {
            vip.gue_port = Vip{}.gue_port;
        }
        if (one_in(2)) {
            fill_health(vip);
        } else {
            vip.down = Down::kMove;
            vip.panic = 0;
            vip.slow_start = {};
        }
        const bool has_udp =
            std::any_of(vip.services.begin(), vip.services.end(),
                        [](const Service& service) { return service.protocol == kProtocolUdp; });
        if (!has_udp) {
            vip.quic = {};
        }
        for (int i = below(4); i > 0; --i) {
            Backend& backend = vip.backends.emplace_back();
            fill(backend_keys(), backend, "backend.");
            backend.name += std::to_string(i);
            for (Prefix& address : backend.addresses) {
                address.address[3] = static_cast<std::uint8_t>(i);
            }
            name_server(vip, backend, static_cast<std::uint8_t>(i));
        }
        const bool reachable =
            std::all_of(vip.backends.begin(), vip.backends.end(),
                        [&](const Backend& backend) { return check_reachable(vip, backend).has_value(); });
        if (!reachable) {
            vip.forward = Transport::kL2Dsr;
            for (Backend& backend : vip.backends) {
                backend.port = 0;
            }
            vip.gue_port = Vip{}.gue_port;
        }
        return canonical(std::move(vip));
    }

    // Ids of the vip's length that no other backend has.
    void name_server(const Vip& vip, Backend& backend, std::uint8_t number) {
        if (vip.quic.configs.empty()) {
            backend.server_ids.clear();
        }
        for (ServerId& id : backend.server_ids) {
            const std::uint8_t first = id.front();
            id.assign(vip.quic.server_id_length, first);
            id.back() = static_cast<std::uint8_t>((first & 0xf0) | number);
        }
    }

    // One kind, and some of the keys that it has.
    void fill_health(Vip& vip) {
        const auto kinds = health_kinds();
        const Choice<HealthKind>& kind =
            kinds[static_cast<std::size_t>(below(static_cast<int>(kinds.size())))];
        vip.health.statuses.clear();
        for (const Key<Vip>& key : health_keys()) {
            if (has_key(kind.value, key.name) && (key.name == kind.word || one_in(3))) {
                add_some(key, vip, "health.", key.kind == ValueKind::kNumbers);
            }
        }
        if (translates(vip.forward)) {
            vip.health.via = Health{}.via;
        }
        vip.health = canonical(vip.health);
        if (checked_port(canonical(vip), {}) == 0 && kind.value != HealthKind::kPing) {
            vip.health.port = 8080;
        }
    }

    // Every required key and some of the others, from the words below.
    template <typename Target>
    void fill(std::span<const Key<Target>> keys, Target& target, const std::string& table = "") {
        for (const Key<Target>& key : keys) {
            if (!key.required && !one_in(3)) {
                continue;
            }
            if (key.kind == ValueKind::kTable) {
                if (key.name != "health") {  // not any of its keys go together: fill_health()
                    fill(key.keys(), target, std::string(key.name) + ".");
                }
                continue;
            }
            add_some(key, target, table, key.kind == ValueKind::kWords || key.kind == ValueKind::kList);
        }
    }

    template <typename Target>
    void add_some(const Key<Target>& key, Target& target, const std::string& table, bool is_list) {
        const auto special = kWords.find(table + std::string(key.name));
        const auto& words = special == kWords.end() ? kWords.at(key.name) : special->second;
        for (int i = is_list ? 1 + below(4) : 1; i > 0; --i) {
            (void)key.add(target, words[static_cast<std::size_t>(below(static_cast<int>(words.size())))]);
        }
    }

    int below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
    bool one_in(int count) { return below(count) == 0; }

    using Words = std::vector<std::string_view>;
    inline static const Words kAddresses = {
        "10.0.0.0/8", "10.1.0.0/16", "192.0.2.1-192.0.2.9", "2001:db8::/32", "2001:db8::1",   "@admins",
        "@b_1",       "!10.1.2.3",   "!192.0.2.0/24",       "!@drop-2",      "!2001:db8::/48"};
    inline static const Words kDurations = {"1s", "90s", "1h30m", "365d"};
    inline static const std::map<std::string_view, Words> kWords = {
        {"name", {"x"}},
        {"comment", {"why \"this\" \\ rule", "M\xc3\xbc\xc3\x9figgang # no comment"}},
        {"action", {"allow", "deny", "reject", "redirect", "synproxy", "count", "log"}},
        {"reject", {"auto", "tcp-reset", "port-unreachable", "host-unreachable", "admin-prohibited"}},
        {"sample", {"1", "100", "4294967295"}},
        {"service",
         {"tcp", "tcp/22", "udp/1-100", "tcp/ssh", "icmp/echo-request", "icmp6/133-137", "gre", "1", "sctp"}},
        {"from", kAddresses},
        {"to", kAddresses},
        {"redirect.to", {"eth1"}},
        {"ban.set", {"banned"}},
        {"ban.for", {"90s", "1h"}},
        {"lockout.service", {"tcp/22", "tcp/20-30", "udp", "sctp/9"}},
        {"via", {"192.0.2.1", "fe80::1"}},
        {"sport", {"0", "22", "1024-65535", "1000-2000"}},
        {"flags", {"syn", "syn+!ack", "none", "fin+psh+urg", "!rst"}},
        {"fragment", {"no", "atomic", "first", "later", "any"}},
        {"length", {"0-80", "1500", "65535"}},
        {"ttl", {"0", "1", "2-64", "255"}},
        {"dscp", {"ef", "cs1", "0-7", "46"}},
        {"vlan", {"none", "10", "100-4095"}},
        {"mac", {"52:54:00:12:34:56", "52:54:00:00:00:00/24", "52:54:00:12:34:57"}},
        {"ethertype", {"ip", "ip6", "arp", "0x88cc", "2048-2060"}},
        {"conntrack.size", {"1", "100000"}},
        {"conntrack.asymmetric", {"eth0", "wan*", "b\\c"}},
        {"conntrack.tcp-syn-sent", kDurations},
        {"conntrack.tcp-syn-received", kDurations},
        {"conntrack.tcp-established", kDurations},
        {"conntrack.tcp-fin-wait", kDurations},
        {"conntrack.tcp-close-wait", kDurations},
        {"conntrack.tcp-last-ack", kDurations},
        {"conntrack.tcp-time-wait", kDurations},
        {"conntrack.tcp-closed", kDurations},
        {"conntrack.udp", kDurations},
        {"conntrack.udp-stream", kDurations},
        {"conntrack.sctp", kDurations},
        {"conntrack.sctp-stream", kDurations},
        {"conntrack.icmp", kDurations},
        {"conntrack.other", kDurations},
        {"conntrack.fragment", kDurations},
        {"state", {"new", "established", "related", "invalid", "untracked"}},
        {"on", {"eth0", "eth*", "docker0", "*", "a\"b\\c"}},
        {"direction", {"in", "out"}},
        {"rate",
         {"over 10/second", "under 5/minute burst 20 bytes per source/24,56", "over 7/hour per flow"}},
        {"in", {"allow", "deny"}},
        {"out", {"allow", "deny"}},
        {"tunnel", {"outer", "inner"}},
        {"forward", {"stack", "table", "fib"}},
        {"device", {"eth0", "br-*"}},
        {"mode", {"auto", "native", "generic", "tc"}},
        {"hooks", {"xdp", "tc-in", "tc-out"}},
        {"isolate_peers", {"true", "false"}},
        {"elements", {"10.0.0.0/8", "10.1.0.0/16", "192.0.2.1-192.0.2.9", "2001:db8::1", "198.51.100.7"}},
        {"file", {""}},
        {"dynamic", {"true", "false"}},
        {"timeout", {"90s", "1h30m"}},
        {"size", {"1", "65536", "100000"}},
        {"prefix", {"10.0.0.0/8"}},
        {"interface", {"eth1"}},
        {"vip.address",
         {"203.0.113.10", "198.51.100.0/28", "10.0.0.0/16", "2001:db8:10::10", "2001:db8:20::/48"}},
        {"vip.service", {"tcp/80", "tcp/443", "tcp", "udp/5000-6000", "udp/5500", "sctp"}},
        {"vip.forward", {"l2-dsr", "ipip", "gue", "nat", "full-nat"}},
        {"announce", {"eth0", "br-lan"}},
        {"schedule", {"maglev"}},
        {"affinity", {"flow", "source", "source/24", "source/56", "source/24,56"}},
        {"ring", {"101", "65537", "1000003"}},
        {"transition", {"1s", "10m", "24h"}},
        {"new_entries", {"1", "100000", "10000000"}},
        {"gue_port", {"1", "6080", "65535"}},
        {"enabled", {"true", "false"}},
        {"down", {"move", "keep", "reset"}},
        {"panic", {"0", "1", "100"}},
        {"slow_start", {"1s", "1m30s", "1h"}},
        {"health.tcp", {"true"}},
        {"health.http", {"/", "/a?b=\"c\\"}},
        {"health.https", {"/", "/healthz"}},
        {"health.udp", {"", "ping\r\n", "\"\\\x7f", "\x01M\xc3\xbc\xc2\x9f", std::string_view("\0", 1)}},
        {"health.ping", {"true"}},
        {"health.exec", {"test -e \"/run/$FWCTL_BACKEND\" # \\"}},
        {"health.answer", {"", "pong", "\t"}},
        {"health.host", {"www.example.org"}},
        {"health.status", {"100", "200", "200-399", "204-206", "400-599"}},
        {"health.body", {"all is \"well\""}},
        {"health.via", {"vip"}},
        {"health.port", {"1", "8080", "65535"}},
        {"health.every", {"100ms", "500ms", "2s", "1m", "1h"}},
        {"health.timeout", {"1ms", "500ms", "1s", "2s"}},
        {"health.rise", {"1", "2", "100"}},
        {"health.fall", {"1", "3", "100"}},
        {"quic.config", {"0", "3", "6"}},
        {"quic.server_id_length", {"1", "2", "15"}},
        {"server_id", {"00", "a0", "F0"}},
        {"fallback", {"true", "false"}},
        {"backend.name", {"Web.", "b-", "c_"}},
        {"backend.address", {"10.0.0.1", "2001:db8::1"}},
        {"weight", {"0", "1", "65535"}},
        {"backend.state", {"ready", "drain", "maint"}},
        {"backend.port", {"1", "8080", "65535"}},
        {"decapsulate.from", {"10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "2001:db8::/32"}},
        {"packet", {"tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan"}},
        {"expect", {"allow", "deny", "reject", "redirect", "synproxy", "balance", "balance web_2"}},
        {"because", {"rule 1", "default-deny"}},
        {"repeat", {"1", "20"}},
    };

    std::mt19937 random_;
};

}  // namespace fwctl::policy
