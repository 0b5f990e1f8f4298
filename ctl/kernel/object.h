// The BPF objects that are part of this executable.
//
// Promises: an Object is opened with the constants of one attachment; it is not loaded until load() or until
// libxdp loads it. One that is opened by paths takes its maps from that state's pins, and makes the pins that
// are missing; one that is opened by maps pins nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/trace.h"
#include "kernel/bpffs.h"
#include "kernel/program.h"
#include "kernel/shared_maps.h"

struct bpf_object;
struct bpf_program;

namespace fwctl::kernel {

enum class ProgramKind { kXdp, kTcIn, kTcOut };

struct ProgramConfig {
    std::uint32_t slot = 0;
    fw_link link = FW_LINK_ETHERNET;
    // Rules and services ask for more than verdicts. A program that need not do that has a third less for the
    // kernel's verifier to go through.
    bool rewrites = false;
    bool may_rewrite = false;  // XDP: answers, redirects and forwards by itself
    bool hands_on = false;     // XDP: TC ingress, with `behind_xdp`, does what it may not
    bool behind_xdp = false;
    bool proxies = false;  // action synproxy: TC is there both ways
    // For BPF_PROG_TEST_RUN alone: judge by a half of `policy` that may not hold yet, count nothing, note
    // what was compared.
    std::optional<std::uint32_t> half;
    bool silent = false;
    bool read_only = false;  // put nobody into sets
    bool tracing = false;
    bool rehearses = false;  // the maps are the question's own: buckets are charged, by a clock that is set
};

// What became of one packet under BPF_PROG_TEST_RUN.
struct TestRun {
    int action = 0;  // XDP_* or TC_ACT_*
    fw_trace trace{};
};

class Object {
public:
    static Result<Object> open(ProgramKind kind, const ProgramConfig& config, const StatePaths& paths);
    // With maps that stay their owner's, but for `counters`, of which it has one of its own.
    static Result<Object> open(ProgramKind kind, const ProgramConfig& config,
                               const SharedMaps::Descriptors& maps);

    Status load();

    [[nodiscard]] bpf_object* handle() const { return handle_.get(); }
    [[nodiscard]] const char* program_name() const { return program_name_; }
    [[nodiscard]] int program_fd() const;

    // What the last packet under BPF_PROG_TEST_RUN met; needs `tracing`.
    [[nodiscard]] Result<fw_trace> trace() const;

    // One packet under BPF_PROG_TEST_RUN; needs `tracing`. `state`, an enum fw_flow_state, is taken for what
    // it is to its flow; absent: as the flow table has it. The kernel takes Ethernet frames, or what is at
    // least as long as their header; for TC at most 3,712 bytes (found out on 6.1 and 6.18).
    [[nodiscard]] Result<TestRun> run(std::span<const std::uint8_t> frame, std::uint64_t clock = 0,
                                      std::optional<std::uint8_t> state = std::nullopt) const;

    // What a program that rehearses takes for CLOCK_MONOTONIC from now on, and, when it is said, what each
    // packet is to its flow. Forgets the trace.
    [[nodiscard]] Status set_question(std::uint64_t clock,
                                      std::optional<std::uint8_t> state = std::nullopt) const;

private:
    struct Close {
        void operator()(bpf_object* object) const;
    };

    static Result<Object> open_elf(ProgramKind kind, const ProgramConfig& config);
    [[nodiscard]] int trace_fd() const;

    std::unique_ptr<bpf_object, Close> handle_;
    bpf_program* program_ = nullptr;
    const char* program_name_ = nullptr;
};

// The slot that one of our programs was loaded for, from its constants; nullopt for a program without them.
std::optional<std::uint32_t> slot_of(const ProgramInfo& program);

// Tells one build of the programs from another.
std::uint64_t build_id();

}  // namespace fwctl::kernel
