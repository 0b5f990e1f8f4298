// The keys of `quic` of [vip.NAME].
#include <array>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/quic.h"
#include "policy/schema.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

constexpr unsigned kLastConfig = 6;  // 7 is of ids that no configuration has made

Status add_config(Vip& vip, std::string_view word) {
    const auto config = parse_number(word, kLastConfig);
    if (!config) {
        return refuse(fmt::format("\"config\" is a number from 0 to {}, not {}", kLastConfig, word));
    }
    vip.quic.configs.push_back(static_cast<std::uint8_t>(*config));
    return {};
}

Words config_words(const Vip& vip) {
    Words words;
    for (const std::uint8_t config : vip.quic.configs) {
        words.push_back(std::to_string(config));
    }
    return words;
}

Status add_length(Vip& vip, std::string_view word) {
    const auto length = parse_number(word, kLongestServerId);
    if (!length || *length == 0) {
        return refuse(
            fmt::format("\"server_id_length\" is a number from 1 to {}, not {}", kLongestServerId, word));
    }
    vip.quic.server_id_length = static_cast<std::uint8_t>(*length);
    return {};
}

constexpr std::array kQuicKeys = {
    Key<Vip>{"config", ValueKind::kNumbers, true, "0, 1",
             "Configurations that connection ids name in their first three bits, 0 to 6; several while "
             "servers go from one to the next.",
             add_config, config_words},
    Key<Vip>{"server_id_length", ValueKind::kInteger, true, "2",
             "Octets of a server id, which stands behind the first octet of a connection id, 1 to 15.",
             add_length,
             [](const Vip& vip) {
                 return asks_for_quic(vip) ? Words{std::to_string(vip.quic.server_id_length)} : Words{};
             }},
};

}  // namespace

std::span<const Key<Vip>> quic_keys() {
    return kQuicKeys;
}

}  // namespace fwctl::policy
