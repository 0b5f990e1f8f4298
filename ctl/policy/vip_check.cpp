#include "policy/vip_check.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/prefix.h"
#include "policy/quic.h"
#include "policy/service.h"
#include "policy/vip.h"

namespace fwctl::policy {

namespace {

bool stands_before(const Place& one, const Place& other) {
    const auto order = [](const Place& place) { return std::tie(place.file, place.span.line); };
    return order(one) < order(other);
}

void report_overlaps(const Draft& draft) {
    const std::vector<Vip>& vips = draft.policy.vips;
    for (const Overlap& overlap : find_overlaps(vips)) {
        const Vip* first = &vips[overlap.one];
        const Vip* second = &vips[overlap.other];
        if (stands_before(second->place, first->place)) {
            std::swap(first, second);
        }
        draft.report_second(
            first->place, second->place,
            fmt::format("vip \"{}\" balances {} of {}, as vip \"{}\" does", second->name,
                        format_service(overlap.service), format_prefix(overlap.block), first->name));
    }
}

void report_too_many_backends(const Draft& draft) {
    std::size_t backends = 0;
    for (const Vip& vip : draft.policy.vips) {
        const bool had_room = backends <= kMaxBackends;
        backends += vip.backends.size();
        if (had_room && backends > kMaxBackends) {
            draft.diagnostics.error(
                vip.place.file, vip.place.span,
                fmt::format("with vip \"{}\" there are more than {} backends in all, which is the limit",
                            vip.name, kMaxBackends));
        }
    }
}

void report_unbacked(const Draft& draft) {
    for (const Vip& vip : draft.policy.vips) {
        if (vip.enabled && vip.backends.empty()) {
            draft.diagnostics.warning(
                vip.place.file, vip.place.span,
                fmt::format("vip \"{}\" has no backends: its packets are dropped", vip.name),
                fmt::format("add one: [[vip.{}.backend]]", vip.name));
        }
    }
}

void report_unreachable(const Draft& draft) {
    for (const Vip& vip : draft.policy.vips) {
        for (const Backend& backend : vip.backends) {
            if (const Status reachable = check_reachable(vip, backend); !reachable) {
                draft.diagnostics.error(backend.place.file, backend.place.span, reachable.error().message);
            }
        }
    }
}

void report_unnamed(const Draft& draft) {
    for (const Vip& vip : draft.policy.vips) {
        const bool has_ids = std::any_of(vip.backends.begin(), vip.backends.end(),
                                         [](const Backend& backend) { return !backend.server_ids.empty(); });
        if (asks_for_quic(vip) && !vip.backends.empty() && !has_ids) {
            draft.diagnostics.warning(
                vip.place.file, vip.place.span,
                fmt::format(
                    "vip \"{}\" has \"quic\", but no backend with a server id: no connection id names "
                    "one",
                    vip.name),
                "add server_id to its backends");
        }
    }
}

void report_unknown_vips(const Draft& draft) {
    std::vector<std::string_view> names;
    for (const Vip& vip : draft.policy.vips) {
        names.push_back(vip.name);
    }
    for (const Mention& mention : draft.used_vips) {
        if (std::find(names.begin(), names.end(), mention.word) != names.end()) {
            continue;
        }
        const auto meant = nearest(mention.word, names);
        draft.diagnostics.error(mention.place.file, mention.place.span,
                                fmt::format("there is no vip \"{}\"", mention.word),
                                meant ? fmt::format("did you mean \"{}\"?", *meant)
                                      : fmt::format("define it: [vip.{}]", mention.word));
    }
}

}  // namespace

void check_vips(const Draft& draft) {
    report_overlaps(draft);
    report_too_many_backends(draft);
    report_unbacked(draft);
    report_unreachable(draft);
    report_unnamed(draft);
    if (draft.origin == Origin::kFile) {
        report_unknown_vips(draft);
    }
}

}  // namespace fwctl::policy
