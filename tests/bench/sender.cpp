// A sender in the kernel, as fast as a processor goes: sender INTERFACE PACKETS [FIRST FLOWS [answers]], a
// frame in hexadecimal on stdin.
//
// With FLOWS, a power of two, the frame is UDP over IPv4 without a checksum, and packet i is of flow
// (FIRST + i) % FLOWS: it has another source port, and from 65,536 flows on another destination port.
// `answers`: the other way around.
//
// BPF_PROG_TEST_RUN with live frames (Documentation/bpf/bpf_prog_run.rst) hands each frame to the device's
// own way out for XDP. A veth takes them where its peer has GRO or a program of XDP.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::vector<std::uint8_t> read_frame() {
    std::string text;
    std::cin >> text;
    std::vector<std::uint8_t> frame;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        frame.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return frame;
}

struct Flows {
    std::uint32_t first = 0;
    std::uint32_t count = 1;
    bool answers = false;
};

// Changes the ports of the frame at r2 to those of the next flow: r5 holds where their count is kept.
void append_flow(std::vector<bpf_insn>& code, const Flows& flows, int map) {
    constexpr std::int16_t kPorts = 34;
    const std::int16_t client = flows.answers ? kPorts + 2 : kPorts;
    const std::int16_t server = flows.answers ? kPorts : kPorts + 2;
    const auto add = [&](std::uint8_t operation, unsigned to, unsigned from, std::int16_t offset,
                         std::int32_t value) {
        bpf_insn one{};
        one.code = operation;
        one.dst_reg = to & 0xf;
        one.src_reg = from & 0xf;
        one.off = offset;
        one.imm = value;
        code.push_back(one);
    };
    add(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_5, BPF_PSEUDO_MAP_VALUE, 0, map);
    add(0, 0, 0, 0, 0);
    add(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_6, BPF_REG_5, 0, 0);
    add(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, 1);
    add(BPF_STX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_7, 0, 0);
    add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_6, 0, 0, static_cast<std::int32_t>(flows.first));
    add(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_6, 0, 0, static_cast<std::int32_t>(flows.count - 1));
    add(BPF_LDX | BPF_MEM | BPF_H, BPF_REG_7, BPF_REG_2, client, 0);
    add(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    add(BPF_STX | BPF_MEM | BPF_H, BPF_REG_2, BPF_REG_7, client, 0);
    add(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_6, 0, 0, 16);
    add(BPF_LDX | BPF_MEM | BPF_B, BPF_REG_7, BPF_REG_2, static_cast<std::int16_t>(server + 1), 0);
    add(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    add(BPF_STX | BPF_MEM | BPF_B, BPF_REG_2, BPF_REG_7, static_cast<std::int16_t>(server + 1), 0);
}

// Puts the headers back, which whoever had the page before has changed, and returns bpf_redirect(ifindex, 0).
int load_program(int ifindex, const std::vector<std::uint8_t>& frame, const Flows& flows) {
    constexpr std::int16_t kHeaders = 56;
    if (frame.size() < kHeaders) return -1;
    std::vector<bpf_insn> code = {
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(xdp_md, data), 0},
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(xdp_md, data_end), 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, kHeaders},
        {BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0},
    };
    const std::size_t check = code.size() - 1;
    for (std::int16_t at = 0; at < kHeaders; at += 4) {
        std::int32_t word = 0;
        std::memcpy(&word, frame.data() + at, sizeof(word));
        code.push_back({BPF_ST | BPF_MEM | BPF_W, BPF_REG_2, 0, at, word});
    }
    if (flows.count > 1) {
        const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sent", sizeof(std::uint32_t),
                                       sizeof(std::uint64_t), 1, nullptr);
        if (map < 0) return -1;
        append_flow(code, flows, map);
    }
    code[check].off = static_cast<std::int16_t>(code.size() - check - 1);
    code.push_back({BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, ifindex});
    code.push_back({BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0});
    code.push_back({BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect});
    code.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "sender", "GPL", code.data(), code.size(), nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 5 && argc != 6) return 2;
    Flows flows;
    if (argc > 3)
        flows = {static_cast<std::uint32_t>(std::atoi(argv[3])),
                 static_cast<std::uint32_t>(std::atoi(argv[4])), argc == 6};
    const auto frame = read_frame();
    const int program = load_program(static_cast<int>(if_nametoindex(argv[1])), frame, flows);
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = std::atoi(argv[2]);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    if (program < 0 || bpf_prog_test_run_opts(program, &options) != 0) {
        fmt::print(stderr, "sender: {}\n", strerror(errno));
        return 1;
    }
    return 0;
}
