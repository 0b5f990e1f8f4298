// A host whose flows are followed: 10.0.0.1 asks others, and offers tcp/80 and udp/53.
//
// Promises: what it gets passes TC ingress, what it sends TC egress, of the same attachment and by a clock
// that stands until it is set. All may be called by several threads but for wait().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "fwctl/abi/flow.h"
#include "packet_builder.h"
#include "program_runner.h"

namespace fwctl::testing {

class Host {
public:
    // So many buckets of the table are used.
    static Result<Host> make(std::uint32_t buckets);

    Status wait(std::chrono::milliseconds time);

    // Whether it passes.
    bool gets(const Bytes& frame) const;
    bool sends(const Bytes& frame) const;

    fw_flow_counts counts() const { return in_.store().flow_counts().value(); }
    const engine::Store& store() const { return in_.store(); }
    const fw_flow_table& table() const { return table_; }
    std::uint32_t ticks() const;
    // Those in use.
    std::vector<fw_flow_bucket> buckets() const;

private:
    Host(ProgramRunner in, kernel::Object out) : in_(std::move(in)), out_(std::move(out)) {}
    Status shrink(std::uint32_t buckets);

    ProgramRunner in_;
    kernel::Object out_;
    fw_flow_table table_{};
    std::chrono::nanoseconds now_{0};
};

// Somebody else's end of a flow.
struct Far {
    std::string address = "198.51.100.1";
    std::uint16_t port = 53;
    std::uint16_t host_port = 40000;
};

Bytes from_host(const Far& far);
Bytes to_host(const Far& far);
// The ports of the fields are not asked.
Bytes from_host(const Far& far, const Tcp& fields);
Bytes to_host(const Far& far, const Tcp& fields);

// Written from what include/fwctl/abi/flow.h says of keys alone.
fw_flow_key key_of(const Far& far, std::uint8_t protocol = kUdp);

// One of two billion.
std::string address_of(std::uint32_t number);

}  // namespace fwctl::testing
