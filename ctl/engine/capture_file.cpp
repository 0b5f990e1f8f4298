#include "engine/capture_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/pcap_library.h"

namespace fwctl::engine {
namespace {

// A frame of which more than this is missing would be made of nothing but zeros.
constexpr std::uint32_t kLongestFrame = 1 << 18;

}  // namespace

void CaptureFile::Close::operator()(pcap* handle) const {
    library->close(handle);
}

Result<CaptureFile> CaptureFile::open(const std::string& path) {
    const auto library = pcap_library();
    if (!library) return tl::unexpected(library.error());
    const PcapLibrary& pcap = **library;
    std::array<char, PCAP_ERRBUF_SIZE> error{};
    CaptureFile file;
    file.library_ = &pcap;
    file.path_ = path == "-" ? "the standard input" : path;
    file.handle_ = Handle(pcap.open_offline(path.c_str(), error.data()), {&pcap});
    if (!file.handle_) {
        const std::string why = error.data();
        return fail(why.starts_with(path + ":") ? why : fmt::format("{}: {}", file.path_, why), Exit::kUsage);
    }
    switch (const int type = pcap.datalink(file.handle_.get())) {
        case DLT_EN10MB:
            file.link_ = FW_LINK_ETHERNET;
            break;
        case DLT_RAW:
        case DLT_IPV4:
        case DLT_IPV6:
            file.link_ = FW_LINK_IP;
            break;
        default: {
            const char* name = pcap.datalink_val_to_name(type);
            return fail(fmt::format("{} has packets of the link layer {}; Ethernet and raw IP are read",
                                    file.path_, name == nullptr ? std::to_string(type) : name),
                        Exit::kUsage);
        }
    }
    return file;
}

Result<std::optional<std::vector<std::uint8_t>>> CaptureFile::next() {
    pcap_pkthdr* header = nullptr;
    const unsigned char* bytes = nullptr;
    switch (library_->next_ex(handle_.get(), &header, &bytes)) {
        case 1: {
            std::vector<std::uint8_t> frame(bytes, bytes + header->caplen);
            frame.resize(std::max<std::size_t>(frame.size(), std::min(header->len, kLongestFrame)));
            return frame;
        }
        case PCAP_ERROR_BREAK:
            return std::nullopt;
        default:
            return fail(fmt::format("{}: {}", path_, library_->geterr(handle_.get())));
    }
}

}  // namespace fwctl::engine
