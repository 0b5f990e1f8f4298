// The keys of every table but [[rule]], [conntrack] and those of balanced services, which have files of their
// own.
#include "policy/schema.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "policy/value.h"
#include "policy/vip.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

Words boolean_words(bool value) {
    return value ? Words{"true"} : Words{};
}

constexpr std::array kVerdicts = {Choice<Action>{"allow", Action::kAllow},
                                  Choice<Action>{"deny", Action::kDeny}};
constexpr std::array kTunnels = {Choice<bool>{"outer", false}, Choice<bool>{"inner", true}};
constexpr std::array kForwardings = {Choice<Forwarding>{"stack", Forwarding::kStack},
                                     Choice<Forwarding>{"table", Forwarding::kTable},
                                     Choice<Forwarding>{"fib", Forwarding::kFib}};

Words verdict_words(Action action) {
    return action == Action::kAllow ? Words{} : Words{"deny"};
}

Lockout& lockout_of(Defaults& defaults) {
    return defaults.lockout ? *defaults.lockout : defaults.lockout.emplace();
}

Status add_lockout_service(Defaults& defaults, std::string_view word) {
    const auto service = parse_service(word);
    if (!service) {
        return tl::unexpected<Error>(service.error());
    }
    if (!has_ports(*service)) {
        return fail("the lockout guard takes services of tcp, udp or sctp, whose replies can be told",
                    Exit::kUsage);
    }
    lockout_of(defaults).services.push_back(*service);
    return {};
}

Words lockout_service_words(const Defaults& defaults) {
    Words words;
    if (defaults.lockout) {
        for (const Service& service : defaults.lockout->services) {
            words.push_back(format_service(service));
        }
    }
    return words;
}

constexpr std::array kLockoutKeys = {
    Key<Defaults>{"from", ValueKind::kWords, true, "192.0.2.0/24, 2001:db8::1, @admins", "Who is let in.",
                  [](Defaults& defaults, std::string_view word) {
                      return add_address(lockout_of(defaults).from, word);
                  },
                  [](const Defaults& defaults) {
                      return defaults.lockout ? address_words(defaults.lockout->from) : Words{};
                  }},
    Key<Defaults>{"service", ValueKind::kWords, true, "tcp/22", "To which services of this host.",
                  add_lockout_service, lockout_service_words},
};

std::span<const Key<Defaults>> lockout_keys() {
    return kLockoutKeys;
}

constexpr std::array kDefaultKeys = {
    Key<Defaults>{"in", ValueKind::kWord, false, "allow or deny",
                  "What becomes of a packet coming in that no rule decides; absent: allow.",
                  [](Defaults& defaults, std::string_view word) {
                      return choose<Action>(defaults.in, kVerdicts, word, "a default");
                  },
                  [](const Defaults& defaults) { return verdict_words(defaults.in); }},
    Key<Defaults>{"out", ValueKind::kWord, false, "allow or deny", "The same for packets going out.",
                  [](Defaults& defaults, std::string_view word) {
                      return choose<Action>(defaults.out, kVerdicts, word, "a default");
                  },
                  [](const Defaults& defaults) { return verdict_words(defaults.out); }},
    Key<Defaults>{"lockout", ValueKind::kTable, false, "{ from = \"@admins\", service = \"tcp/22\" }",
                  "Let in before every rule, and the replies let out; absent: no such guard.", nullptr,
                  nullptr, lockout_keys},
    Key<Defaults>{"tunnel", ValueKind::kWord, false, "outer or inner",
                  "Whether rules are asked about GRE, IPIP and VXLAN packets or about what these carry; "
                  "absent: outer.",
                  [](Defaults& defaults, std::string_view word) {
                      return choose<bool>(defaults.inner_tunnels, kTunnels, word, "a side of a tunnel");
                  },
                  [](const Defaults& defaults) { return defaults.inner_tunnels ? Words{"inner"} : Words{}; }},
    Key<Defaults>{"forward", ValueKind::kWord, false, "stack, table or fib",
                  "Who forwards packets that are let in: the kernel's stack, the [[route]] entries, or the "
                  "kernel's routing table past its stack; absent: stack.",
                  [](Defaults& defaults, std::string_view word) {
                      return choose<Forwarding>(defaults.forward, kForwardings, word, "a way to forward");
                  },
                  [](const Defaults& defaults) {
                      return defaults.forward == Forwarding::kStack
                                 ? Words{}
                                 : Words{std::string(word_of<Forwarding>(kForwardings, defaults.forward))};
                  }},
};

