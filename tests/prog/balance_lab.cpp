#include "balance_lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "compile/services.h"
#include "engine/clock.h"
#include "fwctl/abi/flow.h"
#include "fwctl/abi/service.h"
#include "policy/parse.h"

namespace fwctl::testing {
namespace {

using Address = std::array<std::uint8_t, 16>;

Address address_of_text(const std::string& text) {
    Address bytes{};
    inet_pton(text.find(':') != std::string::npos ? AF_INET6 : AF_INET, text.c_str(), bytes.data());
    return bytes;
}

std::uint64_t word_of(const Address& address, std::size_t half) {
    std::uint64_t word = 0;
    std::memcpy(&word, &address[half * 8], sizeof(word));
    return word;
}

// G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014: the finalizer.
std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
    std::uint64_t z = hash + word;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

Address masked(Address address, unsigned bits) {
    for (unsigned bit = bits; bit < 128; ++bit)
        address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] & ~(0x80U >> bit % 8));
    return address;
}

std::uint64_t ring_hash(const policy::Vip& vip, const BalancedFlow& flow) {
    const bool ipv6 = flow.is_ipv6();
    const unsigned bits = vip.by_source ? (ipv6 ? vip.ipv6_bits : vip.ipv4_bits) : (ipv6 ? 128U : 32U);
    const Address client = masked(address_of_text(flow.client), bits), to = address_of_text(flow.vip);
    std::uint64_t hash = mixed(XXH32(vip.name.data(), vip.name.size(), 0), word_of(client, 0));
    if (ipv6) hash = mixed(hash, word_of(client, 1));
    if (vip.by_source) return hash;
    hash = mixed(mixed(hash, word_of(to, 0)), word_of(to, 1));
    return mixed(hash, flow.port + flow.vip_port * 0x10000ULL + flow.protocol * 0x100000000ULL);
}

void make_network() {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    shell("ip link set lo up");
    shell("ip link add in type veth peer name in-far && ip link add out type veth peer name out-far");
    // What the far end said by itself would go through the attached program, and be traced.
    shell("sysctl -qw net.ipv6.conf.in-far.disable_ipv6=1 net.ipv6.conf.out-far.disable_ipv6=1");
    shell("ip link set in address " + kInMac + " && ip link set out address " + kOutMac);
    for (const char* link : {"in", "in-far", "out", "out-far"}) shell(fmt::format("ip link set {} up", link));
    shell("ip address add 10.1.0.1/24 dev in && ip address add fd00:1::1/64 dev in nodad");
    shell("ip address add 10.2.0.1/24 dev out && ip address add fd00:2::1/64 dev out nodad");
    for (int number = 11; number < 17; ++number)
        for (const char* network : {"10.2.0.", "fd00:2::"})
            shell(fmt::format("ip neigh add {}{} lladdr 02:00:00:00:02:{} dev out nud permanent", network,
                              number, number));
    // w7 is on the clients' side, w8 behind a router, w9 not to be found at once.
    for (const char* network : {"10.1.0.", "fd00:1::"})
        shell(
            fmt::format("ip neigh add {}17 lladdr 02:00:00:00:01:17 dev in nud permanent && "
                        "ip route add {}17 via {}17 dev in onlink",
                        network, network[0] == 'f' ? "fd00:2::" : "10.2.0.", network));
    shell("ip route add 10.2.0.18 via 10.2.0.11 mtu lock 1000");
    shell("ip route add fd00:2::18 via fd00:2::11 mtu lock 1300");
    shell("ip route add default via 10.1.0.2 && ip -6 route add default via fd00:1::2");
    shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0");
}

}  // namespace

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

policy::Policy policy_of(const std::string& text) {
    auto policy = policy::parse_policy("version = 1\n" + text, "policy");
    EXPECT_TRUE(policy) << text;
    return policy ? std::move(*policy) : policy::Policy{};
}

Packet to_balancer() {
    return ethernet({.destination = kInMac, .source = kClientMac});
}

Packet packet_of(const BalancedFlow& flow, std::uint8_t flags, std::size_t size) {
    Packet transport = udp({.source = flow.port, .destination = flow.vip_port});
    if (flow.protocol == kTcp)
        transport = tcp({.source = flow.port, .destination = flow.vip_port, .flags = flags});
    if (flow.protocol == kSctp) transport = sctp({.source = flow.port, .destination = flow.vip_port});
    const Packet network = flow.is_ipv6() ? ipv6({.source = flow.client, .destination = flow.vip})
                                          : ipv4({.source = flow.client, .destination = flow.vip});
    return network / transport / payload(size);
}

Bytes frame_of(const BalancedFlow& flow, std::uint8_t flags, std::size_t size) {
    return to_balancer() / packet_of(flow, flags, size);
}

