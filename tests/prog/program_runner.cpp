#include "program_runner.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>

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

Result<ProgramRunner> ProgramRunner::load(Hook hook, fw_link link, const std::string& interface) {
    ProgramRunner runner;
    auto store = engine::Store::create(kernel::state_paths(next_cookie()));
    if (!store) return tl::unexpected(store.error());
    runner.store_ = std::make_unique<engine::Store>(std::move(*store));

    engine::Attachment attachment;
    attachment.slot = kSlot;
    attachment.enabled = true;
    std::strncpy(attachment.record.name, interface.c_str(), sizeof(attachment.record.name) - 1);
    runner.state_.attachments.push_back(attachment);
    if (auto set = runner.set_rules({}); !set) return tl::unexpected(set.error());

    kernel::ProgramConfig config;
    config.slot = kSlot;
    config.link = link;
    config.tracing = true;
    auto object = kernel::Object::open(kind_of(hook), config, runner.store_->paths());
    if (!object) return tl::unexpected(object.error());
    runner.object_.emplace(std::move(*object));
    if (auto loaded = runner.object_->load(); !loaded) return tl::unexpected(loaded.error());
    return runner;
}

Status ProgramRunner::set_rules(const std::vector<policy::Rule>& rules) {
    state_.live.clear();
    for (const policy::Rule& rule : rules) state_.live.push_back({rule, engine::kNoCounter});
    return store_->publish(state_);
}

Result<RunResult> ProgramRunner::run(std::span<const std::uint8_t> frame) const {
    RunResult result;
    result.frame.resize(frame.size());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.data_out = result.frame.data();
    options.data_size_out = static_cast<std::uint32_t>(result.frame.size());
    if (const int error = bpf_prog_test_run_opts(object_->program_fd(), &options); error != 0)
        return fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
    result.action = static_cast<int>(options.retval);
    result.frame.resize(options.data_size_out);
    auto trace = object_->trace();
    if (!trace) return tl::unexpected(trace.error());
    result.trace = *trace;
    return result;
}

std::optional<std::string> ProgramRunner::rule_name(const fw_trace& trace) const {
    for (const engine::CountedRule& counted : state_.front_rules())
        if (counted.counter == trace.rule) return counted.rule.name;
    return std::nullopt;
}

}  // namespace fwctl::testing
