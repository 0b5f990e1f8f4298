#include "policy/quic_reader.h"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "policy/quic.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

std::string octets(std::size_t count) {
    return fmt::format("{} octet{}", count, count == 1 ? "" : "s");
}

// `known`: the ids that this backend has named already.
void check_server_id(Draft& draft, TableReader& reader, const Vip& vip, const toml::node& node,
                     std::set<ServerId>& known) {
    const auto id = parse_server_id(node.value_exact<std::string_view>().value_or(""));
    if (!id || !known.insert(*id).second) {
        return;
    }
    const std::string text = format_server_id(*id);
    if (vip.quic.server_id_length != 0 && id->size() != vip.quic.server_id_length) {
        reader.error(node.source(),
                     fmt::format("{} is of {}, and server ids of vip \"{}\" are of {}", text,
                                 octets(id->size()), vip.name, octets(vip.quic.server_id_length)));
    }
    draft.claim(fmt::format("vip {} server id {}", vip.name, text), reader.place(node.source()),
                fmt::format("another backend of vip \"{}\" has the server id {}", vip.name, text));
}

}  // namespace

void check_quic(TableReader& reader, const Vip& vip, const toml::table& table) {
    const toml::node* quic = table.get("quic");
    const bool has_udp = std::any_of(vip.services.begin(), vip.services.end(),
                                     [](const Service& service) { return service.protocol == kProtocolUdp; });
    if (quic != nullptr && !vip.services.empty() && !has_udp) {
        reader.error(quic->source(), "\"quic\" goes with services of udp, and this vip has none");
    }
}

void check_server_ids(Draft& draft, TableReader& reader, const Vip& vip, const toml::table& backend) {
    const toml::node* ids = backend.get("server_id");
    if (ids == nullptr) {
        return;
    }
    if (vip.quic == Quic{}) {
        reader.error(ids->source(), fmt::format("\"server_id\" goes with \"quic\" of vip \"{}\"", vip.name),
                     "add quic = { config = 0, server_id_length = 2 } to the vip");
        return;
    }
    std::set<ServerId> known;
    if (const toml::array* list = ids->as_array()) {
        for (const toml::node& element : *list) {
            check_server_id(draft, reader, vip, element, known);
        }
    } else {
        check_server_id(draft, reader, vip, *ids, known);
    }
}

}  // namespace fwctl::policy
