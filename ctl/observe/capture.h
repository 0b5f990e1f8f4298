// Writes packets as they are decided: what the engine hears of, chosen by a filter, as pcapng.
//
// Promises: a packet stands in the file as the program saw it, with verdict, reason, rule and backend beside
// it (docs/observe.md). Whole blocks are written, soon after the packets; from finish() on the file says how
// many there were and how many were lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/events.h"
#include "observe/capture_output.h"
#include "observe/packet_filter.h"
#include "observe/pcapng.h"

namespace fwctl::observe {

struct CaptureWish {
    std::uint64_t reasons = FW_REASONS_MASK;  // bit i: packets with reason i
    std::uint32_t points = FW_BEFORE;         // enum fw_point
    std::uint32_t snaplen = FW_MAX_CAPTURED;
    std::uint64_t count = 0;  // of packets; 0: without end
    std::string application;  // that writes the file
};

class Capture {
public:
    using GivesUp = std::function<bool()>;  // as CaptureOutput::write() asks

    // Writes what a file begins with. Errors as Events::open() and CaptureOutput::open() have them.
    static Result<Capture> start(const CaptureWish& wish, PacketFilter filter, const std::string& path,
                                 GivesUp gives_up);

    // Waits at most so long for the first packet, and writes all that there are.
    Status write_some(std::chrono::milliseconds wait);
    [[nodiscard]] bool is_done() const { return wish_.count != 0 && written_ == wish_.count; }
    // What a file ends with.
    Status finish();

    [[nodiscard]] std::uint64_t written() const { return written_; }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }
    [[nodiscard]] bool stood_still() { return events_.stood_still(); }
    // Whether there are packets of that link layer here.
    [[nodiscard]] bool has_link(fw_link link) const;
    [[nodiscard]] const PacketFilter& filter() const { return filter_; }

private:
    // Of the file; two attachments of one name, one after the other, are the same.
    struct Interface {
        std::string name;
        fw_link link = FW_LINK_ETHERNET;
        std::uint64_t received = 0;
        std::uint64_t written = 0;
    };

    Capture(CaptureWish wish, PacketFilter filter, engine::Events events, CaptureOutput output,
            GivesUp gives_up);
    void begin_file();
    // Its number, once the file has it.
    std::uint32_t number_of(const std::string& name, fw_link link);
    bool passes(const fw_event& event, const kernel::Frame& frame);
    Status put(const engine::Event& event);
    Status flush();

    CaptureWish wish_;
    PacketFilter filter_;
    engine::Events events_;
    CaptureOutput output_;
    GivesUp gives_up_;
    pcapng::Time began_ = std::chrono::system_clock::now();
    std::vector<Interface> interfaces_;
    std::map<std::uint32_t, std::uint32_t> by_slot_;  // numbers of interfaces, by attachments as they are now
    pcapng::Bytes blocks_;                            // that are not written yet
    std::uint64_t written_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace fwctl::observe
