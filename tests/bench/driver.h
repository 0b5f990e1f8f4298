// Runs a program under BPF_PROG_TEST_RUN with another packet in each turn, and takes its time.
//
// Promises: the time is taken by the kernel's program itself, so that what a call costs is not in it; what
// the driver takes for itself is (see measure.h). Runs on one processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "flows.h"

struct fwctl_bench_vary;

namespace fwctl::bench {

class Driver {
public:
    static Result<Driver> load();

    // The packets from now on: as many as the longest run asks for, at most BENCH_FLOWS.
    // Fresh: a packet that is like one before has another source port, so that it is of another flow.
    void set_flows(const Maker& maker, std::size_t count, std::uint64_t seed, bool fresh);
    // Packets of both ends of the first flows, a multiple of 256, so that whoever follows flows knows all of
    // them as answered.
    Status establish(int program, std::uint32_t count);
    // The first packets again, for the oracle.
    [[nodiscard]] const std::vector<Flow>& sample() const { return sample_; }

    // Nanoseconds per packet of `turns` packets, which are the first `flows` ones (a power of two) again and
    // again; each has been seen before.
    Result<double> time(int program, std::uint32_t flows, std::uint32_t turns) const;
    // What the program answers to one packet: XDP_*.
    Result<int> judge(int program, std::uint32_t flow) const;

private:
    struct Destroy {
        void operator()(fwctl_bench_vary* skeleton) const;
    };
    void turn_around(std::uint32_t first, std::uint32_t count);
    [[nodiscard]] Result<int> run(int program, std::uint32_t turns) const;

    std::unique_ptr<fwctl_bench_vary, Destroy> skeleton_;
    bench_flow* flows_ = nullptr;
    bench_ipv6* ipv6_ = nullptr;
    std::vector<Flow> sample_;
    bool fresh_ = false;
};

}  // namespace fwctl::bench
