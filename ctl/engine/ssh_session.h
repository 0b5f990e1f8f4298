// The SSH sessions that a change of the policy could cut.
//
// How they are found: by SSH_CONNECTION in the environment of this process and of its ancestors, as sudo
// takes the variable out of its children's alone; and by the connections that are established with an sshd.
// What the environment says may be old (a terminal multiplexer outlives its sessions): a session of the
// environment that is established comes before all, then what is established, then what the environment says.
//
// Promises: nothing but /proc is read. Addresses are as the packets have them: of IPv4 for a socket of both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model.h"

namespace fwctl::engine {

struct SshSession {
    policy::Prefix peer;  // single addresses
    std::uint16_t peer_port = 0;
    policy::Prefix local;
    std::uint16_t local_port = 0;
    auto operator<=>(const SshSession&) const = default;
};

// "from 198.51.100.7 port 50000 to 203.0.113.1 port 22"
std::string describe(const SshSession& session);

// Sorted. `proc` is where /proc lies, `self` the process whose ancestors and network namespace are looked at.
std::vector<SshSession> find_ssh_sessions(const std::string& proc, int self);
// Of this process.
std::vector<SshSession> find_ssh_sessions();

// The value of SSH_CONNECTION: "198.51.100.7 50000 203.0.113.1 22".
std::optional<SshSession> parse_ssh_connection(std::string_view value);

}  // namespace fwctl::engine