std::string vip(const std::string& name, const std::string& fields, const std::vector<std::string>& backends,
                int family) {
    std::string text = "[vip." + name + "]\n" + fields;
    for (const std::string& backend : backends) {
        const std::string its = backend.substr(0, backend.find(' '));
        std::vector<std::string> addresses;
        if (family != 6) addresses.push_back("\"10.2.0.1" + its.substr(1) + '"');
        if (family != 4) addresses.push_back("\"fd00:2::1" + its.substr(1) + '"');
        text += fmt::format("[[vip.{}.backend]]\nname = \"{}\"\naddress = [{}]\n", name, its,
                            fmt::join(addresses, ", "));
        if (its != backend) text += "state = \"" + backend.substr(its.size() + 1) + "\"\n";
    }
    return text;
}

Lab& Lab::at(Hook hook) {
    static std::map<Hook, std::unique_ptr<Lab>> labs;
    auto& lab = labs[hook];
    if (!lab) lab.reset(new Lab(hook));
    EXPECT_EQ(setns(lab->namespace_, CLONE_NEWNET), 0);
    return *lab;
}

Lab::Lab(Hook hook) : hook_(hook) {
    make_network();
    namespace_ = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    ifindex_ = static_cast<int>(if_nametoindex("in"));
    auto loaded = ProgramRunner::load(hook, FW_LINK_ETHERNET, "in",
                                      {.ifindex = ifindex_, .may_rewrite = true, .rehearses = true});
    if (!loaded) {
        ADD_FAILURE() << loaded.error().message;
        std::abort();
    }
    runner_.emplace(std::move(*loaded));
    if (hook != Hook::kXdp) return;
    // A test run has the queues of an interface only while that has a native program.
    EXPECT_EQ(bpf_xdp_attach(ifindex_, runner_->program_fd(), 1U << 2, nullptr), 0);
}

int Lab::map(const std::string& name) const {
    for (const auto& [map, descriptor] : runner_->store().maps())
        if (name == map) return descriptor;
    ADD_FAILURE() << "no map " << name;
    return -1;
}

void Lab::start(const std::string& text) {
    clock_ = ((engine::monotonic_now() >> FW_PLACED_TICK_SHIFT) + 1) << FW_PLACED_TICK_SHIFT;
    wait(0);
    const std::uint32_t zero = 0;
    const auto all_up = std::make_unique<fw_conditions>();
    EXPECT_EQ(bpf_map_update_elem(map("conditions"), &zero, all_up.get(), BPF_ANY), 0);
    apply("");
    clear_table();
    apply(text);
}

void Lab::apply(const std::string& text) {
    policy_ = policy_of(text);
    const auto set = runner_->set_policy(policy_);
    ASSERT_TRUE(set) << set.error().message;
    if (!is_xdp()) return;
    const std::uint32_t out = if_nametoindex("out");  // not every kernel tells which devices take frames
    bpf_map_update_elem(map("devices"), &out, &out, BPF_ANY);
}

RunResult Lab::run(const Bytes& frame) {
    auto result = runner_->run(frame);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : RunResult{};
}

std::string Lab::backend_of(const Bytes& frame) {
    const RunResult result = run(frame);
    if (result.trace.reason == FW_REASON_NO_BACKEND) {
        EXPECT_EQ(result.action, drops());
        return "";
    }
    EXPECT_EQ(result.trace.reason, FW_REASON_BALANCED);
    EXPECT_EQ(result.action, sends());
    auto services = runner_->store().running_services();
    const std::string name = services->numbers.backend_name(result.trace.backend);
    return name.substr(name.find('/') + 1);
}

void Lab::wait(std::uint32_t ticks) {
    clock_ += static_cast<std::uint64_t>(ticks) << FW_PLACED_TICK_SHIFT;
    EXPECT_TRUE(runner_->set_clock(clock_));
}

std::uint32_t Lab::now() const {
    return static_cast<std::uint32_t>(clock_ >> FW_PLACED_TICK_SHIFT);
}

std::uint32_t Lab::number_of(const std::string& vip, const std::string& backend) {
    return runner_->store().running_services()->numbers.backend(vip, backend);
}

void Lab::set_down(const std::string& vip, const std::string& backend) {
    const std::uint32_t zero = 0;
    auto held = std::make_unique<fw_conditions>();
    ASSERT_EQ(bpf_map_lookup_elem(map("conditions"), &zero, held.get()), 0);
    held->of[number_of(vip, backend)] = FW_CONDITION_DOWN;
    EXPECT_EQ(bpf_map_update_elem(map("conditions"), &zero, held.get(), BPF_ANY), 0);
}

std::string Lab::expected(const policy::Policy& policy, const std::string& vip, const BalancedFlow& flow) {
    compile::Numbers numbers;
    EXPECT_TRUE(numbers.assign(policy.vips));
    for (const policy::Vip& one : policy.vips) {
        if (one.name != vip) continue;
        const std::vector<std::uint16_t> ring = compile::ring_of(one, numbers);
        const std::uint16_t number = ring[(ring_hash(one, flow) >> 32) * ring.size() >> 32];
        return numbers.backend_name(number).substr(vip.size() + 1);
    }
    return "";
}