constexpr std::array kModes = {
    Choice<AttachMode>{"auto", AttachMode::kAuto}, Choice<AttachMode>{"native", AttachMode::kNative},
    Choice<AttachMode>{"generic", AttachMode::kGeneric}, Choice<AttachMode>{"tc", AttachMode::kTc}};

constexpr std::array kHooks = {Choice<int>{"xdp", 0}, Choice<int>{"tc-in", 1}, Choice<int>{"tc-out", 2}};

Status add_hook(Attach& attach, std::string_view word) {
    int place = 0;
    Status known = choose<int>(place, kHooks, word, "a hook");
    if (known && std::find(attach.hooks.begin(), attach.hooks.end(), word) == attach.hooks.end()) {
        const auto later = std::find_if(attach.hooks.begin(), attach.hooks.end(), [place](const auto& hook) {
            return place <
                   std::find_if(
                       kHooks.begin(), kHooks.end(), [&](const auto& row) { return row.word == hook; })
                       ->value;
        });
        attach.hooks.emplace(later, word);
    }
    return known;
}

constexpr std::array kAttachKeys = {
    Key<Attach>{
        "device", ValueKind::kWord, false, "eth0, veth*",
        "Interface, or a pattern of interfaces; absent: NAME.",
        [](Attach& attach, std::string_view word) {
            attach.device = word;
            return check_interface(word);
        },
        [](const Attach& attach) { return attach.device == attach.name ? Words{} : Words{attach.device}; }},
    Key<Attach>{"mode", ValueKind::kWord, false, "auto, native, generic or tc",
                "Where the programs run; absent: auto, the best that the interface takes.",
                [](Attach& attach, std::string_view word) {
                    return choose<AttachMode>(attach.mode, kModes, word, "a mode");
                },
                [](const Attach& attach) {
                    return attach.mode == AttachMode::kAuto
                               ? Words{}
                               : Words{std::string(word_of<AttachMode>(kModes, attach.mode))};
                }},
    Key<Attach>{"hooks", ValueKind::kWords, false, "xdp, tc-in, tc-out",
                "At which places; absent: those that suit the interface.", add_hook,
                [](const Attach& attach) { return attach.hooks; }},
    Key<Attach>{
        "isolate_peers", ValueKind::kBoolean, false, "true or false",
        "Whether a bridge's ports are attached too, so that traffic between them is seen; absent: "
        "false.",
        [](Attach& attach, std::string_view word) { return read_boolean(attach.isolate_peers, word); },
        [](const Attach& attach) { return boolean_words(attach.isolate_peers); }},
};

constexpr std::uint32_t kLargestSet = 1U << 24;

Status add_element(Set& set, std::string_view word) {
    return append_prefixes(set.elements, word);
}

Words element_words(const Set& set) {
    return set.file.empty() ? prefix_words(set.elements) : Words{};
}

constexpr std::array kSetKeys = {
    Key<Set>{"elements", ValueKind::kList, false,
             "192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9, 2001:db8::/32",
             "The addresses; none: the set matches nothing.", add_element, element_words},
    Key<Set>{"file", ValueKind::kWord, false, "spamhaus-drop.txt",
             "A list of addresses, one in a line; its path starts from the folder of the file that names it.",
             [](Set& set, std::string_view word) { return read_text(set.file, word, "file"); },
             [](const Set& set) { return set.file.empty() ? Words{} : Words{set.file}; }},
    Key<Set>{"dynamic", ValueKind::kBoolean, false, "true or false",
             "Whether the set is filled while it runs (fwctl ban, fwctl set add).",
             [](Set& set, std::string_view word) { return read_boolean(set.dynamic, word); },
             [](const Set& set) { return boolean_words(set.dynamic); }},
    Key<Set>{"timeout", ValueKind::kWord, false, "90s, 10m, 1h30m",
             "How long a member of a dynamic set stays; absent: for ever.",
             [](Set& set, std::string_view word) {
                 return parse_duration(word).map([&](std::chrono::seconds time) { set.timeout = time; });
             },
             [](const Set& set) {
                 return set.timeout.count() == 0 ? Words{} : Words{format_duration(set.timeout)};
             }},
    Key<Set>{
        "size", ValueKind::kInteger, false, "65536",
        "How many members a dynamic set may have; absent: 65536.",
        [](Set& set, std::string_view word) { return read_count(set.size, kLargestSet, word, "size"); },
        [](const Set& set) { return set.size == Set{}.size ? Words{} : Words{std::to_string(set.size)}; }},
};

