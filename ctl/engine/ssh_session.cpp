#include "engine/ssh_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/text.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using policy::Prefix;

constexpr std::string_view kVariable = "SSH_CONNECTION=";
constexpr int kMostAncestors = 256;

// States of /proc/net/tcp (include/net/tcp_states.h).
constexpr std::string_view kEstablished = "01";
constexpr std::string_view kListens = "0A";

struct Socket {
    SshSession ends;
    std::string state;
    std::string inode;
};

std::string text_of(const std::string& path) {
    auto text = read_file(path);
    return text ? std::move(*text) : std::string();
}

// Without the zone of a link-local address, and of IPv4 where that is meant.
std::optional<Prefix> parse_end(std::string_view text) {
    text = text.substr(0, text.find('%'));
    constexpr std::string_view kMapped = "::ffff:";
    if (text.substr(0, kMapped.size()) == kMapped && text.find('.') != std::string_view::npos)
        text.remove_prefix(kMapped.size());
    const auto prefix = policy::parse_prefix(text);
    const bool is_address = prefix && prefix->length == policy::address_bits(prefix->family);
    return is_address ? std::optional(*prefix) : std::nullopt;
}

// "0100007F:0016": the address as 32-bit words in host byte order.
bool read_end(std::string_view text, Prefix& address, std::uint16_t& port) {
    const std::size_t digits = std::min(text.find(':'), text.size());
    if (digits != 8 && digits != 32) return false;
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 0; i < digits; i += 8) {
        std::uint32_t word = 0;
        if (std::from_chars(&text[i], &text[i] + 8, word, 16).ec != std::errc()) return false;
        for (std::size_t byte = 0; byte < 4; ++byte) {
            const std::size_t shift = std::endian::native == std::endian::little ? byte : 3 - byte;
            bytes[i / 2 + byte] = static_cast<std::uint8_t>(word >> shift * 8);
        }
    }
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const bool is_mapped = digits == 32 && std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
    if (is_mapped) {
        std::copy(bytes.begin() + 12, bytes.end(), bytes.begin());
        std::fill(bytes.begin() + 4, bytes.end(), std::uint8_t{0});
    }
    const bool is_ipv4 = digits == 8 || is_mapped;
    address = {is_ipv4 ? policy::Family::kIpv4 : policy::Family::kIpv6,
               static_cast<std::uint8_t>(is_ipv4 ? 32 : 128), bytes};
    const std::string_view rest = text.substr(digits + 1);
    return std::from_chars(rest.data(), rest.data() + rest.size(), port, 16).ec == std::errc();
}

// All TCP sockets of the process's network namespace, see proc_pid_net(5).
std::vector<Socket> read_sockets(const std::string& proc, int self) {
    std::vector<Socket> sockets;
    for (const char* table : {"tcp", "tcp6"}) {
        std::istringstream lines(text_of(fmt::format("{}/{}/net/{}", proc, self, table)));
        std::string line;
        std::getline(lines, line);  // the titles
        while (std::getline(lines, line)) {
            std::istringstream words(line);
            Socket socket;
            std::string skipped, local, peer;
            words >> skipped >> local >> peer >> socket.state;
            for (int i = 0; i < 5; ++i) words >> skipped;  // queues, timer, retransmits, user, timeout
            words >> socket.inode;
            SshSession& ends = socket.ends;
            if (words && read_end(local, ends.local, ends.local_port) &&
                read_end(peer, ends.peer, ends.peer_port))
                sockets.push_back(std::move(socket));
        }
    }
    return sockets;
}

// The inodes of the sockets that processes of sshd hold. Since OpenSSH 9.8 a session is another program.
std::set<std::string> sockets_of_sshd(const std::string& proc) {
    std::set<std::string> inodes;
    std::error_code error;
    for (const auto& process : std::filesystem::directory_iterator(proc, error)) {
        if (!is_digits(process.path().filename().string())) continue;
        const std::string name = text_of(process.path() / "comm");
        if (name != "sshd\n" && name != "sshd-session\n") continue;
        for (const auto& entry : std::filesystem::directory_iterator(process.path() / "fd", error)) {
            const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
            if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
        }
    }
    return inodes;
}

