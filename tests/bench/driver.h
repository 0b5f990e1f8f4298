// Runs a program under BPF_PROG_TEST_RUN with another packet in each turn, and takes its time.
//
// Promises: the time is taken by the kernel's program itself, so that what a call costs is not in it; what
// the driver takes for itself is (see measure.h). Runs on one processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "flows.h"

struct fwctl_bench_vary;

namespace fwctl::bench {

class Driver {
public:
    // In a network namespace whose loopback interface nobody uses.
    static Result<Driver> load();

    // The packets from now on: as many as the longest run asks for, at most BENCH_FLOWS.
    // Where they are fresh, which IPv4 ones can be, a packet that comes again has another source and is of
    // another flow.
    void set_flows(const Maker& maker, std::size_t count, std::uint64_t seed, bool fresh);
    // Where packets come in from now on, an interface with a native XDP program; programs under test may put
    // headers in front of them.
    void enter_at(int ifindex) { ifindex_ = ifindex; }
    // One packet of each of `count` flows.
    Status send(int program, std::uint32_t first, std::uint32_t count);
    // Packets of both ends of the first flows, a multiple of 256, so that whoever follows flows knows all of
    // them as answered.
    Status establish(int program, std::uint32_t count);
    // The first packets again, for the oracle.
    [[nodiscard]] const std::vector<Flow>& sample() const { return sample_; }

    // Nanoseconds per packet of `turns` packets behind `warm_up` ones that are not timed. They are the first
    // `flows` ones (a power of two) again and again; each call goes on where the one before has ended.
    Result<double> time(int program, std::uint32_t flows, std::uint32_t warm_up, std::uint32_t turns);
    // The packets, as they are written: who changes them puts them back.
    [[nodiscard]] std::span<bench_flow> flows() const { return {flows_, BENCH_FLOWS}; }
    // What the program answers to one packet: XDP_*.
    Result<int> judge(int program, std::uint32_t flow) const;
    struct Answer {
        int action = 0;
        std::vector<std::uint8_t> frame;  // as it came out
    };
    Result<Answer> answer(int program, std::uint32_t flow) const;

private:
    struct Destroy {
        void operator()(fwctl_bench_vary* skeleton) const;
    };
    void turn_around(std::uint32_t first, std::uint32_t count);
    [[nodiscard]] bench_clock untimed(std::uint32_t first) const;
    [[nodiscard]] Result<Answer> run(int program, std::uint32_t turns) const;

    std::unique_ptr<fwctl_bench_vary, Destroy> skeleton_;
    bench_flow* flows_ = nullptr;
    bench_ipv6* ipv6_ = nullptr;
    std::vector<Flow> sample_;
    bool fresh_ = false;
    std::uint32_t turn_ = 0;  // the next one that is measured
    int ifindex_ = 0;
};

}  // namespace fwctl::bench
