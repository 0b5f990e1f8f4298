#include "program_runner.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>
#include <map>

#include "compile/tier.h"
#include "kernel/bpffs.h"

namespace fwctl::testing {
namespace {

constexpr std::uint32_t kSlot = 7;

// Each runner is a network namespace of its own, as far as its pins go.
std::uint64_t next_cookie() {
    static std::uint64_t cookie = 1'000'000;
    return cookie++;
}

kernel::ProgramKind kind_of(Hook hook) {
    switch (hook) {
        case Hook::kXdp:
            return kernel::ProgramKind::kXdp;
        case Hook::kTcIn:
            return kernel::ProgramKind::kTcIn;
        case Hook::kTcOut:
            break;
    }
    return kernel::ProgramKind::kTcOut;
}

}  // namespace

std::string name_of(Hook hook) {
    return hook == Hook::kXdp ? "Xdp" : hook == Hook::kTcIn ? "TcIn" : "TcOut";
}

Result<ProgramRunner> ProgramRunner::load(Hook hook, fw_link link, const std::string& interface,
                                          const Station& station) {
    ProgramRunner runner;
    runner.hook_ = hook;
    runner.ifindex_ = station.ifindex;
    auto store = engine::Store::create(kernel::state_paths(next_cookie()));
    if (!store) return tl::unexpected(store.error());
    runner.store_ = std::make_unique<engine::Store>(std::move(*store));

    engine::Attachment attachment;
    attachment.slot = kSlot;
    attachment.enabled = true;
    attachment.record.ifindex = static_cast<std::uint32_t>(station.ifindex);
    std::strncpy(attachment.record.name, interface.c_str(), sizeof(attachment.record.name) - 1);
    runner.state_.attachments.push_back(attachment);
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    runner.state_.interfaces = std::move(*interfaces);
    if (auto set = runner.set_rules({}); !set) return tl::unexpected(set.error());

    kernel::ProgramConfig config;
    config.slot = kSlot;
    config.link = link;
    config.rewrites = station.rewrites || station.may_rewrite || station.hands_on || station.behind_xdp;
    config.may_rewrite = station.may_rewrite;
    config.hands_on = station.hands_on;
    config.behind_xdp = station.behind_xdp;
    config.tracing = station.traces;
    config.rehearses = station.rehearses;
    config.proxies = true;
    auto object = kernel::Object::open(kind_of(hook), config, runner.store_->paths());
    if (!object) return tl::unexpected(object.error());
    runner.object_.emplace(std::move(*object));
    if (auto loaded = runner.object_->load(); !loaded) return tl::unexpected(loaded.error());
    return runner;
}

Status ProgramRunner::set_rules(const std::vector<policy::Rule>& rules) {
    std::map<std::string, std::uint32_t> counters;
    for (const engine::CountedRule& live : state_.live) counters[live.rule.name] = live.counter;
    state_.live.clear();
    for (const policy::Rule& rule : rules) {
        const auto known = counters.find(rule.name);
        state_.live.push_back({rule, known == counters.end() ? engine::kNoCounter : known->second});
    }
    return store_->publish(state_);
}

Status ProgramRunner::set_policy(const policy::Policy& policy) {
    state_.front.defaults = policy.defaults;
    state_.front.vips = policy.vips;
    state_.front.decapsulate = policy.decapsulate;
    state_.live.clear();
    for (const policy::Rule& rule : policy.rules) state_.live.push_back({rule, engine::kNoCounter});
    // Its bank is not written without need, as that waits for packets under way again and again.
    if (policy.routes.empty() && state_.main.tier.words == 0) return store_->publish(state_);
    const std::map<std::string, std::uint32_t> no_sets;
    compile::SetBlocks sets({});
    auto main = compile::compile_tier({{}, {}, 1 << 20, &no_sets, policy.routes}, sets);
    if (!main) return tl::unexpected(main.error());
    if (auto prepared = store_->prepare(state_, &*main); !prepared) return prepared;
    store_->commit(state_);
    return {};
}

Result<RunResult> ProgramRunner::run(std::span<const std::uint8_t> frame) const {
    constexpr std::size_t kRoomToGrow = 2048;  // an answer is longer than a short packet
    RunResult result;
    result.frame.resize(frame.size() + kRoomToGrow);
    xdp_md xdp{};
    __sk_buff skb{};
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.data_out = result.frame.data();
    options.data_size_out = static_cast<std::uint32_t>(result.frame.size());
    if (hook_ == Hook::kXdp) {
        xdp.data_end = static_cast<std::uint32_t>(frame.size());
        xdp.ingress_ifindex = static_cast<std::uint32_t>(ifindex_);
        options.ctx_in = options.ctx_out = &xdp;
        options.ctx_size_in = options.ctx_size_out = sizeof(xdp);
    } else if (ifindex_ != 0) {
        skb.ifindex = static_cast<std::uint32_t>(ifindex_);
        options.ctx_in = options.ctx_out = &skb;
        options.ctx_size_in = options.ctx_size_out = sizeof(skb);
    }
    if (const int error = bpf_prog_test_run_opts(object_->program_fd(), &options); error != 0)
        return fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
    result.action = static_cast<int>(options.retval);
    result.frame.resize(options.data_size_out);
    const auto behind = result.frame.begin() + (xdp.data - xdp.data_meta);
    result.meta.assign(result.frame.begin(), behind);
    result.frame.erase(result.frame.begin(), behind);
    auto trace = object_->trace();
    if (!trace) return tl::unexpected(trace.error());
    result.trace = *trace;
    return result;
}

Status ProgramRunner::repeat(std::span<const std::uint8_t> frame, int times) const {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.repeat = times;
    const int error = bpf_prog_test_run_opts(program_fd(), &options);
    return error == 0 ? Status() : fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
}

std::optional<std::string> ProgramRunner::rule_name(const fw_trace& trace) const {
    for (const engine::CountedRule& counted : state_.front_rules())
        if (counted.counter == trace.rule) return counted.rule.name;
    return std::nullopt;
}

}  // namespace fwctl::testing