// Connections to a port on which sshd listens, or that sshd has taken over from a listener of another's
// (socket activation).
std::set<SshSession> sessions_of_sshd(const std::set<std::string>& held, const std::vector<Socket>& sockets) {
    std::set<std::uint16_t> listened;
    std::set<std::uint16_t> of_sshd;
    for (const Socket& socket : sockets) {
        if (socket.state != kListens) continue;
        listened.insert(socket.ends.local_port);
        if (held.contains(socket.inode)) of_sshd.insert(socket.ends.local_port);
    }
    std::set<SshSession> sessions;
    for (const Socket& socket : sockets) {
        const bool is_its = of_sshd.contains(socket.ends.local_port) ||
                            (listened.contains(socket.ends.local_port) && held.contains(socket.inode));
        if (socket.state == kEstablished && is_its) sessions.insert(socket.ends);
    }
    return sessions;
}

// The parent, as proc_pid_stat(5) has it: behind the name, which may have any letters, and the state.
int parent_of(const std::string& proc, int process) {
    const std::string stat = text_of(fmt::format("{}/{}/stat", proc, process));
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return 0;
    std::istringstream rest(stat.substr(name_end + 1));
    std::string state;
    int parent = 0;
    rest >> state >> parent;
    return parent;
}

std::set<SshSession> sessions_of_environment(const std::string& proc, int self) {
    std::set<SshSession> sessions;
    int process = self;
    for (int i = 0; i < kMostAncestors && process > 0; ++i, process = parent_of(proc, process)) {
        std::istringstream variables(text_of(fmt::format("{}/{}/environ", proc, process)));
        for (std::string variable; std::getline(variables, variable, '\0');) {
            if (!variable.starts_with(kVariable)) continue;
            if (const auto session =
                    parse_ssh_connection(std::string_view(variable).substr(kVariable.size())))
                sessions.insert(*session);
        }
    }
    return sessions;
}

}  // namespace

std::string describe(const SshSession& session) {
    return fmt::format("from {} port {} to {} port {}", policy::format_prefix(session.peer),
                       session.peer_port, policy::format_prefix(session.local), session.local_port);
}

std::optional<SshSession> parse_ssh_connection(std::string_view value) {
    std::istringstream words{std::string(value)};
    std::string peer, peer_port, local, local_port, more;
    words >> peer >> peer_port >> local >> local_port;
    const auto peer_address = parse_end(peer);
    const auto local_address = parse_end(local);
    const auto peer_number = parse_number(peer_port, 65535);
    const auto local_number = parse_number(local_port, 65535);
    if (!peer_address || !local_address || !peer_number || !local_number || words >> more)
        return std::nullopt;
    return SshSession{*peer_address, static_cast<std::uint16_t>(*peer_number), *local_address,
                      static_cast<std::uint16_t>(*local_number)};
}

std::vector<SshSession> find_ssh_sessions(const std::string& proc, int self) {
    const std::set<SshSession> said = sessions_of_environment(proc, self);
    const std::set<std::string> held = sockets_of_sshd(proc);
    // The kernel goes through its whole table to tell of the sockets: milliseconds.
    if (said.empty() && held.empty()) return {};
    const std::vector<Socket> sockets = read_sockets(proc, self);
    std::vector<SshSession> certain;
    for (const Socket& socket : sockets)
        if (socket.state == kEstablished && said.contains(socket.ends)) certain.push_back(socket.ends);
    if (!certain.empty()) {
        std::sort(certain.begin(), certain.end());
        return certain;
    }
    const std::set<SshSession> established = sessions_of_sshd(held, sockets);
    const std::set<SshSession>& found = established.empty() ? said : established;
    return {found.begin(), found.end()};
}

std::vector<SshSession> find_ssh_sessions() {
    return find_ssh_sessions("/proc", getpid());
}

}  // namespace fwctl::engine
