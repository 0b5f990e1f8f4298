// Frames through an attached program, one by one, by BPF_PROG_TEST_RUN: nothing is sent, all that the program
// knows is the attachment's own: policy, counters, interface, routes and neighbours.
//
//   through xdp|tc-in INTERFACE FROM TO
//
// FROM and TO are capture files (pcap, as this machine writes them). The seconds of a frame's time in TO are
// what the program has returned, so that nothing is lost and nothing made up.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "engine/hooks.h"
#include "engine/session.h"
#include "kernel/program.h"

namespace {

using namespace fwctl;

// https://datatracker.ietf.org/doc/html/draft-ietf-opsawg-pcap
constexpr std::size_t kFileHeader = 24;
struct RecordHeader {
    std::uint32_t seconds = 0;
    std::uint32_t microseconds = 0;
    std::uint32_t captured = 0;
    std::uint32_t length = 0;
};

Result<Fd> program_of(const char* interface, fw_hook hook, int& ifindex) {
    auto reading = engine::open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return fail("nothing is attached");
    auto state = (*reading)->store.read();
    if (!state) return tl::unexpected(state.error());
    const engine::Attachment* attachment = state->find(interface);
    if (attachment == nullptr) return fail("not attached");
    ifindex = attachment->ifindex();
    auto hooks = engine::inspect_hooks((*reading)->store, *attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    for (const engine::HookState& one : *hooks) {
        if (one.hook != hook || !one.present()) continue;
        std::uint32_t id = one.program_ids.front();
        // One in libxdp's dispatcher cannot be run by itself.
        if (one.shared && bpf_xdp_query_id(ifindex, 0, &id) != 0) return fail("there is no dispatcher");
        return kernel::open_program(id);
    }
    return fail("not attached at that hook");
}

class Program {
public:
    Program(Fd program, fw_hook hook, int ifindex)
        : program_(std::move(program)), is_xdp_(hook == FW_HOOK_XDP) {
        xdp_.ingress_ifindex = static_cast<std::uint32_t>(ifindex);
        skb_.ifindex = static_cast<std::uint32_t>(ifindex);
    }

    // What it returns; `frame` becomes what it has made of it.
    Result<std::uint32_t> run(std::string& frame) {
        constexpr std::size_t kRoomToGrow = 2048;
        std::string out(frame.size() + kRoomToGrow, '\0');
        xdp_md xdp = xdp_;
        __sk_buff skb = skb_;
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        options.data_out = out.data();
        options.data_size_out = static_cast<std::uint32_t>(out.size());
        xdp.data_end = static_cast<std::uint32_t>(frame.size());
        options.ctx_in = options.ctx_out = is_xdp_ ? static_cast<void*>(&xdp) : &skb;
        options.ctx_size_in = options.ctx_size_out =
            static_cast<std::uint32_t>(is_xdp_ ? sizeof(xdp) : sizeof(skb));
        if (const int error = bpf_prog_test_run_opts(program_.get(), &options); error != 0)
            return fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
        out.resize(options.data_size_out);
        // What XDP has put in front of the frame is no part of it.
        if (is_xdp_) out.erase(0, xdp.data - xdp.data_meta);
        frame = std::move(out);
        return options.retval;
    }

private:
    Fd program_;
    bool is_xdp_;
    xdp_md xdp_{};
    __sk_buff skb_{};
};

Status run_all(Program& program, const std::string& from, std::ofstream& to) {
    to.write(from.data(), kFileHeader);
    for (std::size_t at = kFileHeader; at + sizeof(RecordHeader) <= from.size();) {
        RecordHeader header;
        std::memcpy(&header, &from[at], sizeof(header));
        std::string frame = from.substr(at + sizeof(header), header.captured);
        at += sizeof(header) + header.captured;
        auto action = program.run(frame);
        if (!action) return tl::unexpected(action.error());
        const auto size = static_cast<std::uint32_t>(frame.size());
        header = {*action, 0, size, size};
        to.write(reinterpret_cast<const char*>(&header), sizeof(header));
        to.write(frame.data(), static_cast<std::streamsize>(frame.size()));
    }
    return to.flush() ? Status{} : fail("cannot be written");
}

Status pass_through(fw_hook hook, const char* interface, const char* from, const char* to) {
    int ifindex = 0;
    auto descriptor = program_of(interface, hook, ifindex);
    if (!descriptor) return tl::unexpected(descriptor.error());
    std::ifstream input(from, std::ios::binary);
    const std::string frames{std::istreambuf_iterator<char>(input), {}};
    if (frames.size() < kFileHeader) return fail("no frames to read");
    std::ofstream output(to, std::ios::binary);
    Program program(std::move(*descriptor), hook, ifindex);
    return run_all(program, frames, output);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const fw_hook hook = std::string_view(argv[1]) == "xdp" ? FW_HOOK_XDP : FW_HOOK_TC_IN;
    const Status done = pass_through(hook, argv[2], argv[3], argv[4]);
    if (done) return 0;
    fmt::print(stderr, "through {}: {}\n", argv[2], done.error().message);
    return 1;
}
