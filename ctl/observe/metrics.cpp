#include "observe/metrics.h"

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "engine/status.h"
#include "engine/verdict.h"
#include "observe/backend_metrics.h"
#include "observe/words.h"
#include "policy/schema.h"

namespace fwctl::observe {
namespace {

using engine::AttachmentStatus;
using engine::Overview;

constexpr auto kCounter = MetricKind::kCounter;
constexpr auto kGauge = MetricKind::kGauge;

// By interface, as two attachments may know theirs by the same name, and two lines may not.
using ByInterface = std::map<std::string, std::array<fw_counters, FW_DIRECTIONS>>;

ByInterface by_interface(const Counts& counts) {
    ByInterface all;
    for (const InterfaceCounts& one : counts.interfaces)
        for (const fw_direction direction : {FW_IN, FW_OUT})
            for (std::size_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
                fw_count& sum = all[one.name][direction].by_reason[reason];
                sum.packets += one.counters[direction].by_reason[reason].packets;
                sum.bytes += one.counters[direction].by_reason[reason].bytes;
            }
    return all;
}

// Reasons that nothing was counted for, too: what begins to be counted would have no rate else.
void tell_packets(const ByInterface& all, __u64 fw_count::*number, Exposition& text) {
    for (const auto& [name, directions] : all)
        for (const fw_direction direction : {FW_IN, FW_OUT})
            for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
                const engine::Reason& known = engine::reason_of(reason);
                text.sample(directions[direction].by_reason[reason].*number,
                            {{"interface", name},
                             {"direction", engine::direction_name(direction)},
                             {"verdict", engine::verdict_name(known.verdict)},
                             {"reason", known.name}});
            }
}

void tell_interfaces(const Counts& counts, Exposition& text) {
    const ByInterface all = by_interface(counts);
    text.metric("fwctl_packets_total", kCounter, "Packets that attached programs have decided about.");
    tell_packets(all, &fw_count::packets, text);
    text.metric("fwctl_bytes_total", kCounter, "Bytes of the packets of fwctl_packets_total.");
    tell_packets(all, &fw_count::bytes, text);
}

// The built-in and the live rules, of which there are few, and the first ones of the policy.
std::size_t rules_told(const NamedRules& rules) {
    std::size_t told = 0;
    for (std::size_t of_policy = 0; told < rules.size(); ++told)
        if (rules[told].origin == policy::Origin::kFile && of_policy++ == Metrics::kRulesTold) break;
    return told;
}

void tell_rules(const Counts& counts, OtherRules& others, Exposition& text) {
    const NamedRules& rules = *counts.rules;
    const std::size_t told = rules_told(rules);
    const auto tell = [&](__u64 fw_rule_count::*number) {
        for (std::size_t i = 0; i < told; ++i)
            text.sample(counts.rule_counts[i].*number,
                        {{"rule", rules[i].name}, {"origin", policy::origin_name(rules[i].origin)}});
    };
    fw_count sum{};
    for (std::size_t i = told; i < rules.size(); ++i) {
        sum.packets += counts.rule_counts[i].packets;
        sum.bytes += counts.rule_counts[i].bytes;
    }
    others.add(counts.rules, sum);
    text.metric("fwctl_rule_packets_total", kCounter, "Packets that a rule has decided about, or counted.");
    tell(&fw_rule_count::packets);
    text.metric("fwctl_rule_bytes_total", kCounter, "Bytes of the packets of fwctl_rule_packets_total.");
    tell(&fw_rule_count::bytes);
    text.metric(
        "fwctl_other_rules_packets_total", kCounter,
        "Packets of the policy's rules that have no line of their own, together, since this was first "
        "asked for.");
    text.sample(others.total().packets);
    text.metric("fwctl_other_rules_bytes_total", kCounter,
                "Bytes of the packets of fwctl_other_rules_packets_total.");
    text.sample(others.total().bytes);
    text.metric("fwctl_rules", kGauge, "Rules that hold: with lines of their own, and together.");
    text.sample(told, {{"told", "each"}});
    text.sample(rules.size() - told, {{"told", "together"}});
}

void tell_sets(const Counts& counts, Exposition& text) {
    const auto tell = [&](const char* name, MetricKind kind, const char* help,
                          std::uint64_t SetCounts::*number) {
        text.metric(name, kind, help);
        for (const SetCounts& set : counts.sets) text.sample(set.*number, {{"set", set.name}});
    };
    tell("fwctl_set_members", kGauge, "Members of a dynamic set.", &SetCounts::members);
    tell("fwctl_set_member_limit", kGauge, "How many members a dynamic set may have.", &SetCounts::size);
    tell("fwctl_set_banned_total", kCounter, "Members that rules have put into a dynamic set.",
         &SetCounts::banned);
    tell("fwctl_set_replaced_total", kCounter, "Members that gave way to others, as the set was full.",
         &SetCounts::replaced);
    tell("fwctl_set_refused_total", kCounter, "Members that found no room.", &SetCounts::refused);
}

void tell_tracking(const TrackingCounts& tracking, Exposition& text) {
    text.metric("fwctl_conntrack_flow_limit", kGauge,
                "Confirmed flows that the flow table has room for; 0: no rule asks for the state of flows.");
    text.sample(tracking.room);
    text.metric("fwctl_conntrack_flows", kGauge, "Flows in the flow table.");
    text.sample(tracking.confirmed, {{"state", "confirmed"}});
    text.sample(tracking.fresh, {{"state", "new"}});
    const auto tell = [&](const char* name, const char* help, std::uint64_t number) {
        text.metric(name, kCounter, help);
        text.sample(number);
    };
    tell("fwctl_conntrack_opened_total", "Flows that were opened.", tracking.counts.opened);
    tell("fwctl_conntrack_confirmed_total", "Flows that were confirmed.", tracking.counts.confirmed);
    tell("fwctl_conntrack_displaced_total", "New flows that newer ones took the place of.",
         tracking.counts.displaced);
    tell("fwctl_conntrack_crowded_total", "Packets of flows that found no room among the confirmed ones.",
         tracking.counts.crowded);
    tell("fwctl_conntrack_busy_total",
         "Packets that did not get the lock of their flow, and were taken for invalid.",
         tracking.counts.busy);
}

void tell_attachments(const Overview& overview, Exposition& text) {
    // As above: each name once, and it protects when all of that name do.
    std::map<std::string, const AttachmentStatus*> all;
    for (const AttachmentStatus& one : overview.attachments) {
        const AttachmentStatus*& known = all[one.attachment.name()];
        if (known == nullptr || !one.broken.empty()) known = &one;
    }
    text.metric("fwctl_attachment_info", kGauge, "An attached interface, and how it is filtered.");
    for (const auto& [name, one] : all)
        text.sample(1, {{"interface", name},
                        {"ingress", filtered_by(*one, FW_IN)},
                        {"egress", filtered_by(*one, FW_OUT)}});
    text.metric("fwctl_attachment_protects", kGauge,
                "Whether all programs of an attachment are where they should be.");
    for (const auto& [name, one] : all) text.sample(one->broken.empty() ? 1 : 0, {{"interface", name}});
    text.metric("fwctl_attachment_warnings", kGauge, "Notes that fwctl status has on an attachment.");
    for (const auto& [name, one] : all) text.sample(one->warnings.size(), {{"interface", name}});
}

void tell_state(const Overview& overview, Exposition& text) {
    text.metric("fwctl_generation", kGauge, "The number of the generation that holds.");
    text.sample(overview.generation);
    text.metric("fwctl_policy_info", kGauge, "The policy that was applied.");
    if (!overview.snapshot.empty()) text.sample(1, {{"path", overview.policy}, {"hash", overview.snapshot}});
    text.metric("fwctl_trial_remaining_seconds", kGauge, "What is left of a policy's trial.");
    if (overview.trial) text.sample(static_cast<std::uint64_t>(overview.trial->count()));
    text.metric("fwctl_unanswered_addresses", kGauge,
                "Addresses of services that are to be announced, and are not there.");
    text.sample(overview.unanswered.size());
    text.metric("fwctl_listeners", kGauge,
                "Listeners to packets (fwctl monitor, capture, top talkers; two of an open page).");
    text.sample(overview.listeners.size());
    text.metric("fwctl_listener_lost_events_total", kCounter,
                "Packets that a listener was not told of, as it was too slow.");
    for (const auto& [slot, lost] : overview.listeners)
        text.sample(lost, {{"listener", std::to_string(slot)}});
}

}  // namespace

