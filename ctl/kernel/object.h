// The BPF objects that are part of this executable.
//
// Promises: an Object is opened with the constants of one attachment and takes its maps from that state's
// pins; it is not loaded until load() or until libxdp loads it. Pins of maps that are missing are made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "fwctl/abi/packet.h"
#include "fwctl/abi/trace.h"
#include "kernel/bpffs.h"
#include "kernel/program.h"

struct bpf_object;
struct bpf_program;

namespace fwctl::kernel {

enum class ProgramKind { kXdp, kTcIn, kTcOut };

struct ProgramConfig {
    std::uint32_t slot = 0;
    fw_link link = FW_LINK_ETHERNET;
    bool may_rewrite = false;  // XDP: answers, redirects and forwards by itself
    bool hands_on = false;     // XDP: TC ingress, with `behind_xdp`, does what it may not
    bool behind_xdp = false;
    // For BPF_PROG_TEST_RUN alone: judge by a half of `policy` that may not hold yet, count nothing, note
    // what was compared.
    std::optional<std::uint32_t> half;
    bool silent = false;
    bool tracing = false;
};

class Object {
public:
    static Result<Object> open(ProgramKind kind, const ProgramConfig& config, const StatePaths& paths);

    Status load();

    [[nodiscard]] bpf_object* handle() const { return handle_.get(); }
    [[nodiscard]] const char* program_name() const { return program_name_; }
    [[nodiscard]] int program_fd() const;

    // What the last packet under BPF_PROG_TEST_RUN met; needs `tracing`.
    [[nodiscard]] Result<fw_trace> trace() const;

private:
    struct Close {
        void operator()(bpf_object* object) const;
    };

    std::unique_ptr<bpf_object, Close> handle_;
    bpf_program* program_ = nullptr;
    const char* program_name_ = nullptr;
};

// Makes the maps that all attachments of a network namespace share, and their pins; those that exist stay.
Status create_shared_maps(const StatePaths& paths);

// The slot that one of our programs was loaded for, from its constants; nullopt for a program without them.
std::optional<std::uint32_t> slot_of(const ProgramInfo& program);

// Tells one build of the programs from another.
std::uint64_t build_id();

}  // namespace fwctl::kernel
