#include "kernel/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

// The skeletons name these types without defining them.
#include "base/fd.h"
#include "fwctl/abi/policy.h"
#include "fwctl/abi/state.h"
#include "kernel/probe.h"
#include "skeleton/fwctl_tc.skel.h"
#include "skeleton/fwctl_xdp.skel.h"

namespace fwctl::kernel {
namespace {

std::string_view elf_of(ProgramKind kind) {
    std::size_t size = 0;
    const void* bytes = kind == ProgramKind::kXdp ? fwctl_xdp__elf_bytes(&size) : fwctl_tc__elf_bytes(&size);
    return {static_cast<const char*>(bytes), size};
}

constexpr std::size_t kTraceBytes = 4096;
static_assert(sizeof(fw_trace) <= kTraceBytes);

const char* name_of(ProgramKind kind) {
    switch (kind) {
        case ProgramKind::kXdp:
            return "fwctl_xdp";
        case ProgramKind::kTcIn:
            return "fwctl_tc_in";
        case ProgramKind::kTcOut:
            return "fwctl_tc_out";
    }
    return "";
}

// The constants have one layout in both objects: the skeleton of one says where they lie.
void set_constants(bpf_object* object, const ProgramConfig& config) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (!std::string_view(bpf_map__name(map)).ends_with(".rodata")) continue;
        std::size_t size = 0;
        const auto* initial = static_cast<const char*>(bpf_map__initial_value(map, &size));
        std::vector<char> bytes(initial, initial + size);
        auto* constants = reinterpret_cast<fwctl_xdp::fwctl_xdp__rodata*>(bytes.data());
        constants->fw_slot = config.slot;
        constants->fw_link = static_cast<std::uint8_t>(config.link);
        constants->fw_rewrites = config.rewrites ? 1 : 0;
        constants->fw_may_rewrite = config.may_rewrite ? 1 : 0;
        constants->fw_hands_on = config.hands_on ? 1 : 0;
        constants->fw_behind_xdp = config.behind_xdp ? 1 : 0;
        constants->fw_half = config.half ? static_cast<std::uint8_t>(*config.half + 1) : 0;
        constants->fw_silent = config.silent ? 1 : 0;
        constants->fw_read_only = config.read_only ? 1 : 0;
        constants->fw_tracing = config.tracing ? 1 : 0;
        constants->fw_rehearses = config.rehearses ? 1 : 0;
        constants->fw_makes_cookies = config.proxies && has_syn_cookies() ? 1 : 0;
        bpf_map__set_initial_value(map, bytes.data(), size);
    }
}

// Ways to backends are known to XDP programs that send packets alone: elsewhere they would be memory for
// nothing, on each processor.
void fit_known_ways(bpf_object* object, ProgramKind kind, const ProgramConfig& config) {
    bpf_map* map = bpf_object__find_map_by_name(object, "known_ways");
    if (map != nullptr && (kind != ProgramKind::kXdp || !config.rewrites || !config.may_rewrite))
        bpf_map__set_max_entries(map, 1);
}

#define FW_SAME_PLACE(name) \
    static_assert(offsetof(fwctl_xdp::fwctl_xdp__rodata, name) == offsetof(fwctl_tc::fwctl_tc__rodata, name))
FW_SAME_PLACE(fw_slot);
FW_SAME_PLACE(fw_link);
FW_SAME_PLACE(fw_rewrites);
FW_SAME_PLACE(fw_may_rewrite);
FW_SAME_PLACE(fw_hands_on);
FW_SAME_PLACE(fw_behind_xdp);
FW_SAME_PLACE(fw_half);
FW_SAME_PLACE(fw_silent);
FW_SAME_PLACE(fw_read_only);
FW_SAME_PLACE(fw_tracing);
FW_SAME_PLACE(fw_rehearses);
FW_SAME_PLACE(fw_makes_cookies);
#undef FW_SAME_PLACE

Status set_pins(bpf_object* object, const StatePaths& paths) {
    for (const char* name : SharedMaps::kNames)
        if (auto pinned = set_pin(bpf_object__find_map_by_name(object, name), paths.map(name)); !pinned)
            return pinned;
    return {};
}

}  // namespace

void Object::Close::operator()(bpf_object* object) const {
    bpf_object__close(object);
}

Result<Object> Object::open_elf(ProgramKind kind, const ProgramConfig& config) {
    const std::string_view elf = elf_of(kind);
    Object object;
    object.program_name_ = name_of(kind);
    object.handle_.reset(bpf_object__open_mem(elf.data(), elf.size(), nullptr));
    if (!object.handle_) return fail(fmt::format("cannot open our BPF object: {}", why_refused(errno)));

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.handle_.get()) {
        const bool wanted = std::string_view(bpf_program__name(program)) == object.program_name_;
        bpf_program__set_autoload(program, wanted);
        if (wanted) object.program_ = program;
    }
    set_constants(object.handle_.get(), config);
    fit_known_ways(object.handle_.get(), kind, config);
    return object;
}

