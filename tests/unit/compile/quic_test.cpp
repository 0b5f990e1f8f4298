#include "compile/quic.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <random>

#include "fwctl/abi/image.h"
#include "fwctl/abi/quic.h"

namespace fwctl::compile {
namespace {

using policy::ServerId;

struct World {
    policy::Vip vip;
    Numbers numbers;
    std::map<ServerId, std::uint16_t> owners;
};

// `count` ids over four backends.
World world(std::size_t count, std::uint8_t length, unsigned seed) {
    std::mt19937 random(seed);
    World made;
    made.vip.name = "web";
    made.vip.quic = {{1, 6}, length};
    for (int i = 0; i < 4; ++i) made.vip.backends.emplace_back().name = fmt::format("b{}", i);
    EXPECT_TRUE(made.numbers.assign(std::vector{made.vip}));
    while (made.owners.size() < count) {
        ServerId id(length);
        for (std::uint8_t& octet : id) octet = static_cast<std::uint8_t>(random());
        policy::Backend& backend = made.vip.backends[made.owners.size() % 4];
        if (made.owners.emplace(id, made.numbers.backend("web", backend.name)).second)
            backend.server_ids.push_back(id);
    }
    return made;
}

// As include/fwctl/abi/quic.h says.
std::uint32_t find(const Bank& bank, const fw_quic& quic, const ServerId& id) {
    std::array<std::uint8_t, 16> key{};
    std::copy(id.begin(), id.end(), key.begin());
    key[15] = static_cast<std::uint8_t>(id.size());
    std::array<std::uint64_t, 2> halves{};
    std::memcpy(halves.data(), key.data(), sizeof(halves));
    const std::uint32_t first = fw_server_hash(halves[0], halves[1]);
    for (std::uint32_t probe = 0; probe < FW_SERVER_PROBES; ++probe) {
        const auto server = bank.get<fw_server>(quic.servers + ((first + probe) & quic.server_mask) * 8);
        if (server.backend == 0) return 0;
        if (std::memcmp(&server, key.data(), key.size()) == 0) return server.backend;
    }
    return 0;
}

TEST(QuicTable, HasEveryIdAndNoOther) {
    for (const std::size_t count : {0U, 1U, 2U, 3U, 100U, 255U, 5000U}) {
        const std::uint8_t length = count < 256 ? 1 : 3;
        const World made = world(count, length, static_cast<unsigned>(count));
        Bank bank;
        bank.reserve(7, 1);
        const Address place = put_quic(made.vip, made.numbers, bank);
        const auto quic = bank.get<fw_quic>(place);
        EXPECT_EQ(place % 4, 0U);
        EXPECT_EQ(quic.servers % 8, 0U);
        EXPECT_EQ(quic.server_mask & (quic.server_mask + 1), 0U) << "a power of two";
        EXPECT_LE(quic.server_mask, std::max<std::size_t>(8 * count, 1)) << "no more room than it takes";
        for (unsigned config = 0; config < FW_QUIC_CONFIGS; ++config)
            EXPECT_EQ(quic.id_length[config], config == 1 || config == 6 ? length : 0) << config;
        for (const auto& [id, number] : made.owners) EXPECT_EQ(find(bank, quic, id), number);
        for (unsigned i = 0; i < 256; ++i) {
            ServerId id(length, static_cast<std::uint8_t>(i));
            if (made.owners.count(id) == 0) {
                EXPECT_EQ(find(bank, quic, id), 0U) << i;
            }
            id.push_back(0);
            EXPECT_EQ(find(bank, quic, id), 0U) << "a longer one";
        }
    }
}

// A step of one is the worst for a table that is searched place by place.
TEST(QuicTable, IdsThatFollowEachOtherFindRoom) {
    for (const std::uint8_t length : {2, 4, 15}) {
        World made = world(0, length, 1);
        for (unsigned i = 0; i < 4000; ++i) {
            ServerId id(length);
            id[length - 1U] = static_cast<std::uint8_t>(i);
            id[length - 2U] = static_cast<std::uint8_t>(i >> 8);
            made.vip.backends[i % 4].server_ids.push_back(id);
        }
        Bank bank;
        const auto quic = bank.get<fw_quic>(put_quic(made.vip, made.numbers, bank));
        EXPECT_LT(quic.server_mask, 32'768U) << +length;
        for (const policy::Backend& backend : made.vip.backends)
            for (const ServerId& id : backend.server_ids)
                ASSERT_EQ(find(bank, quic, id), made.numbers.backend("web", backend.name));
    }
}

TEST(QuicTable, IsOfVipsThatAskAlone) {
    World made = world(3, 2, 1);
    made.vip.quic = {};
    Bank bank;
    EXPECT_EQ(put_quic(made.vip, made.numbers, bank), 0U);
    EXPECT_EQ(bank.size(), 0U);
}

}  // namespace
}  // namespace fwctl::compile
