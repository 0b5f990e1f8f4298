// The packets of a capture file, pcap or pcapng, by libpcap.
//
// Promises: packets come in the order of the file, with their whole length: where the capture has cut the end
// off, there are zeros instead.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/packet.h"

struct pcap;

namespace fwctl::engine {

struct PcapLibrary;

class CaptureFile {
public:
    // "-" is the standard input. An error for captures of another link layer than Ethernet and IP.
    static Result<CaptureFile> open(const std::string& path);

    // nullopt: there are no more.
    Result<std::optional<std::vector<std::uint8_t>>> next();
    [[nodiscard]] fw_link link() const { return link_; }

private:
    struct Close {
        const PcapLibrary* library;
        void operator()(pcap* handle) const;
    };
    using Handle = std::unique_ptr<pcap, Close>;

    const PcapLibrary* library_ = nullptr;
    Handle handle_;
    std::string path_;
    fw_link link_ = FW_LINK_ETHERNET;
};

}  // namespace fwctl::engine
