#include "engine/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "engine/frame.h"
#include "engine/library.h"
#include "engine/rehearsal.h"
#include "engine/running.h"
#include "engine/session.h"
#include "engine/set_lookup.h"
#include "engine/why_not.h"
#include "policy/builtin.h"
#include "policy/prefix.h"
#include "policy/rate.h"

namespace fwctl::engine {
namespace {

// "wan (eth0)", "eth1"
std::string names_of(const State& state) {
    std::vector<std::string> all;
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled)
            all.push_back(attachment.names().size() == 1
                              ? attachment.name()
                              : fmt::format("{} ({})", attachment.label(), attachment.name()));
    return fmt::format("{}", fmt::join(all, ", "));
}

// By rule, the part of the row that came furthest: its rows are alternatives.
std::map<std::uint32_t, std::uint8_t> parts_by_counter(const fw_trace& trace) {
    std::map<std::uint32_t, std::uint8_t> parts;
    const std::uint32_t kept = std::min<std::uint32_t>(trace.row_count, FW_MAX_TRACED_ROWS);
    for (std::uint32_t i = 0; i < kept; ++i) {
        const fw_traced_row& row = trace.rows[i];
        const auto [known, is_new] = parts.try_emplace(row.rule, row.part);
        if (known->second == FW_ROW_RATE) continue;
        const bool held = row.part == FW_ROW_HELD || known->second == FW_ROW_HELD;
        if (row.part == FW_ROW_RATE) {
            known->second = FW_ROW_RATE;
            continue;
        }
        if (!is_new && !held) known->second = std::max(known->second, row.part);
        if (held) known->second = FW_ROW_HELD;
    }
    return parts;
}

}  // namespace

Result<Explainer> Explainer::of(std::shared_ptr<const Store> store, State state, std::uint32_t half,
                                policy::Policy main) {
    Explainer explainer;
    auto rules = RuleBook::of(*store, state, main);
    if (!rules) return tl::unexpected(rules.error());
    auto services = store->services_of(half);
    if (!services) return tl::unexpected(services.error());
    explainer.numbers_ = std::move(services->numbers);
    explainer.store_ = std::move(store);
    explainer.state_ = std::move(state);
    explainer.half_ = half;
    explainer.main_ = std::move(main);
    explainer.rules_ = std::move(*rules);
    return explainer;
}

Result<Explainer> Explainer::of_running() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    const auto shared = std::make_shared<Reading>(std::move(**reading));
    auto state = shared->store.read();
    if (!state) return tl::unexpected(state.error());
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto main = load_running(*library, state->main);
    if (!main) return tl::unexpected(main.error());
    const std::uint32_t half = shared->store.next_half() ^ 1;
    return of({shared, &shared->store}, std::move(*state), half, std::move(main->policy));
}

Result<Explainer> Explainer::of_policy(const policy::Policy& policy,
                                       const std::vector<std::string>& interfaces) {
    auto rehearsal = rehearse(policy, interfaces);
    if (!rehearsal) return tl::unexpected(rehearsal.error());
    auto store = std::make_shared<const Store>(std::move(rehearsal->store));
    const std::uint32_t half = store->next_half();
    auto explainer = of(std::move(store), std::move(rehearsal->state), half, policy);
    if (explainer) explainer->purpose_ = Purpose::kRehearse;
    return explainer;
}

Result<Explainer> Explainer::of_half(const Store& store, State state, std::uint32_t half,
                                     policy::Policy main) {
    return of({std::shared_ptr<const Store>(), &store}, std::move(state), half, std::move(main));
}

Result<const Attachment*> Explainer::find(const std::string& interface) const {
    std::vector<const Attachment*> enabled;
    for (const Attachment& attachment : state_.attachments)
        if (attachment.enabled) enabled.push_back(&attachment);
    if (enabled.empty() && interface.empty())
        return fail("the policy attaches nothing: say on which interface, as in: on eth0", Exit::kUsage);
    if (interface.empty() && enabled.size() > 1)
        return fail(fmt::format("on which interface? there are: {}", names_of(state_)), Exit::kUsage);
    if (interface.empty()) return enabled.front();
    for (const Attachment* attachment : enabled) {
        const std::vector<std::string> names = attachment->names();
        if (std::find(names.begin(), names.end(), interface) != names.end()) return attachment;
    }
    return fail(fmt::format("\"{}\" is not attached; there are: {}", interface, names_of(state_)),
                Exit::kNotAttached);
}

