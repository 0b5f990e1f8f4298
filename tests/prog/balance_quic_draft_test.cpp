// QUIC by connection id: thousands of packets, compared with a decoder that was written from
// draft-ietf-quic-load-balancers and RFC 8999 alone.
#include <random>
#include <set>

#include "balance_quic.h"

namespace fwctl::testing {
namespace {

class BalanceQuicDraftTest : public BalanceQuicTest {};
FWCTL_ON_BOTH_HOOKS(BalanceQuicDraftTest);

TEST_P(BalanceQuicDraftTest, ThousandsOfServerIds) {
    std::mt19937 random(5);
    Ids ids;
    std::set<std::string> known;
    for (const char* backend : {"w1", "w2", "w3", "w4"})
        while (ids[backend].size() < 700) {
            const std::string id = fmt::format("{:06x}", random() % 4096);
            if (known.insert(id).second) ids[backend].push_back(id);
        }
    lab_->start(
        quic_vip(kServices + "forward = \"ipip\"\nquic = { config = 0, server_id_length = 3 }\n", ids));
    for (const auto& [backend, its] : ids) {
        const std::uint32_t number = lab_->number_of("web", backend);
        for (const std::string& id : its) {
            const auto trace =
                lab_->run(to_balancer() / packet(flow(), short_header(connection_id(0, id)))).trace;
            ASSERT_EQ(trace.placed_why, FW_PLACED_BY_CONNECTION) << id;
            ASSERT_EQ(trace.backend, number) << id;
        }
    }
    for (unsigned id = 0; id < 4096; ++id)
        if (const std::string text = fmt::format("{:06x}", id); known.count(text) == 0) {
            ASSERT_NE(why(flow(), short_header(connection_id(0, text))), FW_PLACED_BY_CONNECTION) << text;
        }
}

// As the draft and RFC 8999 say it, a field after the other. `lengths`: of server ids, by configuration.
std::optional<Bytes> server_id_of(const Bytes& datagram, const std::map<unsigned, std::size_t>& lengths) {
    std::size_t at = 0;
    const auto take = [&](std::size_t count) -> std::optional<Bytes> {
        if (datagram.size() - at < count) return std::nullopt;
        const auto begin = datagram.begin() + static_cast<std::ptrdiff_t>(at);
        at += count;
        return Bytes(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    const auto first = take(1);
    if (!first) return std::nullopt;
    std::optional<Bytes> id;
    if ((*first)[0] >= 128) {
        const auto version = take(4);
        const auto length = version ? take(1) : std::nullopt;
        id = length ? take((*length)[0]) : std::nullopt;
    } else {
        id = take(datagram.size() - at);
    }
    if (!id || id->empty()) return std::nullopt;
    const auto length = lengths.find((*id)[0] / 32U);
    if (length == lengths.end() || id->size() - 1 < length->second) return std::nullopt;
    return Bytes(id->begin() + 1, id->begin() + 1 + static_cast<std::ptrdiff_t>(length->second));
}

// Datagrams that are nearly right, in every way in which they can be wrong.
class Datagrams {
public:
    explicit Datagrams(unsigned seed) : random_(seed) {}

    Bytes next() {
        Bytes id =
            connection_id(below(8), below(3) == 0 ? fmt::format("{:04x}", below(65536)) : known(), below(20));
        if (below(6) == 0) id.resize(below(5));
        Bytes bytes = below(2) == 0 ? short_header(id) : long_header(id);
        if (below(5) == 0) bytes.resize(below(static_cast<unsigned>(bytes.size()) + 1));
        for (unsigned changes = below(3); changes > 0 && !bytes.empty(); --changes)
            bytes[below(static_cast<unsigned>(std::min<std::size_t>(bytes.size(), 12)))] =
                static_cast<std::uint8_t>(below(256));
        return bytes;
    }
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

private:
    std::string known() { return std::array{"0a01", "0a02", "ff02", "0000"}[below(4)]; }

    std::mt19937 random_;
};

TEST_P(BalanceQuicDraftTest, RandomDatagramsAsTheDraftReadsThem) {
    lab_->start(quic_vip(kQuic));
    std::map<Bytes, std::string> owners;
    std::map<std::string, std::uint32_t> numbers;
    for (const auto& [backend, ids] : kIds) {
        numbers[backend] = lab_->number_of("web", backend);
        for (const std::string& id : ids) owners[octets(id)] = backend;
    }
    Datagrams datagrams(11);
    unsigned named = 0;
    constexpr unsigned kRounds = 6000;
    for (unsigned round = 0; round < kRounds; ++round) {
        const Bytes datagram = datagrams.next();
        const auto id = server_id_of(datagram, {{0, 2}, {2, 2}});
        const auto owner = id ? owners.find(*id) : owners.end();
        const BalancedFlow one = flow(datagrams.below(2) != 0);
        const fw_trace trace =
            lab_->run(to_balancer() / packet(one, datagram) / padding(datagrams.below(2) * 20)).trace;
        ASSERT_EQ(trace.reason, FW_REASON_BALANCED) << round;
        const bool is_named = owner != owners.end();
        ASSERT_EQ(trace.placed_why, is_named ? FW_PLACED_BY_CONNECTION : FW_PLACED_BY_RING)
            << round << ": " << fmt::format("{:02x}", fmt::join(datagram, ""));
        ASSERT_EQ(trace.backend, numbers.at(is_named ? owner->second : lab_->expected("web", one))) << round;
        named += is_named ? 1 : 0;
    }
    EXPECT_GT(named, kRounds / 10);
    EXPECT_LT(named, kRounds / 2);
}

}  // namespace
}  // namespace fwctl::testing