Result<Object> Object::open(ProgramKind kind, const ProgramConfig& config, const StatePaths& paths) {
    auto object = open_elf(kind, config);
    if (!object) return object;
    if (auto pinned = set_pins(object->handle(), paths); !pinned) return tl::unexpected(pinned.error());
    bpf_map* counters = bpf_object__find_map_by_name(object->handle(), "counters");
    bpf_map__set_pin_path(counters, paths.counters(config.slot).c_str());
    return object;
}

Result<Object> Object::open(ProgramKind kind, const ProgramConfig& config,
                            const SharedMaps::Descriptors& maps) {
    auto object = open_elf(kind, config);
    if (!object) return object;
    for (const auto& [name, descriptor] : maps) {
        bpf_map* map = bpf_object__find_map_by_name(object->handle(), name);
        if (map == nullptr || bpf_map__reuse_fd(map, descriptor) != 0)
            return fail(fmt::format("the program cannot use the map {}", name));
    }
    return object;
}

Status Object::load() {
    if (const int error = bpf_object__load(handle_.get()); error != 0)
        return fail(fmt::format("the kernel refuses the program {}: {}", program_name_, why_refused(-error)));
    return {};
}

int Object::program_fd() const {
    return bpf_program__fd(program_);
}

// The map of what is initially zero has the trace alone. Its size is rounded up.
int Object::trace_fd() const {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, handle_.get()) {
        const bool is_bss = std::string_view(bpf_map__name(map)).ends_with(".bss");
        if (is_bss && bpf_map__value_size(map) <= kTraceBytes) return bpf_map__fd(map);
    }
    return -1;
}

Result<fw_trace> Object::trace() const {
    std::array<char, kTraceBytes> value{};
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(trace_fd(), &zero, value.data()) != 0) return fail("the trace cannot be read");
    fw_trace trace{};
    std::memcpy(&trace, value.data(), sizeof(trace));
    return trace;
}

Status Object::set_question(std::uint64_t clock, std::optional<std::uint8_t> state) const {
    fw_trace question{};
    question.clock = clock;
    if (state) question.assumed_state = static_cast<std::uint8_t>(1 + *state);
    std::array<char, kTraceBytes> value{};
    std::memcpy(value.data(), &question, sizeof(question));
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(trace_fd(), &zero, value.data(), BPF_ANY) == 0) return {};
    return fail("the trace cannot be written");
}

Result<TestRun> Object::run(std::span<const std::uint8_t> frame, std::uint64_t clock,
                            std::optional<std::uint8_t> state) const {
    if (auto set = set_question(clock, state); !set) return tl::unexpected(set.error());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    if (const int error = bpf_prog_test_run_opts(program_fd(), &options); error != 0)
        return fail(fmt::format("the kernel takes no test frame of {} bytes that looks like this one: {}",
                                frame.size(), strerror(-error)));
    auto trace = this->trace();
    if (!trace) return tl::unexpected(trace.error());
    return TestRun{static_cast<int>(options.retval), *trace};
}

std::optional<std::uint32_t> slot_of(const ProgramInfo& program) {
    for (const std::uint32_t id : program.map_ids) {
        const Fd map(bpf_map_get_fd_by_id(id));
        bpf_map_info info{};
        std::uint32_t size = sizeof(info);
        if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) continue;
        if (!std::string_view(info.name).ends_with(".rodata")) continue;
        std::vector<char> bytes(info.value_size);
        const std::uint32_t zero = 0;
        constexpr std::size_t kOffset = offsetof(fwctl_xdp::fwctl_xdp__rodata, fw_slot);
        std::uint32_t slot = 0;
        if (bytes.size() < kOffset + sizeof(slot)) continue;
        if (bpf_map_lookup_elem(map.get(), &zero, bytes.data()) != 0) continue;
        std::memcpy(&slot, bytes.data() + kOffset, sizeof(slot));
        return slot;
    }
    return std::nullopt;
}

std::uint64_t build_id() {
    std::uint64_t hash = 0;
    for (const ProgramKind kind : {ProgramKind::kXdp, ProgramKind::kTcIn}) {
        const std::string_view elf = elf_of(kind);
        hash = XXH3_64bits_withSeed(elf.data(), elf.size(), hash);
    }
    return hash;
}

}  // namespace fwctl::kernel
