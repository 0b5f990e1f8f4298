#include "synproxy_fixture.h"

#include <bpf/bpf.h>

#include "policy/service.h"

namespace fwctl::testing {

void put(Bytes& to, std::uint32_t number) {
    for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<std::uint8_t>(number >> shift));
}

std::uint32_t word(const Bytes& frame, std::size_t at) {
    return static_cast<std::uint32_t>(frame[at]) << 24 | static_cast<std::uint32_t>(frame[at + 1]) << 16 |
           static_cast<std::uint32_t>(frame[at + 2]) << 8 | frame[at + 3];
}

Bytes syn_options(std::uint16_t mss, bool sack, std::optional<std::pair<std::uint32_t, std::uint32_t>> times,
                  std::optional<std::uint8_t> scale) {
    Bytes options = {2, 4, static_cast<std::uint8_t>(mss >> 8), static_cast<std::uint8_t>(mss)};
    if (times) {
        const Bytes before = sack ? Bytes{4, 2, 8, 10} : Bytes{1, 1, 8, 10};
        options.insert(options.end(), before.begin(), before.end());
        put(options, times->first);
        put(options, times->second);
    }
    if (scale) options.insert(options.end(), {1, 3, 3, *scale});
    return options;
}

Bytes stamps(std::uint32_t own, std::uint32_t echo) {
    Bytes options = {1, 1, 8, 10};
    put(options, own);
    put(options, echo);
    return options;
}

policy::Rule synproxy() {
    policy::Rule rule;
    rule.name = "web";
    rule.action = policy::Action::kSynproxy;
    rule.services = {policy::parse_service("tcp/80").value()};
    rule.direction = policy::Direction::kIn;
    return rule;
}

Packet to_server(const Family& family, const Packet& link) {
    if (family.is_ipv6) return link / ipv6();
    return link / ipv4({.ttl = 61, .id = 0, .dont_fragment = true});
}

Packet to_client(const Family& family, const std::optional<Vlan>& tag) {
    Packet link = ethernet({.destination = "02:00:00:00:00:01", .source = "02:00:00:00:00:02"});
    if (tag) link = link / vlan(*tag);
    if (family.is_ipv6) return link / ipv6({.source = "2001:db8::2", .destination = "2001:db8::1"});
    return link /
           ipv4({.source = "198.51.100.1", .destination = "192.0.2.1", .id = 0, .dont_fragment = true});
}

void ProxiedConnection::SetUp() {
    auto loaded = ProgramRunner::load(Hook::kTcIn, FW_LINK_ETHERNET, "eth0", {.rewrites = true});
    ASSERT_TRUE(loaded) << loaded.error().message;
    runner_.emplace(std::move(*loaded));
    slot_ = runner_->state().attachments.front().slot;
    set_rule(synproxy());
    open(out_, kernel::ProgramKind::kTcOut, slot_);
    open(server_in_, kernel::ProgramKind::kTcIn, slot_ + 1);
    open(server_out_, kernel::ProgramKind::kTcOut, slot_ + 1);
}

void ProxiedConnection::set_rule(const policy::Rule& rule) {
    policy::Policy policy;
    policy.rules = {rule};
    ASSERT_TRUE(runner_->set_policy(policy));
    engine::State state = runner_->state();
    engine::Attachment server = state.attachments.front();
    server.slot = slot_ + 1;
    state.attachments.push_back(server);
    ASSERT_TRUE(runner_->store().publish(state));
}

void ProxiedConnection::open(std::optional<kernel::Object>& object, kernel::ProgramKind kind,
                             std::uint32_t slot) const {
    kernel::ProgramConfig config;
    config.slot = slot;
    config.rewrites = true;
    config.tracing = true;
    config.proxies = true;
    auto made = kernel::Object::open(kind, config, runner_->store().paths());
    ASSERT_TRUE(made) << made.error().message;
    object.emplace(std::move(*made));
    const auto ready = object->load();
    ASSERT_TRUE(ready) << ready.error().message;
}

RunResult ProxiedConnection::run(const kernel::Object& object, const Bytes& frame) {
    RunResult result;
    result.frame.resize(frame.size() + 256);
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.data_out = result.frame.data();
    options.data_size_out = static_cast<std::uint32_t>(result.frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(object.program_fd(), &options), 0);
    result.action = static_cast<int>(options.retval);
    result.frame.resize(options.data_size_out);
    result.trace = object.trace().value();
    return result;
}

RunResult ProxiedConnection::from_client(const Bytes& frame) {
    auto result = runner_->run(frame);
    EXPECT_TRUE(result) << result.error().message;
    return std::move(*result);
}

Bytes ProxiedConnection::client_frame(const Tcp& segment, std::size_t octets) {
    return to_server(GetParam()) / tcp(segment) / payload(octets);
}

Bytes ProxiedConnection::server_frame(Tcp segment, std::size_t octets) {
    segment.source = 80;
    segment.destination = 40000;
    return to_client(GetParam()) / tcp(segment) / payload(octets);
}

std::uint32_t ProxiedConnection::ask(const Bytes& options) {
    const RunResult result = from_client(client_frame({.sequence = kClientStart, .options = options}));
    EXPECT_EQ(result.trace.reason, FW_REASON_SYN_COOKIE);
    return word(result.frame, GetParam().link + 4);
}

void ProxiedConnection::expect_syn(std::uint32_t sequence, std::uint32_t cookie, const Bytes& options,
                                   std::size_t octets, std::uint16_t window, const Bytes& syn) {
    const RunResult result = from_client(client_frame({.sequence = sequence,
                                                       .acknowledgement = cookie + 1,
                                                       .flags = kAck,
                                                       .window = 100,
                                                       .options = options},
                                                      octets));
    EXPECT_EQ(result.trace.reason, FW_REASON_COOKIE_ACCEPTED);
    EXPECT_EQ(result.action, kTcPass);
    EXPECT_EQ(result.frame, client_frame({.sequence = kClientStart, .window = window, .options = syn}))
        << "from " << sequence << " with " << octets << " octets";
}

void ProxiedConnection::bring_cookie() {
    cookie_ = ask(syn_options(1400, true, std::pair(kClientTime, 0U), kClientScale));
    given_ = time_of(1400, true, kClientScale);
    expect_syn(kClientStart + 1, cookie_, stamps(kClientTime + 1, given_), 0, 100U << kClientScale,
               syn_options(1400, true, std::pair(kClientTime + 1, 0U), kClientScale));
}

void ProxiedConnection::answer_as_server(std::optional<std::uint8_t> server_scale) {
    const RunResult seen = run(
        *server_in_, server_frame({.sequence = kServerStart,
                                   .acknowledgement = kClientStart + 1,
                                   .flags = kSyn | kAck,
                                   .window = 65000,
                                   .options = syn_options(1460, true, std::pair(kServerTime, kClientTime + 1),
                                                          server_scale)}));
    ASSERT_EQ(seen.action, kTcPass);
    shift_ = cookie_ - kServerStart;
    time_shift_ = given_ - kServerTime;
}

void ProxiedConnection::open_connection(std::optional<std::uint8_t> server_scale) {
    bring_cookie();
    answer_as_server(server_scale);
}

}  // namespace fwctl::testing
