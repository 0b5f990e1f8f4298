// The program that edits and reads the tables of hosts (xdp/fwctl_sets.bpf.c), run from here.
//
// Promises: it is on no interface. What load() gives is gone with the object; what open() gives stays pinned
// for the next command, as the kernel takes longer to check the program than to run it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "fwctl/abi/members.h"
#include "kernel/map.h"

namespace fwctl::kernel {

class SetProgram {
public:
    static Result<SetProgram> load(const Map& sets, const Map& set_pages);
    // By its pins in that directory, which it makes where they are missing or of another build. Its requests
    // are everybody's who opens it: one at a time.
    static Result<SetProgram> open(const Map& sets, const Map& set_pages, const std::string& directory);

    // What a job is about, FW_MAX_SET_REQUESTS of them.
    [[nodiscard]] std::span<fw_set_request> requests() const;

    // The job with its outcome. May be called by several threads for jobs that have no requests.
    [[nodiscard]] Result<fw_set_job> run(fw_set_job job) const;

private:
    static Result<SetProgram> of(Fd program, Fd requests);

    Mapping requests_;
    Fd program_;
};

}  // namespace fwctl::kernel
