// The program that edits and reads the tables of hosts (sets/fwctl_sets.bpf.c), run from here.
//
// Promises: it is on no interface, and gone with the object.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "fwctl/abi/members.h"
#include "kernel/map.h"

struct bpf_object;

namespace fwctl::kernel {

class SetProgram {
public:
    static Result<SetProgram> load(const Map& sets, const Map& set_pages);

    // What a job is about, FW_MAX_SET_REQUESTS of them.
    [[nodiscard]] std::span<fw_set_request> requests() const;

    // The job with its outcome. May be called by several threads for jobs that have no requests.
    [[nodiscard]] Result<fw_set_job> run(fw_set_job job) const;

private:
    struct Close {
        void operator()(bpf_object* object) const;
    };

    std::unique_ptr<bpf_object, Close> object_;
    Mapping requests_;
    int program_ = -1;
};

}  // namespace fwctl::kernel
