// A flood from sources that are not there: as fast as a processor goes, and the same again for the same seed.
//
//   spoof INTERFACE MAC IPV4 IPV6 PACKETS SEED PORT...
//
// The packets go to these addresses behind MAC, half to each. A PORT is tcp/7 (a SYN), ack/7 (a segment of a
// connection that is not there) or udp/53; they take turns. Each packet has a random source address,
// of 11.0.0.0 to 99.255.255.255 or of 2001:db8::/32, a random source port, and right checksums.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace {

struct Target {
    std::uint8_t protocol = IPPROTO_UDP;
    std::uint16_t port = 0;
    bool opens = true;  // TCP: a SYN
};

struct Ends {
    ether_addr mac{};
    in_addr ipv4{};
    in6_addr ipv6{};
};

constexpr std::size_t kLongest = sizeof(ether_header) + sizeof(ip6_hdr) + sizeof(tcphdr);
struct Frame {
    std::array<std::uint8_t, kLongest> bytes{};
    std::size_t size = 0;

    template <typename Header>
    Header& append() {
        auto& header = *reinterpret_cast<Header*>(bytes.data() + size);
        size += sizeof(Header);
        return header;
    }
};

// RFC 1071, of what begins at an even offset.
std::uint32_t sum(const void* data, std::size_t size) {
    std::uint32_t total = 0;
    for (std::size_t at = 0; at < size; at += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, static_cast<const std::uint8_t*>(data) + at, sizeof(word));
        total += word;
    }
    return total;
}

std::uint16_t checksum(std::uint32_t total) {
    while (total >> 16) total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(~total);
}

// `pseudo`: the sum of the two addresses.
void add_l4(Frame& frame, const Target& target, std::uint64_t random, std::uint32_t pseudo) {
    const auto source = htons(static_cast<std::uint16_t>(1024 + random % 64000));
    const std::size_t size = target.protocol == IPPROTO_TCP ? sizeof(tcphdr) : sizeof(udphdr);
    const std::uint32_t before = pseudo + htons(target.protocol) + htons(static_cast<std::uint16_t>(size));
    if (target.protocol == IPPROTO_TCP) {
        auto& tcp = frame.append<tcphdr>();
        tcp = {};
        tcp.source = source;
        tcp.dest = htons(target.port);
        tcp.seq = static_cast<std::uint32_t>(random >> 32);
        tcp.doff = sizeof(tcp) / 4;
        tcp.syn = target.opens ? 1 : 0;
        tcp.ack = target.opens ? 0 : 1;
        tcp.window = htons(64240);
        tcp.check = checksum(before + sum(&tcp, sizeof(tcp)));
    } else {
        auto& udp = frame.append<udphdr>();
        udp = {source, htons(target.port), htons(sizeof(udp)), 0};
        udp.check = checksum(before + sum(&udp, sizeof(udp)));
    }
}

Frame frame_of(const Ends& ends, const Target& target, bool is_ipv6, std::mt19937_64& random) {
    Frame frame;
    auto& link = frame.append<ether_header>();
    std::memcpy(link.ether_dhost, &ends.mac, sizeof(link.ether_dhost));
    link.ether_shost[0] = 2;
    link.ether_type = htons(is_ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
    const std::size_t l4 = target.protocol == IPPROTO_TCP ? sizeof(tcphdr) : sizeof(udphdr);
    if (is_ipv6) {
        auto& ip = frame.append<ip6_hdr>();
        ip.ip6_flow = htonl(6U << 28);
        ip.ip6_plen = htons(static_cast<std::uint16_t>(l4));
        ip.ip6_nxt = target.protocol;
        ip.ip6_hlim = 64;
        const std::array<std::uint64_t, 2> address = {random(), random()};
        std::memcpy(&ip.ip6_src, address.data(), sizeof(address));
        ip.ip6_src.s6_addr32[0] = htonl(0x20010db8);
        ip.ip6_dst = ends.ipv6;
        add_l4(frame, target, random(), sum(&ip.ip6_src, 2 * sizeof(in6_addr)));
    } else {
        auto& ip = frame.append<iphdr>();
        ip = {};
        ip.version = 4;
        ip.ihl = sizeof(ip) / 4;
        ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(ip) + l4));
        ip.ttl = 64;
        ip.protocol = target.protocol;
        ip.saddr = htonl(static_cast<std::uint32_t>((11 + random() % 89) << 24 | (random() & 0xffffff)));
        ip.daddr = ends.ipv4.s_addr;
        ip.check = checksum(sum(&ip, sizeof(ip)));
        add_l4(frame, target, random(), sum(&ip.saddr, 2 * sizeof(in_addr)));
    }
    return frame;
}

// A socket that sends past the queueing discipline.
int open_socket(const char* interface) {
    const int out = socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    const int yes = 1;
    if (out < 0 || address.sll_ifindex == 0 ||
        setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) != 0 ||
        bind(out, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return -1;
    return out;
}

bool send_all(int out, std::span<Frame> frames) {
    std::vector<iovec> bytes;
    for (Frame& frame : frames) bytes.push_back({frame.bytes.data(), frame.size});
    std::vector<mmsghdr> messages(frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        messages[i].msg_hdr.msg_iov = &bytes[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    std::size_t sent = 0;
    while (sent < messages.size()) {
        const int more =
            sendmmsg(out, messages.data() + sent, static_cast<unsigned>(messages.size() - sent), 0);
        if (more < 0 && errno != ENOBUFS && errno != EAGAIN) return false;
        if (more > 0) sent += static_cast<std::size_t>(more);
    }
    return true;
}

bool flood(int out, const Ends& ends, std::span<const Target> targets, std::uint64_t packets,
           std::uint64_t seed) {
    constexpr std::size_t kBatch = 64;
    std::mt19937_64 random(seed);
    std::vector<Frame> batch;
    for (std::uint64_t number = 0; number < packets; ++number) {
        batch.push_back(frame_of(ends, targets[number / 2 % targets.size()], number % 2 == 1, random));
        if (batch.size() == kBatch || number + 1 == packets) {
            if (!send_all(out, batch)) return false;
            batch.clear();
        }
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 8) return 2;
    Ends ends;
    if (ether_aton_r(argv[2], &ends.mac) == nullptr || inet_pton(AF_INET, argv[3], &ends.ipv4) != 1 ||
        inet_pton(AF_INET6, argv[4], &ends.ipv6) != 1)
        return 2;
    std::vector<Target> targets;
    for (const std::string_view text : std::span(argv + 7, argv + argc)) {
        if (text.size() < 5) return 2;
        const auto protocol = text.starts_with("udp/") ? IPPROTO_UDP : IPPROTO_TCP;
        targets.push_back({static_cast<std::uint8_t>(protocol),
                           static_cast<std::uint16_t>(std::atoi(text.data() + 4)), text.starts_with("tcp/")});
    }
    const int out = open_socket(argv[1]);
    if (out < 0 || !flood(out, ends, targets, std::strtoull(argv[5], nullptr, 10),
                          std::strtoull(argv[6], nullptr, 10))) {
        fmt::print(stderr, "spoof: {}\n", strerror(errno));
        return 1;
    }
    return 0;
}
