#include "compile/quic.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "fwctl/abi/quic.h"
#include "policy/quic.h"

namespace fwctl::compile {
namespace {

static_assert(FW_MAX_SERVER_ID == policy::kLongestServerId);

std::vector<fw_server> servers_of(const policy::Vip& vip, const Numbers& numbers) {
    std::vector<fw_server> servers;
    for (const policy::Backend& backend : vip.backends)
        for (const policy::ServerId& id : backend.server_ids) {
            fw_server& server = servers.emplace_back();
            std::copy(id.begin(), id.end(), +server.id);
            server.length = static_cast<std::uint8_t>(id.size());
            server.backend = numbers.backend(vip.name, backend.name);
        }
    return servers;
}

std::uint32_t hash_of(const fw_server& server) {
    std::array<std::uint64_t, 2> halves{};
    std::memcpy(halves.data(), &server, sizeof(halves));
    return fw_server_hash(halves[0], halves[1]);
}

// False: some id finds no room within its probes.
bool fill_table(const std::vector<fw_server>& servers, std::vector<fw_server>& table) {
    for (const fw_server& server : servers) {
        const std::uint32_t first = hash_of(server);
        std::uint32_t probe = 0;
        while (probe < FW_SERVER_PROBES && table[(first + probe) % table.size()].backend != 0) ++probe;
        if (probe == FW_SERVER_PROBES) return false;
        table[(first + probe) % table.size()] = server;
    }
    return true;
}

}  // namespace

Address put_quic(const policy::Vip& vip, const Numbers& numbers, Bank& bank) {
    if (!policy::asks_for_quic(vip)) return 0;
    const std::vector<fw_server> servers = servers_of(vip, numbers);
    std::vector<fw_server> table(std::bit_ceil(2 * servers.size() + 1));
    while (!fill_table(servers, table)) table.assign(table.size() * 2, fw_server{});
    fw_quic quic{};
    for (const std::uint8_t config : vip.quic.configs) quic.id_length[config] = vip.quic.server_id_length;
    constexpr std::size_t kWords = sizeof(fw_server) / sizeof(std::uint32_t);
    quic.servers = bank.reserve(table.size() * kWords, kWords);
    quic.server_mask = static_cast<std::uint32_t>(table.size() - 1);
    for (std::size_t i = 0; i < table.size(); ++i)
        bank.set(quic.servers + static_cast<Address>(i * kWords), table[i]);
    return bank.put(quic, sizeof(quic) / sizeof(std::uint32_t));
}

}  // namespace fwctl::compile