std::uint16_t Lab::port_for(const std::string& vip, BalancedFlow flow, const std::string& backend,
                            std::uint16_t first) const {
    for (flow.port = first; flow.port != 0; ++flow.port)
        if (expected(vip, flow) == backend) return flow.port;
    ADD_FAILURE() << "no port for " << backend;
    return 0;
}

namespace {

// The page of the table that a flow is on.
int page_of(int pages, std::uint32_t number) {
    std::uint32_t id = 0;
    if (bpf_map_lookup_elem(pages, &number, &id) != 0) return -1;
    return bpf_map_get_fd_by_id(id);
}

struct Spot {
    std::uint32_t page = 0;
    std::uint32_t line = 0;
    std::uint32_t tag = 0;
};

Spot spot_of(int control, const BalancedFlow& flow) {
    const std::uint32_t zero = 0;
    auto held = std::make_unique<fw_control>();
    EXPECT_EQ(bpf_map_lookup_elem(control, &zero, held.get()), 0);
    fw_flow_key key{};
    const Address client = address_of_text(flow.client), vip = address_of_text(flow.vip);
    std::memcpy(key.ends[0], client.data(), client.size());
    std::memcpy(key.ends[1], vip.data(), vip.size());
    key.rest = fw_flow_rest(flow.port, flow.vip_port, flow.protocol, flow.is_ipv6() ? 6 : 4);
    const std::uint64_t hash = fw_flow_hash(&key, held->flows.keys);
    return {static_cast<std::uint32_t>(hash >> 32) % FW_PLACED_PAGES,
            static_cast<std::uint32_t>(hash >> 40) % FW_PLACED_PAGE_LINES, fw_flow_tag(hash)};
}

std::unique_ptr<fw_placed_page> read_page(int map) {
    const std::uint32_t zero = 0;
    auto page = std::make_unique<fw_placed_page>();
    EXPECT_EQ(bpf_map_lookup_elem(map, &zero, page.get()), 0);
    return page;
}

std::uint64_t planted(std::uint32_t tag, unsigned way, std::uint32_t number, std::uint32_t time) {
    return static_cast<std::uint64_t>(tag + 2 * way + 2) << 32 | number << FW_PLACED_BACKEND_SHIFT |
           (time & ((1U << FW_PLACED_TIME_BITS) - 1));
}

}  // namespace

void Lab::clear_table() {
    const std::uint32_t zero = 0;
    const auto empty = std::make_unique<fw_placed_page>();
    for (std::uint32_t number = 0; number < FW_PLACED_PAGES; ++number) {
        const int page = page_of(map("placed_pages"), number);
        if (page < 0) continue;
        EXPECT_EQ(bpf_map_update_elem(page, &zero, empty.get(), BPF_ANY), 0);
        close(page);
    }
}

std::array<std::uint64_t, 8> Lab::line_of(const BalancedFlow& flow, std::uint32_t* tag) const {
    std::array<std::uint64_t, 8> words{};
    const Spot spot = spot_of(map("control"), flow);
    *tag = spot.tag;
    const int page = page_of(map("placed_pages"), spot.page);
    if (page < 0) return words;
    std::memcpy(words.data(), read_page(page)->lines[spot.line].words, sizeof(words));
    close(page);
    return words;
}

void Lab::write_line(const BalancedFlow& flow, const std::array<std::uint64_t, 8>& words) {
    const std::uint32_t zero = 0;
    const Spot spot = spot_of(map("control"), flow);
    const int page = page_of(map("placed_pages"), spot.page);
    ASSERT_GE(page, 0);
    const auto all = read_page(page);
    std::memcpy(all->lines[spot.line].words, words.data(), sizeof(words));
    EXPECT_EQ(bpf_map_update_elem(page, &zero, all.get(), BPF_ANY), 0);
    close(page);
}

std::optional<PlacedEntry> Lab::entry_of(const BalancedFlow& flow) {
    std::uint32_t tag = 0;
    const auto words = line_of(flow, &tag);
    for (unsigned way = 0; way < words.size(); ++way)
        if (words[way] >> 32 == tag)
            return PlacedEntry{way, static_cast<std::uint32_t>(words[way] >> FW_PLACED_BACKEND_SHIFT & 0xfff),
                               (words[way] & FW_PLACED_CLOSING) != 0,
                               static_cast<std::uint32_t>(words[way] & ((1U << FW_PLACED_TIME_BITS) - 1))};
    return std::nullopt;
}

void Lab::plant(const BalancedFlow& flow, unsigned way, const std::string& backend, std::uint32_t time) {
    std::uint32_t tag = 0;
    auto words = line_of(flow, &tag);
    words[way] = planted(tag, way, number_of("web", backend), time);
    write_line(flow, words);
}

bool Lab::stands(const BalancedFlow& flow, unsigned way, const std::string& backend, std::uint32_t time) {
    std::uint32_t tag = 0;
    const auto words = line_of(flow, &tag);
    return words[way] == planted(tag, way, number_of("web", backend), time);
}

}  // namespace fwctl::testing
