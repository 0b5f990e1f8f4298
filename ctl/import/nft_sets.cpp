#include "import/nft_sets.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "import/conditions.h"
#include "import/nft_addresses.h"

namespace fwctl::importer {

namespace {

std::string key_of(std::string_view family, std::string_view table, std::string_view name) {
    return fmt::format("{} {} {}", family, table, name);
}

bool has_flag(const Json& set, std::string_view wanted) {
    const Json* flags = member(set, "flags");
    return flags != nullptr && flags->is_array() &&
           std::any_of(flags->begin(), flags->end(), [&](const Json& flag) { return flag == wanted; });
}

// Its blocks, or an error that names the element which is none.
Result<std::vector<policy::Prefix>> blocks(const NftSet& set) {
    const policy::Family family = set.type == "ipv4_addr" ? policy::Family::kIpv4 : policy::Family::kIpv6;
    Numbers addresses;
    std::vector<Span> spans;
    for (const Json& element : *set.elements) {
        const auto block = nft_block(nft_element(element), family);
        if (!block) {
            return tl::unexpected<Error>(block.error());
        }
        spans.insert(spans.end(), block->spans().begin(), block->spans().end());
    }
    return blocks_of(family, Numbers(std::move(spans)));
}

}  // namespace

const Json& nft_element(const Json& element) {
    const Json* inner = member(element, "elem");
    const Json* value = inner == nullptr ? nullptr : member(*inner, "val");
    return value == nullptr ? element : *value;
}

void NftSets::add(const Json& json) {
    const std::string family = text_of(json, "family");
    const std::string table = text_of(json, "table");
    const std::string name = text_of(json, "name");
    const Json* elements = member(json, "elem");
    const Json* timeout = member(json, "timeout");
    NftSet set;
    set.type = text_of(json, "type");
    set.elements = elements != nullptr && elements->is_array() && !elements->empty() ? elements : nullptr;
    set.is_filled_live = has_flag(json, "dynamic") || has_flag(json, "timeout") || timeout != nullptr ||
                         set.elements == nullptr;
    const std::string key = key_of(family, table, name);
    if (set.type != "ipv4_addr" && set.type != "ipv6_addr") {
        sets_[key] = std::move(set);
        return;
    }
    const bool is_second = std::any_of(names_.all().begin(), names_.all().end(),
                                       [&](const auto& known) { return known.second == name; });
    const auto policy_name = names_.take(is_second ? fmt::format("{}-{}-{}", family, table, name) : name);
    ImportedSet imported;
    const auto found = set.elements == nullptr ? std::vector<policy::Prefix>() : blocks(set);
    if (!policy_name || !found) {
        imported.comments.push_back(fmt::format(
            "The set {}: {}", key, policy_name ? found.error().message : policy_name.error().message));
        imported_.push_back(std::move(imported));
        set.type.clear();
        sets_[key] = std::move(set);
        return;
    }
    set.policy_name = *policy_name;
    imported.set.name = *policy_name;
    imported.set.dynamic = set.is_filled_live;
    if (!set.is_filled_live) {
        imported.set.elements = *found;
    } else if (set.elements != nullptr) {
        imported.comments.push_back(fmt::format(
            "The members of {} ({}) are not here: `fwctl set add` puts them in.", key, set.elements->size()));
    }
    if (timeout != nullptr && timeout->is_number_unsigned()) {
        imported.set.timeout = std::chrono::seconds(timeout->get<std::uint32_t>());
    }
    const Json* size = member(json, "size");
    if (set.is_filled_live && size != nullptr && size->is_number_unsigned() && *size > 0) {
        imported.set.size = size->get<std::uint32_t>();
    }
    imported_.push_back(std::move(imported));
    sets_[key] = std::move(set);
}

const NftSet* NftSets::find(std::string_view family, std::string_view table, std::string_view name) const {
    const auto set = sets_.find(key_of(family, table, name));
    return set == sets_.end() ? nullptr : &set->second;
}

}  // namespace fwctl::importer
