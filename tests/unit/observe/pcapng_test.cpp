// Against blocks that were put together by hand from the draft.
#include "observe/pcapng.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace fwctl::observe::pcapng {
namespace {

class Expected {
public:
    Expected& u16(std::uint16_t number) { return add(&number, sizeof(number)); }
    Expected& u32(std::uint32_t number) { return add(&number, sizeof(number)); }
    Expected& u64(std::uint64_t number) { return add(&number, sizeof(number)); }
    Expected& text(std::string_view text) { return add(text.data(), text.size()); }
    Expected& zeros(std::size_t count) {
        bytes_.resize(bytes_.size() + count);
        return *this;
    }
    [[nodiscard]] const Bytes& bytes() const { return bytes_; }

private:
    Expected& add(const void* from, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        bytes_.insert(bytes_.end(), bytes, bytes + size);
        return *this;
    }
    Bytes bytes_;
};

const Time kTime{std::chrono::nanoseconds(0x1234567890abcdef)};

TEST(PcapngTest, ASection) {
    Bytes file;
    put_section(file, "fwctl");
    Expected expected;
    expected.u32(0x0a0d0d0a).u32(44).u32(0x1a2b3c4d).u16(1).u16(0).u64(~0ULL);
    expected.u16(4).u16(5).text("fwctl").zeros(3).u32(0).u32(44);
    EXPECT_EQ(file, expected.bytes());
}

TEST(PcapngTest, AnInterface) {
    Bytes file;
    put_interface(file, {.name = "wg0", .link = LinkType::kRawIp, .snaplen = 96, .filter = "udp"});
    Expected expected;
    expected.u32(1).u32(48).u16(101).u16(0).u32(96);
    expected.u16(2).u16(3).text("wg0").zeros(1).u16(9).u16(1).text("\x09").zeros(3);
    expected.u16(11).u16(4).zeros(1).text("udp").u32(0).u32(48);
    EXPECT_EQ(file, expected.bytes());
}

TEST(PcapngTest, APacket) {
    const Bytes bytes = {1, 2, 3, 4, 5};
    Bytes file;
    put_packet(file, {.interface = 7,
                      .time = kTime,
                      .bytes = bytes,
                      .length = 60,
                      .direction = Direction::kOutbound,
                      .verdict = {Verdict::Type::kTc, -1},
                      .comment = "pass"});
    Expected expected;
    expected.u32(6).u32(76).u32(7).u32(0x12345678).u32(0x90abcdef).u32(5).u32(60);
    expected.text("\1\2\3\4\5").zeros(3).u16(2).u16(4).u32(2);
    expected.u16(7).u16(9).text("\1").u64(~0ULL).zeros(3).u16(1).u16(4).text("pass").u32(0).u32(76);
    EXPECT_EQ(file, expected.bytes());
}

TEST(PcapngTest, APacketOfNothingInNoDirection) {
    Bytes file;
    put_packet(file, {.time = kTime, .verdict = {Verdict::Type::kXdp, 2}});
    Expected expected;
    expected.u32(6).u32(52).u32(0).u32(0x12345678).u32(0x90abcdef).u32(0).u32(0);
    expected.u16(7).u16(9).text("\2").u64(2).zeros(3).u32(0).u32(52);
    EXPECT_EQ(file, expected.bytes());
}

TEST(PcapngTest, Statistics) {
    Bytes file;
    put_statistics(file,
                   {.interface = 1, .begin = Time{}, .end = kTime, .received = 9, .written = 5, .lost = 3});
    Expected expected;
    expected.u32(5).u32(88).u32(1).u32(0x12345678).u32(0x90abcdef);
    expected.u16(2).u16(8).u64(0).u16(3).u16(8).u32(0x12345678).u32(0x90abcdef);
    expected.u16(4).u16(8).u64(9).u16(5).u16(8).u64(3).u16(8).u16(8).u64(5).u32(0).u32(88);
    EXPECT_EQ(file, expected.bytes());
    Bytes unknown;
    put_statistics(unknown, {.end = kTime});
    EXPECT_EQ(unknown.size(), file.size() - 12) << "what is not known is not said";
}

TEST(PcapngTest, TextThatIsTooLongIsCut) {
    Bytes file;
    put_packet(file, {.time = kTime, .comment = std::string(100'000, 'z')});
    std::uint32_t length = 0;
    std::memcpy(&length, &file[4], sizeof(length));
    EXPECT_EQ(length, file.size());
    EXPECT_EQ(std::count(file.begin(), file.end(), 'z'), 65535);
}

// Whatever is put behind each other: blocks of whole words that say their length at both ends.
TEST(PcapngTest, BlocksFollowEachOther) {
    Bytes file, bytes(1500);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    put_section(file, "x");
    put_interface(file, {.name = "eth0"});
    for (std::size_t size = 0; size < bytes.size(); size += 7)
        put_packet(file, {.bytes = std::span(bytes).first(size), .comment = std::string(size % 9, 'c')});
    std::size_t blocks = 0;
    for (std::size_t at = 0; at < file.size(); ++blocks) {
        std::uint32_t front = 0, behind = 0;
        std::memcpy(&front, &file[at + 4], sizeof(front));
        ASSERT_EQ(front % 4, 0U);
        ASSERT_LE(at + front, file.size());
        std::memcpy(&behind, &file[at + front - 4], sizeof(behind));
        ASSERT_EQ(front, behind);
        at += front;
    }
    EXPECT_EQ(blocks, 2 + (bytes.size() + 6) / 7);
}

}  // namespace
}  // namespace fwctl::observe::pcapng
