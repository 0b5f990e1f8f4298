#include "policy/health_reader.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/health.h"
#include "policy/schema.h"
#include "policy/vip.h"

namespace fwctl::policy {

namespace {

using KindChoice = Choice<HealthKind>;

// In the order in which they are written, which that of a TOML table is not.
std::vector<const toml::key*> keys_of(const toml::table& table) {
    std::vector<const toml::key*> keys;
    for (const auto& [key, value] : table) {
        keys.push_back(&key);
    }
    std::sort(keys.begin(), keys.end(), [](const toml::key* one, const toml::key* other) {
        const auto place = [](const toml::key* key) {
            return std::pair(key->source().begin.line, key->source().begin.column);
        };
        return place(one) < place(other);
    });
    return keys;
}

const KindChoice* kind_of_key(const toml::key& key) {
    const auto kinds = health_kinds();
    const auto found = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const KindChoice& known) { return known.word == key.str(); });
    return found == kinds.end() ? nullptr : &*found;
}

// "http and https".
std::string enumerate(const std::vector<std::string_view>& names) {
    const std::span<const std::string_view> all(names);
    return all.size() == 1 ? std::string(all[0])
                           : fmt::format("{} and {}", fmt::join(all.first(all.size() - 1), ", "), all.back());
}

// The only kind that the table names, or nullptr.
const KindChoice* the_kind(TableReader& reader, const toml::table& health) {
    const KindChoice* first = nullptr;
    bool is_only = true;
    for (const toml::key* key : keys_of(health)) {
        const KindChoice* kind = kind_of_key(*key);
        if (kind == nullptr) {
            continue;
        }
        if (first != nullptr) {
            reader.error(
                key->source(),
                fmt::format("a health check is of one kind, and this one has \"{}\" already", first->word));
            is_only = false;
        } else {
            first = kind;
        }
    }
    if (first == nullptr) {
        reader.error(health.source(), "the health check does not say what it does",
                     "write one of tcp = true, http = \"/path\", https = \"/path\", udp = \"payload\", "
                     "ping = true, exec = \"command\"");
    }
    return is_only ? first : nullptr;
}

}  // namespace

void check_health_keys(TableReader& reader, const toml::table& vip) {
    if (!vip.contains("health")) {
        for (const std::string_view key : {"down", "panic", "slow_start"}) {
            if (const toml::node* node = vip.get(key)) {
                reader.error(
                    node->source(),
                    fmt::format("\"{}\" goes with \"health\": without it no backend is ever down", key),
                    "add a health check, such as health = { tcp = true }");
            }
        }
        return;
    }
    const toml::table* health = vip.get_as<toml::table>("health");
    const KindChoice* kind = health == nullptr ? nullptr : the_kind(reader, *health);
    if (kind == nullptr) {
        return;
    }
    for (const toml::key* key : keys_of(*health)) {
        if (!has_key(kind->value, key->str())) {
            reader.error(key->source(), fmt::format("\"{}\" belongs to {}, not to {}", key->str(),
                                                    enumerate(kinds_with(key->str())), kind->word));
        }
    }
}

void check_health_values(TableReader& reader, const Vip& vip, const toml::table& table) {
    const toml::table* table_of_health = table.get_as<toml::table>("health");
    if (table_of_health == nullptr) {
        return;
    }
    const Health& health = vip.health;
    const toml::node* timeout = table_of_health->get("timeout");
    if (timeout != nullptr && health.timeout > health.every) {
        reader.error(timeout->source(),
                     fmt::format("\"timeout\" is at most \"every\", which is {}: checks do not overlap",
                                 format_duration(health.every)));
    }
    const toml::node* via = table_of_health->get("via");
    if (via != nullptr && translates(vip.forward)) {
        reader.error(via->source(),
                     fmt::format("\"via\" goes with l2-dsr, ipip and gue alone: with {} packets come "
                                 "to the backend's own address, as checks do",
                                 transport_name(vip.forward)));
    }
    // The services in the form that counts: of tcp and tcp/80 the second one goes.
    const bool asks_a_port = health.kind != HealthKind::kPing && health.kind != HealthKind::kExec;
    if (asks_a_port && checked_port(canonical(vip), {}) == 0) {
        reader.error(table_of_health->source(),
                     "the health check does not know which port to ask: the vip's services name none",
                     "add port = 80, or another one");
    }
}

}  // namespace fwctl::policy
