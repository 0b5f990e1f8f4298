#include "observe/picture.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/findings.h"
#include "engine/status.h"
#include "engine/verdict.h"
#include "observe/words.h"
#include "policy/packet_text.h"
#include "policy/prefix.h"
#include "policy/schema.h"
#include "policy/vip.h"

namespace fwctl::observe {
namespace {

using PictureJson = nlohmann::ordered_json;
using engine::Overview;

std::int64_t milliseconds(WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

PictureJson counts_of(const InterfaceCounts& counts) {
    PictureJson all = PictureJson::array();
    for (const fw_direction direction : {FW_IN, FW_OUT})
        for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason) {
            const fw_count& count = counts.counters[direction].by_reason[reason];
            if (count.packets == 0) continue;
            const engine::Reason& known = engine::reason_of(reason);
            all.push_back({{"direction", engine::direction_name(direction)},
                           {"verdict", engine::verdict_name(known.verdict)},
                           {"reason", known.name},
                           {"packets", count.packets},
                           {"bytes", count.bytes}});
        }
    return all;
}

PictureJson interfaces_of(const Counts& counts, const Overview& overview) {
    PictureJson all = PictureJson::array();
    for (const engine::AttachmentStatus& one : overview.attachments) {
        PictureJson entry{{"name", one.attachment.name()},      {"ingress", filtered_by(one, FW_IN)},
                          {"egress", filtered_by(one, FW_OUT)}, {"broken", one.broken},
                          {"warnings", one.warnings},           {"counts", PictureJson::array()}};
        for (const InterfaceCounts& interface : counts.interfaces)
            if (interface.name == one.attachment.name()) entry["counts"] = counts_of(interface);
        all.push_back(std::move(entry));
    }
    return all;
}

PictureJson rules_of(const Counts& counts) {
    PictureJson all = PictureJson::array();
    std::size_t of_policy = 0;
    for (std::size_t i = 0; i < counts.rules->size(); ++i) {
        const NamedRule& rule = (*counts.rules)[i];
        if (rule.origin == policy::Origin::kFile && ++of_policy > Picture::kRules) break;
        all.push_back({{"name", rule.name},
                       {"origin", policy::origin_name(rule.origin)},
                       {"says", rule.says},
                       {"packets", counts.rule_counts[i].packets},
                       {"bytes", counts.rule_counts[i].bytes}});
    }
    return all;
}

PictureJson history_of(const std::deque<HealthChange>& changes) {
    PictureJson all = PictureJson::array();
    for (const HealthChange& one : changes)
        all.push_back({milliseconds(one.time), engine::health_name(one.health)});
    return all;
}

PictureJson services_of(const Counts& counts, const std::vector<policy::Vip>& vips,
                        const HealthHistory& history) {
    PictureJson all = PictureJson::array();
    for (const ServiceCounts& service : counts.services) {
        const policy::Vip* vip = policy::find_named(vips, service.name);
        if (vip == nullptr) continue;
        PictureJson backends = PictureJson::array();
        for (const BackendCounts& one : service.backends) {
            const policy::Backend* backend = policy::find_named(vip->backends, one.name);
            if (backend == nullptr) continue;
            backends.push_back({{"name", one.name},
                                {"address", addresses_of(*backend)},
                                {"state", policy::state_name(backend->state)},
                                {"weight", backend->weight},
                                {"health", engine::health_name(one.health)},
                                {"history", history_of(history.of(service.name, one.name))},
                                {"packets", one.count.packets},
                                {"bytes", one.count.bytes},
                                {"flows", one.count.flows},
                                {"active", one.active}});
        }
        all.push_back({{"name", service.name},
                       {"health", engine::health_name(service.health)},
                       {"backends", std::move(backends)}});
    }
    return all;
}

PictureJson sets_of(const Counts& counts) {
    PictureJson all = PictureJson::array();
    for (const SetCounts& set : counts.sets)
        all.push_back({{"name", set.name},
                       {"members", set.members},
                       {"size", set.size},
                       {"banned", set.banned},
                       {"replaced", set.replaced},
                       {"refused", set.refused}});
    return all;
}

// What fwctl doctor says of the state, and what else who looks should know.
PictureJson warnings_of(const Overview& overview, const std::string& closeup_trouble) {
    PictureJson all = PictureJson::array();
    for (const engine::Finding& one : engine::findings_of(overview))
        all.push_back({{"bad", one.is_bad}, {"text", one.text}});
    if (overview.trial)
        all.push_back({{"bad", false},
                       {"text", fmt::format("the policy is on trial for another {} s: fwctl confirm keeps it",
                                            overview.trial->count())}});
    if (!closeup_trouble.empty())
        all.push_back(
            {{"bad", false}, {"text", "sources and packets are not shown here: " + closeup_trouble}});
    return all;
}

// Rates, and how many more packets there may have been.
PictureJson talkers_of(const TalkerRates& rates) {
    PictureJson all = PictureJson::array();
    if (rates.seconds <= 0) return all;
    for (const engine::Talker& one : rates.list.talkers)
        all.push_back({{"source", policy::format_prefix(one.source)},
                       {"packets", rates.per_second(one.packets)},
                       {"more", rates.per_second(one.more)},
                       {"bytes", rates.per_second(one.bytes)},
                       {"dropped", rates.per_second(one.dropped)}});
    return all;
}

// The interface has a field of its own.
PictureJson packet_of(const engine::Event& event) {
    policy::PacketText packet = event.packet;
    const std::string interface = std::exchange(packet.place.interface, "");
    const bool is_log = event.reason == nullptr;
    return {{"time", milliseconds(event.time)},
            {"interface", interface},
            {"kind", is_log ? event.happening->kind : engine::verdict_name(event.reason->verdict)},
            {"reason", is_log ? event.happening->name : event.reason->name},
            {"rule", event.rule},
            {"text", policy::format_packet(packet)}};
}

PictureJson packets_of(const std::deque<Closeup::Second>& seconds) {
    PictureJson all = PictureJson::array();
    for (const Closeup::Second& one : seconds) {
        PictureJson shown = PictureJson::array();
        for (const engine::Event& event : one.shown) shown.push_back(packet_of(event));
        all.push_back({{"number", one.number},
                       {"packets", std::move(shown)},
                       {"more", one.more},
                       {"estimate", one.is_estimate},
                       {"stood_still", one.stood_still}});
    }
    return all;
}

}  // namespace

Picture::Picture() : began_(std::chrono::system_clock::now()) {}

void Picture::add(WallTime now, const News& news) {
    events_.push_back({++last_, now, news});
    if (events_.size() > kEvents) events_.pop_front();
}

void Picture::look(WallTime now, const std::vector<News>& news) {
    for (const News& one : health_.look(now)) add(now, one);
    for (const News& one : news) add(now, one);
    closeup_.look(std::chrono::steady_clock::now());
}

Result<std::string> Picture::text() {
    closeup_.ask(std::chrono::steady_clock::now());
    auto overview = engine::peek_status();
    if (!overview) return tl::unexpected(overview.error());
    auto counts = reader_.read();
    if (!counts && counts.error().exit != Exit::kNotAttached) return tl::unexpected(counts.error());
    PictureJson all{{"schema", 1},
                    {"time", milliseconds(std::chrono::system_clock::now())},
                    {"epoch", milliseconds(began_)},
                    {"attached", counts.has_value() && overview->has_value()}};
    if (counts && *overview) {
        const Overview& status = **overview;
        all["generation"] = status.generation;
        all["policy"] = {{"path", status.policy}, {"hash", status.snapshot}};
        all["interfaces"] = interfaces_of(*counts, status);
        all["rules"] = rules_of(*counts);
        all["rule_count"] = counts->rules->size();
        all["services"] = services_of(*counts, status.vips, health_);
        all["sets"] = sets_of(*counts);
        all["conntrack"] = {{"room", counts->tracking.room},
                            {"confirmed", counts->tracking.confirmed},
                            {"fresh", counts->tracking.fresh}};
        all["warnings"] = warnings_of(status, closeup_.trouble());
        // What nobody else has sent more of.
        all["unlisted"] =
            closeup_.talkers() ? closeup_.talkers()->per_second(closeup_.talkers()->list.unlisted) : 0;
        all["talkers"] = closeup_.talkers() ? talkers_of(*closeup_.talkers()) : PictureJson(nullptr);
    }
    PictureJson events = PictureJson::array();
    for (const Happened& one : events_)
        events.push_back({{"number", one.number},
                          {"time", milliseconds(one.time)},
                          {"event", one.news.event},
                          {"priority", static_cast<int>(one.news.priority)},
                          {"text", one.news.text}});
    all["events"] = std::move(events);
    all["packets"] = packets_of(closeup_.seconds());
    return all.dump(-1, ' ', false, PictureJson::error_handler_t::replace);
}

}  // namespace fwctl::observe
