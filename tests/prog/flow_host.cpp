#include "flow_host.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "policy/parse.h"

namespace fwctl::testing {
namespace {

constexpr const char* kPolicy = R"(
version = 1
[defaults]
in = "deny"
[[rule]]
name   = "replies"
state  = ["established", "related"]
action = "allow"
[[rule]]
name    = "offered"
service = ["tcp/80", "udp/53"]
state   = "new"
action  = "allow"
)";
constexpr const char* kHost = "10.0.0.1";

bool passes(int program, const Bytes& frame) {
    constexpr auto kDrop = 2U;  // TC_ACT_SHOT
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(program, &options), 0);
    return options.retval != kDrop;
}

Tcp between(std::uint16_t source, std::uint16_t destination, Tcp fields) {
    fields.source = source;
    fields.destination = destination;
    return fields;
}

}  // namespace

Result<Host> Host::make(std::uint32_t buckets) {
    auto in = ProgramRunner::load(Hook::kTcIn, FW_LINK_ETHERNET, "eth0", {.rehearses = true});
    if (!in) return tl::unexpected(in.error());
    auto policy = policy::parse_policy(kPolicy, "policy");
    if (!policy) return fail("the policy cannot be read");
    if (auto set = in->set_policy(*policy); !set) return tl::unexpected(set.error());
    kernel::ProgramConfig config;
    config.slot = in->state().attachments.front().slot;
    config.rehearses = true;
    auto out = kernel::Object::open(kernel::ProgramKind::kTcOut, config, in->store().paths());
    if (!out) return tl::unexpected(out.error());
    if (auto loaded = out->load(); !loaded) return tl::unexpected(loaded.error());
    Host host(std::move(*in), std::move(*out));
    if (auto shrunk = host.shrink(buckets); !shrunk) return tl::unexpected(shrunk.error());
    if (auto set = host.wait(std::chrono::seconds(1000)); !set) return tl::unexpected(set.error());
    return host;
}

Status Host::shrink(std::uint32_t buckets) {
    const std::uint32_t zero = 0;
    const int map = in_.store().maps()[0].second;
    auto control = std::make_unique<fw_control>();
    if (bpf_map_lookup_elem(map, &zero, control.get()) != 0 ||
        static_cast<std::uint32_t>(control->flows.place) < buckets)
        return fail("there is no flow table");
    control->flows.place = fw_flow_place_of(0, buckets);
    if (bpf_map_update_elem(map, &zero, control.get(), 0) != 0) return fail("control cannot be written");
    table_ = control->flows;
    return {};
}

Status Host::wait(std::chrono::milliseconds time) {
    now_ += time;
    const auto now = static_cast<std::uint64_t>(now_.count());
    if (auto set = in_.set_clock(now); !set) return set;
    return out_.set_question(now);
}

bool Host::gets(const Bytes& frame) const {
    return passes(in_.program_fd(), frame);
}
bool Host::sends(const Bytes& frame) const {
    return passes(out_.program_fd(), frame);
}

std::uint32_t Host::ticks() const {
    return static_cast<std::uint32_t>(now_.count() >> FW_FLOW_TICK_SHIFT);
}

std::vector<fw_flow_bucket> Host::buckets() const {
    std::vector<fw_flow_bucket> all;
    EXPECT_TRUE(in_.store().for_each_bucket([&](const fw_flow_bucket& bucket) {
        if (all.size() < static_cast<std::uint32_t>(table_.place)) all.push_back(bucket);
    }));
    return all;
}

Bytes from_host(const Far& far) {
    return ethernet() / ipv4({.source = kHost, .destination = far.address}) /
           udp({.source = far.host_port, .destination = far.port});
}
Bytes to_host(const Far& far) {
    return ethernet() / ipv4({.source = far.address, .destination = kHost}) /
           udp({.source = far.port, .destination = far.host_port});
}
Bytes from_host(const Far& far, const Tcp& fields) {
    return ethernet() / ipv4({.source = kHost, .destination = far.address}) /
           tcp(between(far.host_port, far.port, fields));
}
Bytes to_host(const Far& far, const Tcp& fields) {
    return ethernet() / ipv4({.source = far.address, .destination = kHost}) /
           tcp(between(far.port, far.host_port, fields));
}

fw_flow_key key_of(const Far& far, std::uint8_t protocol) {
    const auto address = [](const std::string& text) {
        std::array<std::uint8_t, 16> bytes{};
        std::sscanf(text.c_str(), "%hhu.%hhu.%hhu.%hhu", &bytes[0], &bytes[1], &bytes[2], &bytes[3]);
        return bytes;
    };
    std::array<std::uint8_t, 16> first = address(kHost), second = address(far.address);
    std::uint16_t first_port = far.host_port, second_port = far.port;
    if (first > second) {
        std::swap(first, second);
        std::swap(first_port, second_port);
    }
    fw_flow_key key{};
    std::memcpy(key.ends[0], first.data(), first.size());
    std::memcpy(key.ends[1], second.data(), second.size());
    key.rest = fw_flow_rest(first_port, second_port, protocol, 4);
    return key;
}

std::string address_of(std::uint32_t number) {
    return fmt::format("{}.{}.{}.{}", 11 + (number >> 24) % 80, number >> 16 & 255, number >> 8 & 255,
                       number & 255);
}

}  // namespace fwctl::testing
