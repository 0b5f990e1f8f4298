#include "driver.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "skeleton/fwctl_bench_vary.skel.h"

namespace fwctl::bench {
namespace {

constexpr std::size_t kSample = 2000;

template <typename Value>
Value* map_memory(const bpf_map* map) {
    void* at =
        mmap(nullptr, sizeof(Value) * BENCH_FLOWS, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return at == MAP_FAILED ? nullptr : static_cast<Value*>(at);
}

// Goes before all other work of its processor while it lives.
class Undisturbed {
public:
    Undisturbed() { schedule(SCHED_FIFO, 1); }
    ~Undisturbed() { schedule(SCHED_OTHER, 0); }
    Undisturbed(const Undisturbed&) = delete;
    Undisturbed& operator=(const Undisturbed&) = delete;

private:
    // Where that is not allowed the spread shows it.
    static void schedule(int policy, int priority) {
        const sched_param parameter{priority};
        (void)sched_setscheduler(0, policy, &parameter);
    }
};

// The kernel waits for two grace periods where a test run is the only user of a program of XDP, before and
// after it: far longer than most runs take. So the program has another user, an interface that is down.
int keep_in_use(int program) {
    constexpr int kLoopback = 1;  // the number that it has in each network namespace
    return bpf_xdp_attach(kLoopback, program, XDP_FLAGS_SKB_MODE, nullptr);
}

}  // namespace

void Driver::Destroy::operator()(fwctl_bench_vary* skeleton) const {
    fwctl_bench_vary::destroy(skeleton);
}

Result<Driver> Driver::load() {
    Driver driver;
    driver.skeleton_.reset(fwctl_bench_vary::open_and_load());
    if (!driver.skeleton_) return fail(fmt::format("the driver cannot be loaded: {}", strerror(errno)));
    if (const int error = keep_in_use(bpf_program__fd(driver.skeleton_->progs.vary)); error != 0)
        return fail(fmt::format("the driver cannot be attached: {}", strerror(-error)));
    driver.flows_ = map_memory<bench_flow>(driver.skeleton_->maps.flows);
    driver.ipv6_ = map_memory<bench_ipv6>(driver.skeleton_->maps.ipv6_addresses);
    if (driver.flows_ == nullptr || driver.ipv6_ == nullptr)
        return fail(fmt::format("cannot map a map's memory: {}", strerror(errno)));
    return driver;
}

void Driver::set_flows(const Maker& maker, std::size_t count, std::uint64_t seed, bool fresh) {
    fresh_ = fresh;
    generate::Random random(seed);
    sample_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        const Flow flow = maker(random);
        flows_[i] = record_of(flow);
        if (flow.family == policy::Family::kIpv6) ipv6_[i] = addresses_of(flow);
        if (i < kSample) sample_.push_back(flow);
    }
}

// The answers: IPv4 alone, which is what is measured.
void Driver::turn_around(std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = first; i < first + count; ++i) {
        std::swap(flows_[i].source, flows_[i].destination);
        flows_[i].layer4 = flows_[i].layer4 << 16 | flows_[i].layer4 >> 16;
    }
}

// No clock is read.
bench_clock Driver::untimed(std::uint32_t first) const {
    constexpr std::uint32_t kNever = 0xffffffff;
    bench_clock clock{};
    clock.turn = first;
    clock.mask = clock.first = clock.last = kNever;
    clock.restores = ifindex_ != 0 ? 1 : 0;
    return clock;
}

Status Driver::send(int program, std::uint32_t first, std::uint32_t count) {
    skeleton_->bss->bench = untimed(first);
    if (auto ran = run(program, count); !ran) return tl::unexpected(ran.error());
    return {};
}

// A few at a time, as new flows push out each other.
Status Driver::establish(int program, std::uint32_t count) {
    const std::uint32_t few = std::max(count / 256, 1U);
    for (std::uint32_t first = 0; first < count; first += few) {
        for (int turn = 0; turn < 3; ++turn) {
            if (turn > 0) turn_around(first, few);
            if (auto sent = send(program, first, few); !sent) return sent;
        }
    }
    return {};
}

Result<Driver::Answer> Driver::run(int program, std::uint32_t turns) const {
    constexpr std::size_t kRoomToGrow = 128;
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.under_test), &zero, &program, BPF_ANY) != 0)
        return fail(fmt::format("cannot hand over to the program: {}", strerror(errno)));
    std::array<std::uint8_t, BENCH_FRAME> frame{};
    Answer answer;
    answer.frame.resize(frame.size() + kRoomToGrow);
    xdp_md at{};
    at.data_end = frame.size();
    at.ingress_ifindex = static_cast<std::uint32_t>(ifindex_);
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = frame.size();
    options.data_out = answer.frame.data();
    options.data_size_out = static_cast<std::uint32_t>(answer.frame.size());
    options.ctx_in = options.ctx_out = &at;
    options.ctx_size_in = options.ctx_size_out = sizeof(at);
    options.repeat = static_cast<int>(turns);
    const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.vary), &options);
    if (error != 0) return fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
    answer.action = static_cast<int>(options.retval);
    answer.frame.resize(options.data_size_out);
    answer.frame.erase(answer.frame.begin(), answer.frame.begin() + (at.data - at.data_meta));
    return answer;
}

Result<double> Driver::time(int program, std::uint32_t flows, std::uint32_t warm_up, std::uint32_t turns) {
    constexpr std::uint32_t kAllBits = 0xffffffff;
    bench_clock& clock = skeleton_->bss->bench;
    clock = untimed(turn_);
    clock.mask = flows - 1;
    clock.fresh = fresh_ ? kAllBits : 0;
    clock.first = turn_ + warm_up;
    clock.last = clock.first + turns;
    turn_ = clock.last + 1;
    const Undisturbed undisturbed;
    if (auto ran = run(program, warm_up + turns + 1); !ran) return tl::unexpected(ran.error());
    return static_cast<double>(clock.ended - clock.began) / turns;
}

Result<int> Driver::judge(int program, std::uint32_t flow) const {
    auto its = answer(program, flow);
    if (!its) return tl::unexpected(its.error());
    return its->action;
}

Result<Driver::Answer> Driver::answer(int program, std::uint32_t flow) const {
    skeleton_->bss->bench = untimed(flow);
    return run(program, 1);
}

}  // namespace fwctl::bench
