#include "observe/capture.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fwctl/abi/state.h"

namespace fwctl::observe {
namespace {

constexpr std::size_t kAtATime = std::size_t{64} << 10;  // bytes, to be written
// However little is kept: what programs look at themselves.
constexpr std::uint32_t kLeast = 64;

// A filter looks at the whole packet, as tcpdump's does, however little of it is kept.
std::uint32_t bytes_for(const CaptureWish& wish, const PacketFilter& filter) {
    return filter.text().empty() ? std::max(wish.snaplen, kLeast) : std::uint32_t{FW_MAX_CAPTURED};
}

pcapng::Verdict verdict_of(const fw_capture& about) {
    using Type = pcapng::Verdict::Type;
    return {about.hook == FW_HOOK_XDP ? Type::kXdp : Type::kTc, about.action};
}

// None where it is not said by the hook: what leaves may go anywhere.
std::optional<pcapng::Direction> direction_of(const fw_capture& about) {
    if (about.point == FW_AFTER) return std::nullopt;
    return about.event.direction == FW_OUT ? pcapng::Direction::kOutbound : pcapng::Direction::kInbound;
}

std::string comment_of(const engine::Event& event) {
    return fmt::format("{} {}{}{}{}", engine::verdict_name(event.reason->verdict), event.reason->name,
                       event.rule.empty() ? "" : fmt::format(", rule \"{}\"", event.rule),
                       event.backend.empty() ? "" : fmt::format(", backend {}/{}", event.vip, event.backend),
                       event.frame.about->point == FW_AFTER ? ", after" : "");
}

// One that fits some of the interfaces leaves out the others.
Status refuse_misfit(const std::vector<engine::Attachment>& attachments, const PacketFilter& filter) {
    const std::string* why = nullptr;
    for (const engine::Attachment& one : attachments) {
        why = &filter.misfit(static_cast<fw_link>(one.record.link));
        if (why->empty()) return {};
    }
    return why == nullptr ? Status{} : fail(*why, Exit::kUsage);
}

}  // namespace

Capture::Capture(CaptureWish wish, PacketFilter filter, engine::Events events, CaptureOutput output,
                 GivesUp gives_up)
    : wish_(std::move(wish)),
      filter_(std::move(filter)),
      events_(std::move(events)),
      output_(std::move(output)),
      gives_up_(std::move(gives_up)) {}

// The file is opened last: whatever else is wrong, it stays as it is.
Result<Capture> Capture::start(const CaptureWish& wish, PacketFilter filter, const std::string& path,
                               GivesUp gives_up) {
    auto events = engine::Events::open(
        {.reasons = wish.reasons, .bytes = bytes_for(wish, filter), .points = wish.points});
    if (!events) return tl::unexpected(events.error());
    if (auto fits = refuse_misfit(events->attachments(), filter); !fits) return tl::unexpected(fits.error());
    auto output = CaptureOutput::open(path);
    if (!output) return tl::unexpected(output.error());
    Capture capture(wish, std::move(filter), std::move(*events), std::move(*output), std::move(gives_up));
    capture.begin_file();
    if (auto flushed = capture.flush(); !flushed) return tl::unexpected(flushed.error());
    return capture;
}

// With what is attached, so that whoever reads a pipe knows the link layer at once.
void Capture::begin_file() {
    pcapng::put_section(blocks_, wish_.application);
    for (const engine::Attachment& attachment : events_.attachments())
        by_slot_[attachment.slot] =
            number_of(attachment.name(), static_cast<fw_link>(attachment.record.link));
}

std::uint32_t Capture::number_of(const std::string& name, fw_link link) {
    const auto found = std::find_if(interfaces_.begin(), interfaces_.end(), [&](const Interface& one) {
        return one.link == link && one.name == name;
    });
    if (found != interfaces_.end()) return static_cast<std::uint32_t>(found - interfaces_.begin());
    using pcapng::LinkType;
    pcapng::put_interface(blocks_, {.name = name,
                                    .link = link == FW_LINK_ETHERNET ? LinkType::kEthernet : LinkType::kRawIp,
                                    .snaplen = wish_.snaplen,
                                    .filter = filter_.text()});
    interfaces_.push_back({.name = name, .link = link});
    return static_cast<std::uint32_t>(interfaces_.size() - 1);
}

bool Capture::has_link(fw_link link) const {
    return std::any_of(interfaces_.begin(), interfaces_.end(),
                       [link](const Interface& one) { return one.link == link; });
}

bool Capture::passes(const fw_event& event, const kernel::Frame& frame) {
    if (frame.about == nullptr) return false;
    const auto number = by_slot_.find(event.slot);
    if (number != by_slot_.end()) ++interfaces_[number->second].received;
    return filter_.matches(static_cast<fw_link>(frame.about->link), frame.bytes, frame.about->length);
}

Status Capture::put(const engine::Event& event) {
    const fw_capture& about = *event.frame.about;
    const std::uint32_t number = number_of(event.packet.place.interface, static_cast<fw_link>(about.link));
    // One that was attached meanwhile.
    if (by_slot_.try_emplace(about.event.slot, number).second) ++interfaces_[number].received;
    by_slot_[about.event.slot] = number;
    const std::string comment = comment_of(event);
    pcapng::put_packet(
        blocks_,
        {.interface = number,
         .time = event.time,
         .bytes = event.frame.bytes.first(std::min<std::size_t>(event.frame.bytes.size(), wish_.snaplen)),
         .length = about.length,
         .direction = direction_of(about),
         .verdict = verdict_of(about),
         .comment = comment});
    ++interfaces_[number].written;
    ++written_;
    return blocks_.size() < kAtATime ? Status{} : flush();
}

Status Capture::flush() {
    const auto written = output_.write(blocks_, gives_up_);
    blocks_.clear();
    return written;
}

Status Capture::write_some(std::chrono::milliseconds wait) {
    Status written;
    const auto read = events_.read(
        wait,
        [&](const engine::Event& event) {
            written = put(event);
            return written && !is_done() && !gives_up_();
        },
        [&](const fw_event& event, const kernel::Frame& frame) { return passes(event, frame); });
    if (auto lost = events_.lost()) lost_ = *lost;
    if (written) written = flush();
    return written ? read : written;
}

Status Capture::finish() {
    const bool is_alone = interfaces_.size() == 1;
    const std::string comment =
        is_alone || lost_ == 0 ? ""
                               : fmt::format("of all interfaces together {} packets found no room", lost_);
    for (std::uint32_t i = 0; i < interfaces_.size(); ++i)
        pcapng::put_statistics(blocks_, {.interface = i,
                                         .begin = began_,
                                         .end = std::chrono::system_clock::now(),
                                         .received = interfaces_[i].received,
                                         .written = interfaces_[i].written,
                                         .lost = is_alone || lost_ == 0 ? std::optional(lost_) : std::nullopt,
                                         .comment = comment});
    return flush();
}

}  // namespace fwctl::observe
