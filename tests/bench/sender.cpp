// A sender in the kernel, as fast as a processor goes: sender INTERFACE PACKETS [FIRST FLOWS [answers]],
// frames in hexadecimal on stdin, a line each. Prints how many nanoseconds that took, and of the
// processor, which may have more to do. Several frames, all of
// the same length, go out in turn.
//
// With FLOWS, a power of two, the one frame is UDP over IPv4 without a checksum, and packet i is of flow
// (FIRST + i) % FLOWS: it has another source port, and from 65,536 flows on another destination port.
// `answers`: the other way around.
//
// BPF_PROG_TEST_RUN with live frames (Documentation/bpf/bpf_prog_run.rst) hands each frame to the device's
// own way out for XDP. A veth takes them where its peer has GRO or a program of XDP.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::int16_t kHeaders = 56;  // of each frame, what is written anew
constexpr int kLineBits = 6, kLine = 1 << kLineBits;

std::vector<Frame> read_frames() {
    std::ios::sync_with_stdio(false);
    std::vector<Frame> frames;
    for (std::string text; std::cin >> text;) {
        Frame frame;
        frame.resize(text.size() / 2);
        for (std::size_t i = 0; i < frame.size(); ++i)
            std::from_chars(&text[2 * i], &text[2 * i] + 2, frame[i], 16);
        frames.push_back(std::move(frame));
    }
    return frames;
}

// All are as long as the first one, which has what is written anew.
bool are_alike(const std::vector<Frame>& frames) {
    return !frames.empty() && frames.front().size() >= kHeaders &&
           std::all_of(frames.begin(), frames.end(),
                       [&](const Frame& one) { return one.size() == frames.front().size(); });
}

struct Flows {
    std::uint32_t first = 0;
    std::uint32_t count = 1;
    bool answers = false;
};

// The program, as it grows.
struct Code {
    std::vector<bpf_insn> instructions;

    void add(std::uint8_t operation, unsigned to, unsigned from, std::int16_t offset, std::int32_t value) {
        bpf_insn one{};
        one.code = operation;
        one.dst_reg = to & 0xf;
        one.src_reg = from & 0xf;
        one.off = offset;
        one.imm = value;
        instructions.push_back(one);
    }

    // Puts the address of the value of a map of one element into a register.
    void add_value(unsigned to, int map) {
        add(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_VALUE, 0, map);
        add(0, 0, 0, 0, 0);
    }
};

// Changes the ports of the frame at r2 to those of the next flow: r5 holds where their count is kept.
void append_flow(Code& code, const Flows& flows, int map) {
    constexpr std::int16_t kPorts = 34;
    const std::int16_t client = flows.answers ? kPorts + 2 : kPorts;
    const std::int16_t server = flows.answers ? kPorts : kPorts + 2;
    code.add_value(BPF_REG_5, map);
    code.add(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_6, BPF_REG_5, 0, 0);
    code.add(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    code.add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, 1);
    code.add(BPF_STX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_7, 0, 0);
    code.add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_6, 0, 0, static_cast<std::int32_t>(flows.first));
    code.add(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_6, 0, 0, static_cast<std::int32_t>(flows.count - 1));
    code.add(BPF_LDX | BPF_MEM | BPF_H, BPF_REG_7, BPF_REG_2, client, 0);
    code.add(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    code.add(BPF_STX | BPF_MEM | BPF_H, BPF_REG_2, BPF_REG_7, client, 0);
    code.add(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_6, 0, 0, 16);
    code.add(BPF_LDX | BPF_MEM | BPF_B, BPF_REG_7, BPF_REG_2, static_cast<std::int16_t>(server + 1), 0);
    code.add(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    code.add(BPF_STX | BPF_MEM | BPF_B, BPF_REG_2, BPF_REG_7, static_cast<std::int16_t>(server + 1), 0);
}

// A map of one element: a line of 64 bytes that has the number of the next frame, and one for each frame's
// headers.
int map_of(const std::vector<Frame>& frames) {
    std::vector<std::uint8_t> lines(kLine * (frames.size() + 1));
    for (std::size_t i = 0; i < frames.size(); ++i)
        std::copy_n(frames[i].begin(), kHeaders,
                    lines.begin() + static_cast<std::ptrdiff_t>(kLine * (i + 1)));
    const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "frames", sizeof(std::uint32_t),
                                   static_cast<std::uint32_t>(lines.size()), 1, nullptr);
    const std::uint32_t first = 0;
    return map >= 0 && bpf_map_update_elem(map, &first, lines.data(), BPF_ANY) == 0 ? map : -1;
}