Result<Judgement> Explainer::judge(const Attachment& attachment, fw_direction direction,
                                   std::span<const std::uint8_t> frame,
                                   std::optional<policy::FlowState> state) {
    auto twin = twins_.find({attachment.slot, direction});
    if (twin == twins_.end()) {
        auto loaded = Twin::load(*store_, attachment, direction, half_, purpose_);
        if (!loaded) return tl::unexpected(loaded.error());
        twin = twins_.emplace(std::pair{attachment.slot, direction}, std::move(*loaded)).first;
    }
    auto trace = twin->second.ask(frame, clock_, state);
    if (!trace) return tl::unexpected(trace.error());
    Judgement judgement;
    judgement.reason = &reason_of(trace->reason);
    if (trace->rule != FW_NO_RULE) judgement.rule = rules_.find(trace->rule);
    if (trace->rule != FW_NO_RULE && judgement.rule == nullptr)
        return fail(
            fmt::format("the program names a rule that fwctl does not know (counter {})", trace->rule));
    judgement.choice = choice_of(*trace);
    // A policy by itself has no routes to its backends.
    if (purpose_ == Purpose::kRehearse && trace->reason == FW_REASON_BALANCE_FAILED)
        judgement.reason = &reason_of(FW_REASON_BALANCED);
    judgement.verdict =
        verdict_of(*judgement.reason, judgement.rule == nullptr ? nullptr : &judgement.rule->rule,
                   trace->packet.state, judgement.choice.has_value());
    // What XDP leaves to TC, too.
    if (judgement.verdict == "balance" && judgement.reason->verdict == FW_PASS)
        judgement.reason = &reason_of(FW_REASON_BALANCED);
    judgement.trace = *trace;
    return judgement;
}

std::optional<Placement> Explainer::choice_of(const fw_trace& trace) const {
    if (trace.packet.service == 0) return std::nullopt;
    Placement choice;
    for (const std::string& vip : numbers_.services())
        if (numbers_.place(vip) == trace.packet.service) choice.vip = vip;
    const std::string name = numbers_.backend_name(trace.backend);
    choice.backend = name.substr(name.find('/') + 1);
    choice.slot = trace.slot;
    choice.why = static_cast<fw_placed_why>(trace.placed_why);
    return choice;
}

void Explainer::begin_anew() {
    clock_ += static_cast<std::uint64_t>(std::chrono::nanoseconds(2 * policy::kLongestRefill).count());
}

Result<Explanation> Explainer::explain(const Attachment& attachment, fw_direction direction,
                                       std::span<const std::uint8_t> frame,
                                       std::optional<policy::FlowState> state) {
    auto judgement = judge(attachment, direction, frame, state);
    if (!judgement) return tl::unexpected(judgement.error());
    policy::PacketView view = view_of(judgement->trace.packet, static_cast<fw_link>(attachment.record.link),
                                      direction, attachment.names());
    view.now = monotonic_now();
    Explanation explanation;
    explanation.judgement = *judgement;
    explanation.packet = {view, {attachment.names().front(), view.direction}};
    note_rules(explanation, view);
    note_sets(explanation, view);
    return explanation;
}

Result<Explanation> Explainer::explain(const policy::PacketText& packet) {
    auto attachment = find(packet.place.interface);
    if (!attachment) return tl::unexpected(attachment.error());
    auto frame = frame_on(**attachment, packet);
    if (!frame) return tl::unexpected(frame.error());
    auto explanation =
        explain(**attachment, direction_of(packet.place.direction), *frame, packet.packet.state);
    // What the words leave out, the frame has all the same; it is no part of what was asked.
    if (explanation && !packet.packet.mac) explanation->packet.packet.mac.reset();
    return explanation;
}

void Explainer::note_rules(Explanation& explanation, const policy::PacketView& packet) const {
    const Judgement& judgement = explanation.judgement;
    const auto parts = parts_by_counter(judgement.trace);
    if (judgement.trace.row_count > FW_MAX_TRACED_ROWS)
        explanation.not_noted = judgement.trace.row_count - FW_MAX_TRACED_ROWS;
    for (const KnownRule& known : rules_.rules()) {
        if (&known == judgement.rule) break;
        const auto part = parts.find(known.counter);
        if (part == parts.end()) {
            explanation.passed_over += policy::judged_by_parser(known.rule) ? 0 : 1;
            continue;
        }
        const bool counts = part->second == FW_ROW_HELD;
        explanation.looked_at.push_back(
            {&known, counts ? "" : why_not(known.rule, static_cast<fw_row_part>(part->second), packet)});
    }
}

void Explainer::note_sets(Explanation& explanation, const policy::PacketView& packet) const {
    if (!packet.family) return;
    for (const policy::Set& set : main_.sets) {
        for (const fw_side side : {FW_SOURCE, FW_DESTINATION}) {
            const auto& address = side == FW_SOURCE ? packet.source : packet.destination;
            const policy::Prefix single{*packet.family, policy::address_bits(*packet.family), address};
            const auto block = set.dynamic ? find_member(*store_, state_.main, set.name, single)
                                           : find_covering(set.elements, single);
            if (block) explanation.sets.push_back({set.name, side, *block});
        }
    }
}

Result<std::vector<std::uint8_t>> frame_on(const Attachment& attachment, const policy::PacketText& packet) {
    const auto link = static_cast<fw_link>(attachment.record.link);
    const bool wants_ethernet =
        packet.packet.mac || packet.packet.vlan != policy::kNoVlan || !packet.packet.family;
    if (link != FW_LINK_ETHERNET && wants_ethernet)
        return fail(
            fmt::format("{} has no Ethernet: its packets are IP, without mac and vlan", attachment.name()),
            Exit::kUsage);
    return make_frame(packet.packet, link);
}

}  // namespace fwctl::engine