void OtherRules::add(const std::shared_ptr<const NamedRules>& rules, const fw_count& sum) {
    if (rules == rules_) {
        total_.packets += sum.packets - last_.packets;
        total_.bytes += sum.bytes - last_.bytes;
    }
    rules_ = rules;
    last_ = sum;
}

Status Metrics::tell(Exposition& text) {
    const auto began = std::chrono::steady_clock::now();
    text.metric("fwctl_build_info", kGauge, "The version of fwctl.");
    text.sample(1, {{"version", FWCTL_VERSION}});
    auto overview = engine::peek_status();
    if (!overview) return tl::unexpected(overview.error());
    auto counts = reader_.read();
    if (!counts && counts.error().exit != Exit::kNotAttached) return tl::unexpected(counts.error());
    text.metric("fwctl_attached", kGauge, "Whether anything is attached in this network namespace.");
    const bool attached = *overview && counts;
    text.sample(attached ? 1 : 0);
    if (attached) {
        tell_state(**overview, text);
        tell_attachments(**overview, text);
        tell_interfaces(*counts, text);
        tell_rules(*counts, others_, text);
        tell_sets(*counts, text);
        tell_backends(*counts, (*overview)->vips, text);
        tell_tracking(counts->tracking, text);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    text.metric("fwctl_read_duration_seconds", kGauge, "How long it took to read what is told here.");
    text.seconds(took.count());
    return {};
}

}  // namespace fwctl::observe
