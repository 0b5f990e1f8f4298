#include "balancer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "compile/services.h"
#include "engine/clock.h"
#include "engine/placed.h"
#include "policy/parse.h"
#include "policy/vip.h"

namespace fwctl::bench {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr const char* kLink = "leg";
constexpr const char* kService = "web";
constexpr std::array<std::uint8_t, 4> kServiceAddress = {203, 0, 113, 10};
constexpr std::size_t kFirstHost = 11;  // of 10.2.0.0/24: the first backend

Status shell(const std::string& command) {
    if (std::system(command.c_str()) == 0) return {};
    return fail("this failed: " + command);
}

Status make_link() {
    const std::string link = kLink;
    // What the far end said by itself would come in.
    std::string commands = "ip link add " + link + " type veth peer name far && " +
                           "sysctl -qw net.ipv6.conf.far.disable_ipv6=1 net.ipv4.ip_forward=1 && " +
                           "ip link set far up && ip link set " + link +
                           " up && ip address add 10.2.0.1/24 dev " + link +
                           " && ip route add default via 10.2.0.2";
    for (std::size_t host = kFirstHost; host < kFirstHost + kMostBackends; ++host)
        commands += fmt::format(
            " && ip neigh add 10.2.0.{} lladdr 02:00:00:00:02:{:02x} dev {} nud permanent", host, host, link);
    return shell(commands);
}

std::uint64_t word_at(const std::uint8_t* bytes, std::size_t size) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, size);
    return word;
}

// G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014: the finalizer.
std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
    std::uint64_t z = hash + word;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

std::size_t slot_of(const Flow& flow, std::size_t slots) {
    std::uint64_t hash = XXH32(kService, std::strlen(kService), 0);
    hash = mixed(hash, word_at(flow.source.data(), 4));
    hash = mixed(mixed(hash, word_at(flow.destination.data(), 4)), 0);
    hash = mixed(hash, flow.source_port + flow.selector * 0x10000ULL + flow.protocol * 0x100000000ULL);
    return (hash >> 32) * slots >> 32;
}

// The flow's own headers, of which the driver writes no checksum.
bool carries(const Bytes& frame, std::size_t at, const Flow& flow) {
    const bench_flow record = record_of(flow);
    return frame.size() == at + BENCH_FRAME - 14 && frame[at] == 0x45 && frame[at + 9] == flow.protocol &&
           std::memcmp(&frame[at + 12], &record.source, 4) == 0 &&
           std::memcmp(&frame[at + 16], &record.destination, 4) == 0 &&
           std::memcmp(&frame[at + 20], &record.layer4, 4) == 0;
}

// The flow's packet with the addresses of nat or full-nat; ports of ours are any.
bool is_translated(const Bytes& frame, const Flow& flow, policy::Transport forward,
                   const std::array<std::uint8_t, 4>& to) {
    constexpr std::size_t kIp = 14;
    constexpr std::array<std::uint8_t, 4> kOurs = {10, 2, 0, 1};
    const std::uint8_t* from = forward == policy::Transport::kNat ? flow.source.data() : kOurs.data();
    return frame.size() == BENCH_FRAME && frame[kIp] == 0x45 && frame[kIp + 9] == flow.protocol &&
           std::equal(from, from + 4, &frame[kIp + 12]) && std::equal(to.begin(), to.end(), &frame[kIp + 16]);
}

// What comes back for a frame, which is IPv4 without options; the rest of it as of the flow.
bench_flow answer_to(const Bytes& frame, const bench_flow& flow) {
    constexpr std::size_t kIp = 14, kPorts = kIp + 20;
    bench_flow answer = flow;
    std::memcpy(&answer.source, &frame[kIp + 16], sizeof(answer.source));
    std::memcpy(&answer.destination, &frame[kIp + 12], sizeof(answer.destination));
    std::memcpy(&answer.layer4, &frame[kPorts], sizeof(answer.layer4));
    answer.layer4 = answer.layer4 << 16 | answer.layer4 >> 16;
    return answer;
}

