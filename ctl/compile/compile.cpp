#include "compile/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <set>

#include "fwctl/abi/reason.h"
#include "policy/builtin.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/rule.h"

namespace fwctl::compile {
namespace {

using policy::Direction;
using policy::Family;
using policy::Prefix;
using policy::Rule;
using policy::Service;

// The matches of one rule: rows first to last of fw_generation.matches.
struct Rows {
    const Rule* rule = nullptr;
    std::size_t first = 0;
    std::size_t last = 0;  // one past
};

void add(fw_match_set& set, const Rows& rows) {
    for (std::size_t row = rows.first; row < rows.last; ++row) set.words[row / 64] |= 1ULL << (row % 64);
}

const std::vector<Prefix>& prefixes_at(const Rule& rule, fw_side side) {
    return (side == FW_SOURCE ? rule.from : rule.to).prefixes;
}

fw_match match_of(const Rule& rule, const Service& service, std::uint16_t counter) {
    fw_match match{};
    match.selector_last = 65535;
    match.source_port_last = 65535;
    match.expires = rule.expires;
    match.rule = counter;
    match.reason = rule.action == policy::Action::kAllow ? FW_REASON_RULE_ALLOW : FW_REASON_RULE_DENY;
    if (service.kind == Service::Kind::kEthertype) {
        match.traits = std::uint64_t{service.ethertype} << FW_TRAITS_ETHERTYPE_SHIFT;
        match.traits_mask = std::uint64_t{0xffff} << FW_TRAITS_ETHERTYPE_SHIFT;
    }
    if (service.kind == Service::Kind::kProtocol) {
        match.traits = FW_TRAITS_IP | service.protocol;
        match.traits_mask = FW_TRAITS_IP | FW_TRAITS_PROTOCOL;
    }
    if (service.family_bound) {
        match.traits |= static_cast<std::uint64_t>(service.family) << 8;
        match.traits_mask |= FW_TRAITS_FAMILY;
    }
    if (service.has_selector) {
        match.traits |= FW_TRAITS_L4;
        match.traits_mask |= FW_TRAITS_L4;
        match.selector_first = service.selector.first;
        match.selector_last = service.selector.last;
        match.source_port_first = service.source_port.first;
        match.source_port_last = service.source_port.last;
    }
    return match;
}

// Whether the rule says what the matches cannot hold.
bool is_beyond(const Rule& rule) {
    const auto is_beyond_prefixes = [](const policy::Addresses& addresses) {
        return !addresses.sets.empty() || !addresses.except.empty() || !addresses.except_sets.empty();
    };
    const bool is_verdict = rule.action == policy::Action::kAllow || rule.action == policy::Action::kDeny;
    return !is_verdict || !rule.fields.empty() || is_beyond_prefixes(rule.from) ||
           is_beyond_prefixes(rule.to);
}

// Lays out the rows; the rules that the parser enforces have none.
Result<std::vector<Rows>> lay_out(const Input& input, fw_generation& generation) {
    std::vector<Rows> all;
    std::size_t next = 0;
    for (std::size_t i = 0; i < input.rules.size(); ++i) {
        const Rule& rule = input.rules[i];
        if (policy::judged_by_parser(rule)) continue;
        if (is_beyond(rule))
            return fail(fmt::format("\"{}\": the programs know allow and deny, services and prefixes alone",
                                    rule.name));
        const Rows rows{&rule, next, next + rule.services.size()};
        if (rows.last > FW_MAX_MATCHES)
            return fail(fmt::format(
                "the rules expand to more than {} matches, one for each service of a rule; \"{}\" is "
                "the first that does not fit",
                +FW_MAX_MATCHES, rule.name));
        for (const Service& service : rule.services)
            generation.matches[next++] = match_of(rule, service, input.counters[i]);
        all.push_back(rows);
    }
    return all;
}

// One entry for each prefix that a rule names, with the matches of all rules that hold there: those that name
// the prefix or one around it, and those that name none on this side.
void add_prefixes(const std::vector<Rows>& all, fw_side side, Image& image) {
    std::set<Prefix> named;
    for (const Rows& rows : all) {
        const auto& prefixes = prefixes_at(*rows.rule, side);
        named.insert(prefixes.begin(), prefixes.end());
        if (prefixes.empty()) add(image.generation->unrestricted[side], rows);
    }
    for (const Prefix& prefix : named) {
        PrefixEntry entry;
        entry.key.prefix_length = FW_PREFIX_KEY_FIXED_BITS + prefix.length;
        entry.key.side = static_cast<std::uint8_t>(side);
        entry.key.family = static_cast<std::uint8_t>(prefix.family);
        std::copy(prefix.address.begin(), prefix.address.end(), entry.key.address);
        entry.matches = image.generation->unrestricted[side];
        for (const Rows& rows : all) {
            const auto& prefixes = prefixes_at(*rows.rule, side);
            if (std::any_of(prefixes.begin(), prefixes.end(),
                            [&](const Prefix& outer) { return policy::covers(outer, prefix); }))
                add(entry.matches, rows);
        }
        image.prefixes.push_back(entry);
        image.generation->has_prefixes[side][prefix.family == Family::kIpv6 ? 1 : 0] = 1;
    }
}

void add_attachment(const std::vector<Rows>& all, const Attachment& attachment, fw_generation& generation) {
    fw_attachment_policy& here = generation.attachments[attachment.slot];
    here.enabled = 1;
    for (const Rows& rows : all) {
        if (!policy::any_matches(rows.rule->on, attachment.name)) continue;
        if (rows.rule->direction != Direction::kOut) add(here.matches[FW_IN], rows);
        if (rows.rule->direction != Direction::kIn) add(here.matches[FW_OUT], rows);
    }
}

// The live rules as text, for fwctl to read back; the programs do not look at it.
Status add_text(const Input& input, fw_generation& generation) {
    policy::Policy live;
    for (std::size_t i = 0; i < input.rules.size(); ++i) {
        if (input.rules[i].origin != policy::Origin::kLive) continue;
        fw_rule_state& state = generation.rules[live.rules.size()];
        state.expires = input.rules[i].expires;
        state.counter = input.counters[i];
        live.rules.push_back(input.rules[i]);
    }
    const std::string text = policy::print_policy(live);
    if (text.size() >= sizeof(generation.text))
        return fail(fmt::format("the live rules are {} bytes as text, the limit is {}", text.size(),
                                sizeof(generation.text) - 1));
    generation.rule_count = static_cast<std::uint32_t>(live.rules.size());
    generation.text_size = static_cast<std::uint32_t>(text.size());
    std::memcpy(generation.text, text.data(), text.size());
    return {};
}

}  // namespace

Result<Image> compile(const Input& input) {
    if (input.rules.size() > FW_MAX_RULES)
        return fail(fmt::format("{} rules are more than the limit of {}", input.rules.size(), +FW_MAX_RULES));
    Image image;
    image.generation = std::make_unique<fw_generation>();
    auto rows = lay_out(input, *image.generation);
    if (!rows) return tl::unexpected(rows.error());
    for (const fw_side side : {FW_SOURCE, FW_DESTINATION}) add_prefixes(*rows, side, image);
    // Two generations share the trie.
    if (image.prefixes.size() > FW_MAX_PREFIXES / 2)
        return fail(fmt::format("the rules name {} different prefixes, the limit is {}",
                                image.prefixes.size(), FW_MAX_PREFIXES / 2));
    for (const Attachment& attachment : input.attachments)
        add_attachment(*rows, attachment, *image.generation);
    if (auto text = add_text(input, *image.generation); !text) return tl::unexpected(text.error());
    return image;
}

}  // namespace fwctl::compile
