#include "observe/packet_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "engine/pcap_library.h"
#include "fwctl/abi/limits.h"

namespace fwctl::observe {
namespace {

int type_of(fw_link link) {
    return link == FW_LINK_ETHERNET ? DLT_EN10MB : DLT_RAW;
}

// Whether it asks the kernel's socket rather than the packet, as "inbound" and "ifindex" do: SKF_AD_OFF of
// linux/filter.h.
bool asks_socket(const bpf_program& program) {
    constexpr std::uint32_t kFirstAncillary = 0xfffff000;
    const std::span instructions(program.bf_insns, program.bf_len);
    return std::any_of(instructions.begin(), instructions.end(), [](const bpf_insn& one) {
        return BPF_CLASS(one.code) == BPF_LD && BPF_MODE(one.code) == BPF_ABS && one.k >= kFirstAncillary;
    });
}

}  // namespace

void PacketFilter::Free::operator()(bpf_program* program) const {
    library->freecode(program);
    delete program;
}

Status PacketFilter::compile_for(fw_link link) {
    const std::unique_ptr<pcap_t, decltype(library_->close)> nobody(
        library_->open_dead(type_of(link), FW_MAX_CAPTURED), library_->close);
    if (!nobody) return fail("cannot compile the filter: no memory");
    const auto refuse = [&](std::string_view why) {
        return fail(fmt::format("the filter \"{}\": {}; see pcap-filter(7)", text_, why), Exit::kUsage);
    };
    Program program(new bpf_program{}, {library_});
    if (library_->compile(nobody.get(), program.get(), text_.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
        return refuse(library_->geterr(nobody.get()));
    if (asks_socket(*program)) return refuse("it asks for what does not stand in the packet");
    programs_[link] = std::move(program);
    return {};
}

Result<PacketFilter> PacketFilter::compile(const std::string& text) {
    PacketFilter filter;
    filter.text_ = text;
    if (text.empty()) return filter;
    const auto library = engine::pcap_library();
    if (!library) return tl::unexpected(library.error());
    filter.library_ = *library;
    const auto first = filter.compile_for(FW_LINK_ETHERNET);
    if (!first) filter.misfits_[FW_LINK_ETHERNET] = first.error().message;
    const auto second = filter.compile_for(FW_LINK_IP);
    if (!second) filter.misfits_[FW_LINK_IP] = second.error().message;
    if (!first && !second) return tl::unexpected(first.error());
    return filter;
}

bool PacketFilter::matches(fw_link link, std::span<const std::uint8_t> bytes, std::uint32_t length) const {
    if (text_.empty()) return true;
    if (!programs_[link]) return false;
    pcap_pkthdr header{};
    header.caplen = static_cast<std::uint32_t>(bytes.size());
    header.len = length;
    return library_->offline_filter(programs_[link].get(), &header, bytes.data()) != 0;
}

}  // namespace fwctl::observe