// How many bytes stand before the packet, with the link header.
std::size_t bytes_before(policy::Transport forward) {
    constexpr std::size_t kLinkHeader = 14, kIp = 20, kGue = 8 + 4;
    switch (forward) {
        case policy::Transport::kIpip:
            return kLinkHeader + kIp;
        case policy::Transport::kGue:
            return kLinkHeader + kIp + kGue;
        default:
            return kLinkHeader;
    }
}

}  // namespace

generate::Address Balancer::address() {
    generate::Address address{};
    std::copy(kServiceAddress.begin(), kServiceAddress.end(), address.begin());
    return address;
}

Result<Balancer> Balancer::make(std::size_t loads, const Peers& peers) {
    if (auto made = make_link(); !made) return tl::unexpected(made.error());
    kernel::ProgramConfig config;
    config.rewrites = config.may_rewrite = config.hands_on = true;
    auto subject = Subject::load(loads, config);
    if (!subject) return tl::unexpected(subject.error());
    Balancer balancer(std::move(*subject));
    config.slot = kSlot;
    config.rehearses = true;
    auto object = kernel::Object::open(kernel::ProgramKind::kXdp, config, balancer.subject_.store().paths());
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return tl::unexpected(loaded.error());
    balancer.rehearsing_ = std::move(*object);
    balancer.ifindex_ = static_cast<int>(if_nametoindex(kLink));
    // A test run has the queues of an interface only while that has a native program.
    constexpr std::uint32_t kNative = 1U << 2;
    if (const int error =
            bpf_xdp_attach(balancer.ifindex_, peers.programs("let_pass").front(), kNative, nullptr);
        error != 0)
        return fail(fmt::format("cannot attach to {}: {}", kLink, strerror(-error)));
    return balancer;
}

Status Balancer::serve(std::size_t backends, const std::string& forward) {
    std::string text = fmt::format(
        "version = 1\n[vip.{}]\naddress = [\"203.0.113.10\"]\nservice = [\"tcp/{}\", \"udp/{}\"]\n"
        "forward = \"{}\"\nnew_entries = 10000000\n",
        kService, kServicePort, kServicePort, forward);
    for (std::size_t i = 0; i < backends; ++i)
        text += fmt::format("[[vip.{}.backend]]\nname = \"b{}\"\naddress = [\"10.2.0.{}\"]\n", kService, i,
                            kFirstHost + i);
    auto policy = policy::parse_policy(text, "balance");
    if (!policy) return fail("the policy of the benchmark is refused");
    // Without a former service, so that no slot is in transition.
    if (auto none = subject_.publish({}, nullptr, {}, {}); !none) return none;
    policy_ = std::move(*policy);
    if (auto done = subject_.publish(policy_, nullptr, {}, {}); !done) return done;
    auto running = subject_.store().running_services();
    if (!running) return tl::unexpected(running.error());
    ring_.clear();
    for (const std::uint16_t number : compile::ring_of(policy_.vips.front(), running->numbers)) {
        const std::string name = running->numbers.backend_name(number);  // "web/b7"
        ring_.push_back(std::stoul(name.substr(name.find('/') + 2)));
    }
    return {};
}

// As the clock goes back for establish().
Status Balancer::refill_budget() const {
    for (const auto& [name, descriptor] : subject_.store().maps()) {
        if (std::string_view(name) != "service_states") continue;
        const fw_service_state state{};
        for (std::uint32_t number = 0; number < FW_MAX_SERVICES; ++number)
            if (bpf_map_update_elem(descriptor, &number, &state, BPF_ANY) != 0)
                return fail(fmt::format("cannot write a service's state: {}", strerror(errno)));
    }
    return {};
}

Result<std::size_t> Balancer::placed() const {
    auto running = subject_.store().running_services();
    if (!running) return tl::unexpected(running.error());
    const auto counter = engine::count_placed(subject_.store(), policy_.vips, running->numbers);
    if (!counter) return tl::unexpected(counter.error());
    std::size_t all = 0;
    for (const policy::Backend& backend : policy_.vips.front().backends)
        all += counter->of(running->numbers.backend(kService, backend.name)).all();
    return all;
}

