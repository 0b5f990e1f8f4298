// Whoever judges packets by a policy: the compiled programs, or what they are compared with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/packet.h"
#include "packet_builder.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::testing {

struct Attachment {
    fw_link link;
    policy::Direction direction;
    const char* name;
    const char* device;
};

// Where every judge is attached.
inline constexpr std::array kAttachments = {
    Attachment{FW_LINK_ETHERNET, policy::Direction::kIn, "wan", "eth0"},
    Attachment{FW_LINK_ETHERNET, policy::Direction::kIn, "lan", "eth1"},
    Attachment{FW_LINK_ETHERNET, policy::Direction::kOut, "docker", "docker0"},
    Attachment{FW_LINK_IP, policy::Direction::kIn, "guests", "veth7"},
};

struct Judgement {
    std::optional<std::string> rule;  // that decided; nullopt: the default
    bool dropped = false;
    bool operator==(const Judgement&) const = default;
};

class Judge {
public:
    virtual ~Judge() = default;

    // From now on these rules hold, behind the built-in ones, and the policy's defaults; the members are
    // those of the context. Counters begin at 0.
    virtual Status load(const policy::Policy& policy, const policy::Context& context) = 0;

    // `state` is what the packet is to its flow; absent: the judge is to find out by itself.
    virtual Result<Judgement> judge(const Attachment& attachment, const Bytes& frame,
                                    std::optional<policy::FlowState> state) = 0;

    // How many packets each rule has matched since load(), those that only count among them; without those
    // that have none.
    virtual Result<std::map<std::string, std::uint64_t>> counters() = 0;
};

}  // namespace fwctl::testing
