#include "policy/vip_reader.h"

#include <utility>

#include <fmt/format.h>

#include "policy/health_reader.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"
#include "policy/quic_reader.h"
#include "policy/schema.h"
#include "policy/value.h"
#include "policy/vip.h"

namespace fwctl::policy {

namespace {

// No two backends of a vip share an address and port.
void claim_address(Draft& draft, TableReader& reader, const Vip& vip, const Backend& backend,
                   const toml::node& node) {
    const auto address = parse_address(node.value_exact<std::string_view>().value_or(""));
    if (address) {
        const std::string text = end_of_backend(*address, backend);
        draft.claim(fmt::format("vip {} at {}", vip.name, text), reader.place(node.source()),
                    fmt::format("another backend of vip \"{}\" has the address {}", vip.name, text));
    }
}

Backend read_backend(Draft& draft, TableReader& reader, const Vip& vip, const toml::table& table) {
    Backend backend;
    backend.place = reader.place(table.source());
    reader.read(table, backend_keys(), backend, "a backend");
    if (const toml::node* name = table.get("name"); name != nullptr && !backend.name.empty()) {
        draft.claim(fmt::format("vip {} backend {}", vip.name, backend.name), reader.place(name->source()),
                    fmt::format("another backend of vip \"{}\" is called \"{}\"", vip.name, backend.name));
    }
    const toml::node* addresses = table.get("address");
    if (const toml::array* list = addresses == nullptr ? nullptr : addresses->as_array()) {
        for (const toml::node& element : *list) {
            claim_address(draft, reader, vip, backend, element);
        }
    } else if (addresses != nullptr) {
        claim_address(draft, reader, vip, backend, *addresses);
    }
    check_server_ids(draft, reader, vip, table);
    return backend;
}

}  // namespace

void read_vip(Draft& draft, TableReader& reader, const toml::key& name, const toml::table& table) {
    const std::size_t mistakes_before = draft.diagnostics.errors();
    Vip vip;
    vip.name = name.str();
    vip.health.statuses.clear();  // to be added to; canonical() knows what none means
    vip.place = reader.place(table.source());
    if (const Status known = check_vip_name(vip.name); !known) {
        reader.error(name.source(), known.error().message);
    }
    reader.read(table, vip_keys(), vip, "a vip", "backend");
    const toml::node* port = table.get("gue_port");
    if (port != nullptr && vip.forward != Transport::kGue) {
        reader.error(port->source(), "\"gue_port\" goes with forward = \"gue\" alone");
    }
    check_quic(reader, vip, table);
    if (const Status single = check_announce(vip); !single) {
        reader.error(table.get("announce")->source(), single.error().message,
                     "route the block to this host instead");
    }
    check_health_keys(reader, table);
    if (draft.diagnostics.errors() == mistakes_before) {
        check_health_values(reader, vip, table);
    }
    if (const toml::node* backends = table.get("backend")) {
        reader.for_each(
            *backends, "backend", fmt::format("[[vip.{}.backend]]", vip.name),
            [&](const toml::table& one) { vip.backends.push_back(read_backend(draft, reader, vip, one)); });
    }
    draft.policy.vips.push_back(canonical(std::move(vip)));
}

void read_decapsulate(Draft& draft, TableReader& reader, const toml::node& value) {
    const toml::table* table = reader.table_of(value, "\"decapsulate\"", "[decapsulate]");
    if (table == nullptr) {
        return;
    }
    draft.claim("[decapsulate]", reader.place(table->source()), "[decapsulate] is there already");
    reader.read(*table, decapsulate_keys(), draft.policy.decapsulate, "[decapsulate]");
    reduce(draft.policy.decapsulate.from);
}

}  // namespace fwctl::policy