// A few at a time, as new flows push out each other: the first packet, one that proves the flow, and both
// again for those that were pushed out. All within a minute, in which none is pushed out by proven ones.
Result<std::size_t> Balancer::establish(Driver& driver, std::uint32_t count) {
    constexpr std::uint32_t kFew = 1 << 17, kPasses = 3;
    constexpr std::uint64_t kPause = std::uint64_t{FW_PLACED_PROOF} << FW_PLACED_TICK_SHIFT;
    constexpr std::uint64_t kAll = (kPasses * BENCH_FLOWS / kFew + 2) * kPause;
    if (auto refilled = refill_budget(); !refilled) return tl::unexpected(refilled.error());
    std::uint64_t clock = engine::monotonic_now() - kAll;
    for (std::uint32_t first = 0; first < count; first += kFew)
        for (std::uint32_t pass = 0; pass < kPasses; ++pass) {
            clock += kPause;
            if (auto set = rehearsing_->set_question(clock); !set) return tl::unexpected(set.error());
            auto sent = driver.send(rehearsing_->program_fd(), first, std::min(kFew, count - first));
            if (!sent) return tl::unexpected(sent.error());
        }
    if (auto refilled = refill_budget(); !refilled) return tl::unexpected(refilled.error());
    return placed();
}

Result<Driver::Answer> Balancer::answer_of(const Driver& driver, int program, std::uint32_t flow) {
    constexpr int kTries = 5;
    auto answer = driver.answer(program, flow);
    for (int i = 1; answer && answer->action == XDP_PASS && i < kTries; ++i)
        answer = driver.answer(program, flow);
    return answer;
}

// The programs that are measured see the first packet of each flow, what a backend answers to what comes of
// it, and the next packet. A few at a time, as those that nobody has answered push out each other.
Status Balancer::confirm(Driver& driver, std::uint32_t count) const {
    constexpr std::uint32_t kFew = 1 << 13;
    const int program = programs().front();
    for (std::uint32_t first = 0; first < count; first += kFew) {
        const std::span<bench_flow> flows = driver.flows().subspan(first, std::min(kFew, count - first));
        const std::vector<bench_flow> of_clients(flows.begin(), flows.end());
        for (std::uint32_t i = 0; i < flows.size(); ++i) {
            auto sent_on = answer_of(driver, program, first + i);
            if (!sent_on) return tl::unexpected(sent_on.error());
            if (sent_on->action != XDP_TX)
                return fail(fmt::format("the program answers {}", sent_on->action));
            flows[i] = answer_to(sent_on->frame, flows[i]);
        }
        const auto size = static_cast<std::uint32_t>(flows.size());
        if (auto answered = driver.send(program, first, size); !answered) return answered;
        std::copy(of_clients.begin(), of_clients.end(), flows.begin());
        if (auto gone_on = driver.send(program, first, size); !gone_on) return gone_on;
    }
    return {};
}

Status Balancer::check(const Flow& flow, const Driver::Answer& answer) const {
    const policy::Transport forward = transport();
    const std::size_t host = kFirstHost + ring_[slot_of(flow, ring_.size())];
    const Bytes& frame = answer.frame;
    if (answer.action != XDP_TX) return fail(fmt::format("the program answers {}", answer.action));
    const std::array<std::uint8_t, 4> to = {10, 2, 0, static_cast<std::uint8_t>(host)};
    const bool is_right = policy::translates(forward) ? is_translated(frame, flow, forward, to)
                                                      : carries(frame, bytes_before(forward), flow);
    if (!is_right) return fail("what leaves is another packet");
    if (frame[5] != host || frame[4] != 2)
        return fail(fmt::format("it goes to the neighbour ...:{:02x}, not to {:02x}", frame[5], host));
    if (forward == policy::Transport::kL2Dsr || policy::translates(forward)) return {};
    const std::uint8_t protocol = forward == policy::Transport::kIpip ? IPPROTO_IPIP : IPPROTO_UDP;
    if (frame[14] != 0x45 || frame[14 + 9] != protocol || !std::equal(to.begin(), to.end(), &frame[14 + 16]))
        return fail("the outer header is another one");
    return {};
}

}  // namespace fwctl::bench