constexpr std::array kRouteKeys = {
    Key<Route>{"prefix", ValueKind::kWord, true, "192.0.2.0/24",
               "Where the packets go; the longest one wins.",
               [](Route& route, std::string_view word) {
                   return parse_prefix(word).map([&](const Prefix& prefix) { route.prefix = prefix; });
               },
               [](const Route& route) { return Words{format_prefix(route.prefix)}; }},
    Key<Route>{
        "via", ValueKind::kWord, true, "198.51.100.1", "The neighbour that they are sent to.",
        [](Route& route, std::string_view word) {
            return parse_address(word).map([&](const Prefix& address) { route.next_hop.via = address; });
        },
        [](const Route& route) { return Words{format_prefix(route.next_hop.via.value_or(Prefix{}))}; }},
    Key<Route>{
        "interface", ValueKind::kWord, false, "eth1",
        "The interface that they leave by; absent: the one that the route to `via` names.",
        [](Route& route, std::string_view word) { return read_interface(route.next_hop.interface, word); },
        [](const Route& route) {
            return route.next_hop.interface.empty() ? Words{} : Words{route.next_hop.interface};
        }},
};

constexpr std::array kExpectations = {Choice<int>{"allow", 0},    Choice<int>{"deny", 1},
                                      Choice<int>{"reject", 2},   Choice<int>{"redirect", 3},
                                      Choice<int>{"synproxy", 4}, Choice<int>{"balance", 5}};

// "balance" is by any vip, "balance web" by that one.
Status add_expect(Test& test, std::string_view word) {
    int place = 0;
    test.expect = word;
    if (const auto vip = vip_of_expectation(word)) {
        return check_vip_name(*vip);
    }
    return choose<int>(place, kExpectations, word, "a verdict");
}

constexpr std::array kTestKeys = {
    Key<Test>{"packet", ValueKind::kWord, true, "tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan",
              "The packet, as `fwctl explain` reads it.",
              [](Test& test, std::string_view word) { return read_text(test.packet, word, "packet"); },
              [](const Test& test) { return Words{test.packet}; }},
    Key<Test>{"expect", ValueKind::kWord, true,
              "allow, deny, reject, redirect, synproxy, balance or balance NAME",
              "What is to become of it; NAME: by that vip.", add_expect,
              [](const Test& test) { return Words{test.expect}; }},
    Key<Test>{"because", ValueKind::kWord, false, "the name of a rule, or a reason",
              "What is to decide; absent: whatever does.",
              [](Test& test, std::string_view word) { return read_text(test.because, word, "because"); },
              [](const Test& test) { return test.because.empty() ? Words{} : Words{test.because}; }},
    Key<Test>{
        "repeat", ValueKind::kInteger, false, "20",
        "How often the packet is sent; the last one is judged; absent: once.",
        [](Test& test, std::string_view word) { return read_count(test.repeat, 1000000, word, "repeat"); },
        [](const Test& test) { return test.repeat == 1 ? Words{} : Words{std::to_string(test.repeat)}; }},
};

constexpr std::array kSections = {
    Section{"version", "version = 1", "The version of this language; every policy begins with it."},
    Section{
        "include", "include = \"policy.d\"",
        "One or several folders, whose files *.toml are read behind this one, in the order of their names."},
    Section{"defaults", "[defaults]", "What holds where no rule decides."},
    Section{"conntrack", "[conntrack]", "How flows are followed, where rules ask for their state."},
    Section{"builtin", "[builtin]", "Built-in rules by name: false switches one off."},
    Section{"attach", "[attach.NAME]", "An interface that gets the programs."},
    Section{"set", "[set.NAME]", "A named list of addresses."},
    Section{"route", "[[route]]", "An entry of the forwarding table."},
    Section{"rule", "[[rule]]", "One rule; the first that matches decides."},
    Section{"vip", "[vip.NAME]", "A service that is balanced: addresses whose packets go to backends."},
    Section{"decapsulate", "[decapsulate]", "From whom packets in packets are unpacked, as backends do."},
    Section{"test", "[[test]]", "A packet and its verdict, tried before the policy is applied."},
};

}  // namespace

std::span<const Key<Defaults>> default_keys() {
    return kDefaultKeys;
}

std::span<const Key<Attach>> attach_keys() {
    return kAttachKeys;
}

std::span<const Key<Set>> set_keys() {
    return kSetKeys;
}

std::span<const Key<Route>> route_keys() {
    return kRouteKeys;
}

std::span<const Key<Test>> test_keys() {
    return kTestKeys;
}

std::span<const Section> sections() {
    return kSections;
}

}  // namespace fwctl::policy
