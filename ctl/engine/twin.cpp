#include "engine/twin.h"

#include <fmt/format.h>

#include <utility>

#include "engine/hooks.h"

namespace fwctl::engine {

Result<Twin> Twin::load(const Store& store, const Attachment& attachment, fw_direction direction,
                        std::uint32_t half, Purpose purpose) {
    const auto hook = static_cast<fw_hook>(hook_for(attachment, direction));
    if (hook == 0)
        return fail(
            fmt::format("{} is not filtered for what {}: its hooks are {}", attachment.name(),
                        direction == FW_IN ? "comes in" : "goes out", hook_list(attachment.record.hooks)),
            Exit::kNotAttached);
    kernel::ProgramConfig config =
        program_config(attachment, hook, static_cast<kernel::XdpMode>(attachment.record.xdp_mode));
    config.rewrites = true;  // the half may, where what holds does not
    config.half = half;
    config.silent = true;
    // What nobody else sees may change: the tests of a policy are about several packets.
    config.read_only = !store.paths().directory.empty();
    config.tracing = true;
    config.rehearses = purpose == Purpose::kRehearse;
    auto object = kernel::Object::open(program_kind(hook), config, store.maps());
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return tl::unexpected(loaded.error());
    return Twin(std::move(*object), hook);
}

Result<fw_trace> Twin::ask(std::span<const std::uint8_t> frame, std::uint64_t clock,
                           std::optional<policy::FlowState> state) const {
    const auto number = state ? std::optional(static_cast<std::uint8_t>(*state)) : std::nullopt;
    auto run = object_.run(frame, clock, number);
    if (!run) return tl::unexpected(run.error());
    return run->trace;
}

}  // namespace fwctl::engine