// Writes the headers of the next of so many frames to r2.
void append_next(Code& code, std::size_t frames, int map) {
    const auto count = static_cast<std::int32_t>(frames);
    code.add_value(BPF_REG_5, map);
    code.add(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_6, BPF_REG_5, 0, 0);
    code.add(BPF_JMP | BPF_JLT | BPF_K, BPF_REG_6, 0, 1, count);
    code.add(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_6, 0, 0, 0);
    code.add(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_7, BPF_REG_6, 0, 0);
    code.add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, 1);
    code.add(BPF_STX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_7, 0, 0);
    code.add(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_6, 0, 0, kLineBits);
    code.add(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_5, BPF_REG_6, 0, 0);
    for (std::int16_t at = 0; at < kHeaders; at += 8) {
        code.add(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_7, BPF_REG_5, static_cast<std::int16_t>(kLine + at), 0);
        code.add(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_7, at, 0);
    }
}

// Writes the headers of the one frame, of the flow whose turn it is, to r2.
bool append_same(Code& code, const Frame& frame, const Flows& flows) {
    for (std::int16_t at = 0; at < kHeaders; at += 4) {
        std::int32_t word = 0;
        std::memcpy(&word, frame.data() + at, sizeof(word));
        code.add(BPF_ST | BPF_MEM | BPF_W, BPF_REG_2, 0, at, word);
    }
    if (flows.count == 1) return true;
    const int map =
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "sent", sizeof(std::uint32_t), sizeof(std::uint64_t), 1, nullptr);
    if (map >= 0) append_flow(code, flows, map);
    return map >= 0;
}

// Puts the headers back, which whoever had the page before has changed, and returns bpf_redirect(ifindex, 0).
int load_program(int ifindex, const std::vector<Frame>& frames, const Flows& flows) {
    Code code;
    auto& instructions = code.instructions;
    code.add(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(xdp_md, data), 0);
    code.add(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(xdp_md, data_end), 0);
    code.add(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0);
    code.add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, kHeaders);
    const std::size_t check = instructions.size();
    code.add(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0);
    if (frames.size() > 1) {
        const int map = map_of(frames);
        if (map < 0) return -1;
        append_next(code, frames.size(), map);
    } else if (!append_same(code, frames.front(), flows)) {
        return -1;
    }
    instructions[check].off = static_cast<std::int16_t>(instructions.size() - check - 1);
    code.add(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, ifindex);
    code.add(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0);
    code.add(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect);
    code.add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "sender", "GPL", instructions.data(), instructions.size(),
                         nullptr);
}

// Nanoseconds of the processor that this process has had, with what soft interrupts have done in its place.
std::int64_t processor_time() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 5 && argc != 6) return 2;
    Flows flows;
    if (argc > 3)
        flows = {static_cast<std::uint32_t>(std::atoi(argv[3])),
                 static_cast<std::uint32_t>(std::atoi(argv[4])), argc == 6};
    const auto frames = read_frames();
    if (!are_alike(frames)) return 2;
    const Frame& frame = frames.front();
    const int program = load_program(static_cast<int>(if_nametoindex(argv[1])), frames, flows);
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
    const auto began = std::chrono::steady_clock::now();
    const std::int64_t had = processor_time();
    if (program < 0 || bpf_prog_test_run_opts(program, &options) != 0) {
        fmt::print(stderr, "sender: {}\n", strerror(errno));
        return 1;
    }
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
    fmt::print("{} {}\n", took.count(), processor_time() - had);
    return 0;
}
