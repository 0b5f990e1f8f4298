#include "policy/vip_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "base/text.h"
#include "policy/prefix.h"
#include "policy/schema.h"
#include "policy/service.h"
#include "policy/vip.h"

namespace fwctl::policy {
namespace {

std::vector<std::string> split(std::string_view words, char at) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = words.find(at);
        parts.emplace_back(words.substr(0, end));
        if (end == std::string_view::npos) return parts;
        words.remove_prefix(end + 1);
    }
}

// The row of the policy's key says what is wrong with a word.
template <typename Target>
Status add_words(std::span<const Key<Target>> keys, std::string_view key, Target& target,
                 const std::vector<std::string>& words) {
    for (const std::string& several : words)
        for (const std::string& word : split(several, ','))
            if (auto added = find_key(keys, key)->add(target, word); !added) return added;
    return {};
}

Status read_weight(Backend& backend, const std::string& word) {
    return find_key(backend_keys(), "weight")->add(backend, word);
}

template <typename Entry>
auto place_of(std::vector<Entry>& all, const std::string& name) {
    return std::find_if(all.begin(), all.end(), [&](const Entry& entry) { return entry.name == name; });
}

// Behind those whose names come first.
template <typename Entry>
void insert(std::vector<Entry>& all, Entry entry) {
    const auto place =
        std::find_if(all.begin(), all.end(), [&](const Entry& other) { return entry.name < other.name; });
    all.insert(place, std::move(entry));
}

template <typename Entry>
std::string hint(const std::vector<Entry>& all, const std::string& name, const std::string& otherwise) {
    std::vector<std::string_view> names;
    for (const Entry& entry : all) names.push_back(entry.name);
    const auto near = nearest(name, names);
    return near ? fmt::format("did you mean \"{}\"?", *near) : otherwise;
}

template <typename Value>
bool assign(Value& value, const Value& wanted) {
    return std::exchange(value, wanted) != wanted;
}

// What another backend of the vip has, too.
Status check_addresses(const Vip& vip) {
    std::map<std::string, std::string> owners;
    for (const Backend& backend : vip.backends)
        for (const Prefix& address : backend.addresses) {
            const std::string end = end_of_backend(address, backend);
            if (const auto [owner, is_first] = owners.emplace(end, backend.name); !is_first)
                return fail(fmt::format("backend \"{}\" of vip \"{}\" has the address {}, as \"{}\" does",
                                        backend.name, vip.name, end, owner->second),
                            Exit::kConflict);
        }
    return {};
}

Result<bool> put_backend(Vip& vip, Backend backend) {
    const auto same = place_of(vip.backends, backend.name);
    if (same != vip.backends.end()) {
        if (*same == backend) return false;
        return fail(
            fmt::format("vip \"{}\" has a backend \"{}\" already, another one", vip.name, backend.name),
            Exit::kConflict);
    }
    if (auto reachable = check_reachable(vip, backend); !reachable) return tl::unexpected(reachable.error());
    Vip edited = vip;
    insert(edited.backends, std::move(backend));
    if (auto apart = check_addresses(edited); !apart) return tl::unexpected(apart.error());
    vip = std::move(edited);
    return true;
}

Result<Backend> backend_from_word(const std::string& word) {
    const std::size_t equals = word.find('=');
    const auto parts = split(std::string_view(word).substr(equals + 1), '*');
    if (equals == std::string::npos || parts.size() > 2 || word.back() == '*')
        return fail(fmt::format("\"{}\" is not a backend; write web1=10.0.0.11 or "
                                "web1=10.0.0.11,2001:db8::11*2",
                                word),
                    Exit::kUsage);
    return backend_from_words({.name = word.substr(0, equals),
                               .addresses = {parts[0]},
                               .weight = parts.size() == 2 ? parts[1] : "",
                               .port = ""});
}

}  // namespace

Result<Backend> backend_from_words(const BackendWords& words) {
    Backend backend;
    backend.name = words.name;
    if (auto possible = check_backend_name(backend.name); !possible) return tl::unexpected(possible.error());
    if (auto added = add_words(backend_keys(), "address", backend, words.addresses); !added)
        return tl::unexpected(added.error());
    if (!words.weight.empty())
        if (auto read = read_weight(backend, words.weight); !read) return tl::unexpected(read.error());
    if (!words.port.empty())
        if (auto read = find_key(backend_keys(), "port")->add(backend, words.port); !read)
            return tl::unexpected(read.error());
    std::sort(backend.addresses.begin(), backend.addresses.end());
    return backend;
}

