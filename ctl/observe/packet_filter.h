// A filter as tcpdump writes it, by libpcap.
//
// Promises: it says of a packet what tcpdump would say. What does not fit a link layer at all, as "ether
// host" where there is no Ethernet, matches none of its packets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "fwctl/abi/packet.h"

struct bpf_program;

namespace fwctl::engine {
struct PcapLibrary;
}

namespace fwctl::observe {

class PacketFilter {
public:
    // An empty text matches all. An error with Exit::kUsage when it fits no link layer.
    static Result<PacketFilter> compile(const std::string& text);

    // `length`: of the whole packet, of which the bytes are the first.
    [[nodiscard]] bool matches(fw_link link, std::span<const std::uint8_t> bytes, std::uint32_t length) const;
    // Why it fits packets of that link layer not at all; empty: it does.
    [[nodiscard]] const std::string& misfit(fw_link link) const { return misfits_[link]; }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    struct Free {
        const engine::PcapLibrary* library;
        void operator()(bpf_program* program) const;
    };
    using Program = std::unique_ptr<bpf_program, Free>;
    static constexpr std::size_t kLinks = 2;

    Status compile_for(fw_link link);

    const engine::PcapLibrary* library_ = nullptr;  // of a text that is not empty
    std::string text_;
    std::array<Program, kLinks> programs_;
    std::array<std::string, kLinks> misfits_;
};

}  // namespace fwctl::observe
