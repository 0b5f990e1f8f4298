#include "kernel/flow_program.h"

#include <array>
#include <string_view>

#include "fwctl/abi/flow.h"
#include "fwctl/abi/trace.h"
#include "kernel/helper_program.h"
#include "skeleton/fwctl_flows.skel.h"

namespace fwctl::kernel {

namespace {

constexpr std::string_view kFlowProgram = "the program of flows";

}  // namespace

Result<FlowProgram> FlowProgram::load(const Map& control, const Map& flow_pages, const Map& flow_counts) {
    std::size_t size = 0;
    const void* bytes = fwctl_flows__elf_bytes(&size);
    const std::array shared = {SharedMap{"control", &control}, SharedMap{"flow_pages", &flow_pages},
                               SharedMap{"flow_counts", &flow_counts}};
    auto object = load_helper({static_cast<const char*>(bytes), size}, shared, kFlowProgram);
    if (!object) return tl::unexpected(object.error());
    FlowProgram made;
    made.program_ =
        duplicate(bpf_program__fd(bpf_object__find_program_by_name(object->get(), "fwctl_flows")));
    return made;
}

Result<std::uint32_t> FlowProgram::move(std::uint32_t first, std::uint32_t count, std::uint32_t now) const {
    fw_flow_job job{first, count, now, 0};
    if (auto run = run_helper(program_, job, kFlowProgram); !run) return tl::unexpected(run.error());
    return job.left;
}

}  // namespace fwctl::kernel