Result<Vip> vip_from_words(const VipWords& words) {
    Vip vip;
    vip.name = words.name;
    if (auto possible = check_vip_name(vip.name); !possible) return tl::unexpected(possible.error());
    if (auto added = add_words(vip_keys(), "address", vip, words.addresses); !added)
        return tl::unexpected(added.error());
    if (auto added = add_words(vip_keys(), "service", vip, words.services); !added)
        return tl::unexpected(added.error());
    if (auto added = find_key(vip_keys(), "forward")->add(vip, words.forward); !added)
        return tl::unexpected(added.error());
    if (!words.announce.empty())
        if (auto added = find_key(vip_keys(), "announce")->add(vip, words.announce); !added)
            return tl::unexpected(added.error());
    if (auto single = check_announce(vip); !single) return tl::unexpected(single.error());
    for (const std::string& word : words.backends) {
        auto backend = backend_from_word(word);
        if (!backend) return tl::unexpected(backend.error());
        if (auto added = put_backend(vip, std::move(*backend)); !added) return tl::unexpected(added.error());
    }
    return canonical(std::move(vip));
}

Result<BackendPath> parse_backend_path(const std::string& path) {
    const auto parts = split(path, '/');
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty())
        return fail(fmt::format("\"{}\" is not a backend; write VIP/NAME, as in web/web1", path),
                    Exit::kUsage);
    return BackendPath{parts[0], parts[1]};
}

Result<bool> add_vip(std::vector<Vip>& vips, Vip vip) {
    const auto same = place_of(vips, vip.name);
    if (same != vips.end()) {
        if (*same == vip) return false;
        return fail(fmt::format("there is a vip \"{}\" already, another one", vip.name), Exit::kConflict);
    }
    std::vector<Vip> edited = vips;
    insert(edited, std::move(vip));
    if (auto apart = check_together(edited); !apart) return tl::unexpected(apart.error());
    vips = std::move(edited);
    return true;
}

Status remove_vip(std::vector<Vip>& vips, const std::string& name) {
    if (auto found = find_vip(vips, name); !found) return tl::unexpected(found.error());
    vips.erase(place_of(vips, name));
    return {};
}

Result<bool> enable_vip(std::vector<Vip>& vips, const std::string& name, bool enabled) {
    auto vip = find_vip(vips, name);
    if (!vip) return tl::unexpected(vip.error());
    return assign((*vip)->enabled, enabled);
}

Result<bool> add_backend(std::vector<Vip>& vips, const std::string& vip, Backend backend) {
    auto found = find_vip(vips, vip);
    if (!found) return tl::unexpected(found.error());
    return put_backend(**found, std::move(backend));
}

Status remove_backend(std::vector<Vip>& vips, const BackendPath& path) {
    if (auto found = find_backend(vips, path); !found) return tl::unexpected(found.error());
    std::vector<Backend>& backends = place_of(vips, path.vip)->backends;
    backends.erase(place_of(backends, path.backend));
    return {};
}

Result<bool> set_backend_weight(std::vector<Vip>& vips, const BackendPath& path, const std::string& weight) {
    auto backend = find_backend(vips, path);
    if (!backend) return tl::unexpected(backend.error());
    const std::uint16_t before = (*backend)->weight;
    if (auto read = read_weight(**backend, weight); !read) return tl::unexpected(read.error());
    return (*backend)->weight != before;
}

Result<bool> set_backend_state(std::vector<Vip>& vips, const BackendPath& path, BackendState state) {
    auto backend = find_backend(vips, path);
    if (!backend) return tl::unexpected(backend.error());
    return assign((*backend)->state, state);
}

Result<Vip*> find_vip(std::vector<Vip>& vips, const std::string& name) {
    const auto found = place_of(vips, name);
    if (found != vips.end()) return &*found;
    return fail(fmt::format("there is no vip \"{}\"; {}", name, hint(vips, name, "see: fwctl vip list")),
                Exit::kUsage);
}

Result<Backend*> find_backend(std::vector<Vip>& vips, const BackendPath& path) {
    auto vip = find_vip(vips, path.vip);
    if (!vip) return tl::unexpected(vip.error());
    const auto found = place_of((*vip)->backends, path.backend);
    if (found != (*vip)->backends.end()) return &*found;
    return fail(fmt::format("vip \"{}\" has no backend \"{}\"; {}", path.vip, path.backend,
                            hint((*vip)->backends, path.backend, "see: fwctl vip show " + path.vip)),
                Exit::kUsage);
}

Status check_together(const std::vector<Vip>& vips) {
    if (const auto overlaps = find_overlaps(vips); !overlaps.empty()) {
        const Overlap& first = overlaps.front();
        return fail(
            fmt::format("vip \"{}\" balances {} of {}, as vip \"{}\" does", vips[first.other].name,
                        format_service(first.service), format_prefix(first.block), vips[first.one].name),
            Exit::kConflict);
    }
    for (const Vip& vip : vips)
        if (auto apart = check_addresses(vip); !apart) return apart;
    return {};
}

}  // namespace fwctl::policy
