#include "observe/pcapng.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace fwctl::observe::pcapng {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // section 4.1 of the draft
constexpr std::uint32_t kInterfaceDescription = 1;    // 4.2
constexpr std::uint32_t kEnhancedPacket = 6;          // 4.3
constexpr std::uint32_t kInterfaceStatistics = 5;     // 4.6

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint8_t kNanoseconds = 9;  // if_tsresol: 10^-9 s
constexpr std::size_t kLongestOption = 0xffff;

enum Option : std::uint16_t {
    kEnd = 0,
    kComment = 1,
    kApplication = 4,  // shb_userappl
    kName = 2,         // if_
    kResolution = 9,   // if_tsresol
    kFilter = 11,      // if_
    kFlags = 2,        // epb_
    kVerdict = 7,      // epb_
    kBegin = 2,        // isb_starttime
    kFinish = 3,       // isb_endtime
    kReceived = 4,     // isb_ifrecv
    kLost = 5,         // isb_ifdrop, which also holds what found no room in other writers' files
    kWritten = 8,      // isb_usrdeliv
};

// One that is being made at the end of a file.
class Block {
public:
    Block(Bytes& file, std::uint32_t type) : file_(file), begin_(file.size()) {
        put(type);
        put(std::uint32_t{0});  // the length
    }

    template <typename Number>
    void put(Number number) {
        static_assert(std::is_integral_v<Number>);
        append(&number, sizeof(number));
    }
    void put_padded(std::span<const std::uint8_t> bytes) {
        append(bytes.data(), bytes.size());
        file_.resize((file_.size() + 3) / 4 * 4);  // blocks begin at multiples of four
    }

    void put_option(Option code, std::span<const std::uint8_t> value) {
        put(static_cast<std::uint16_t>(code));
        put(static_cast<std::uint16_t>(value.size()));
        put_padded(value);
    }
    template <typename Number>
    void put_number(Option code, Number value) {
        static_assert(std::is_integral_v<Number>);
        put_option(code, std::span(reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)));
    }
    // Nothing of an empty one.
    void put_text(Option code, std::string_view text) {
        if (text.empty()) return;
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
        put_option(code, std::span(bytes, std::min(text.size(), kLongestOption)));
    }

    void end() {
        put(static_cast<std::uint16_t>(kEnd));
        put(std::uint16_t{0});
        const auto length = static_cast<std::uint32_t>(file_.size() - begin_ + sizeof(std::uint32_t));
        put(length);
        std::memcpy(&file_[begin_ + sizeof(std::uint32_t)], &length, sizeof(length));
    }

private:
    void append(const void* bytes, std::size_t size) {
        const auto* from = static_cast<const std::uint8_t*>(bytes);
        file_.insert(file_.end(), from, from + size);
    }

    Bytes& file_;
    std::size_t begin_;
};

// A point in time, as it is written: the upper half first.
std::array<std::uint32_t, 2> halves_of(Time time) {
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch());
    const auto all = static_cast<std::uint64_t>(since.count());
    return {static_cast<std::uint32_t>(all >> 32), static_cast<std::uint32_t>(all)};
}

void put_time(Block& block, Time time) {
    for (const std::uint32_t half : halves_of(time)) block.put(half);
}

void put_time_option(Block& block, Option code, Time time) {
    const auto halves = halves_of(time);
    block.put_option(code, std::span(reinterpret_cast<const std::uint8_t*>(halves.data()), sizeof(halves)));
}

}  // namespace

void put_section(Bytes& file, std::string_view application) {
    Block block(file, kSectionHeader);
    block.put(kByteOrderMagic);
    block.put(std::uint16_t{1});  // version 1.0
    block.put(std::uint16_t{0});
    block.put(std::int64_t{-1});  // the section's length is not known
    block.put_text(kApplication, application);
    block.end();
}

void put_interface(Bytes& file, const Interface& interface) {
    Block block(file, kInterfaceDescription);
    block.put(static_cast<std::uint16_t>(interface.link));
    block.put(std::uint16_t{0});
    block.put(interface.snaplen);
    block.put_text(kName, interface.name);
    block.put_number(kResolution, kNanoseconds);
    // The octet in front says that it is libpcap's language.
    if (!interface.filter.empty()) block.put_text(kFilter, std::string(1, '\0').append(interface.filter));
    block.end();
}

void put_packet(Bytes& file, const Packet& packet) {
    Block block(file, kEnhancedPacket);
    block.put(packet.interface);
    put_time(block, packet.time);
    block.put(static_cast<std::uint32_t>(packet.bytes.size()));
    block.put(packet.length);
    block.put_padded(packet.bytes);
    if (packet.direction)
        block.put_number(kFlags, std::uint32_t{static_cast<std::uint8_t>(*packet.direction)});
    std::array<std::uint8_t, 1 + sizeof(packet.verdict.action)> verdict{
        static_cast<std::uint8_t>(packet.verdict.type)};
    std::memcpy(&verdict[1], &packet.verdict.action, sizeof(packet.verdict.action));
    block.put_option(kVerdict, verdict);
    block.put_text(kComment, packet.comment);
    block.end();
}

void put_statistics(Bytes& file, const Statistics& statistics) {
    Block block(file, kInterfaceStatistics);
    block.put(statistics.interface);
    put_time(block, statistics.end);
    put_time_option(block, kBegin, statistics.begin);
    put_time_option(block, kFinish, statistics.end);
    block.put_number(kReceived, statistics.received);
    if (statistics.lost) block.put_number(kLost, *statistics.lost);
    block.put_number(kWritten, statistics.written);
    block.put_text(kComment, statistics.comment);
    block.end();
}

}  // namespace fwctl::observe::pcapng
