#include "observe/closeup.h"

#include <algorithm>
#include <utility>

#include "engine/verdict.h"

namespace fwctl::observe {
namespace {

std::uint64_t kind_of(const fw_event& event) {
    return std::uint64_t{event.rule} << 8 | event.reason;
}

}  // namespace

void keep_outstanding(engine::TalkerList& list, std::size_t most) {
    const auto end =
        std::find_if(list.talkers.begin(), list.talkers.end(),
                     [&list](const engine::Talker& one) { return one.packets <= list.unlisted; });
    const std::size_t kept = std::min(static_cast<std::size_t>(end - list.talkers.begin()), most);
    for (std::size_t i = kept; i < list.talkers.size(); ++i)
        list.unlisted = std::max(list.unlisted, list.talkers[i].packets + list.talkers[i].more);
    list.talkers.resize(kept);
}

Status Closeup::open() {
    if (events_) return {};
    auto events =
        engine::Events::open({.reasons = engine::reasons_of(FW_DROP) | std::uint64_t{1} << FW_RULE_LOGGED});
    if (!events) return tl::unexpected(events.error());
    auto ears = TalkerEars::open();
    if (!ears) return tl::unexpected(ears.error());
    events_.emplace(std::move(*events));
    ears_.emplace(std::move(*ears));
    sampling_ = Sampling();
    lost_ = 0;
    return {};
}

void Closeup::close() {
    events_.reset();
    ears_.reset();
    talkers_.reset();
}

Status Closeup::look_at_talkers() {
    auto rates = ears_->look();
    if (!rates) return tl::unexpected(rates.error());
    keep_outstanding(rates->list, kTalkers);
    talkers_ = std::move(*rates);
    return {};
}

Status Closeup::look_at_packets() {
    Second second;
    auto read = events_->read(
        std::chrono::milliseconds(0),
        [&](const engine::Event& event) {
            second.shown.push_back(event);
            second.shown.back().frame = {};
            return true;
        },
        [&](const fw_event& event, const kernel::Frame&) { return sampling_.takes(kind_of(event)); });
    const std::uint64_t all_lost = events_->lost().value_or(lost_);
    const std::uint64_t lost = all_lost - std::exchange(lost_, all_lost);
    second.more = sampling_.more(lost);
    second.is_estimate = sampling_.one_of() > 1;
    second.stood_still = events_->stood_still();
    sampling_ = sampling_.next(lost);
    events_->thin_to(sampling_.one_of());
    if (second.shown.empty() && second.more == 0 && !second.stood_still) return read;
    second.number = ++last_;
    seconds_.push_back(std::move(second));
    if (seconds_.size() > kSeconds) seconds_.pop_front();
    return read;
}

// What was detached is looked for again at the next look.
void Closeup::look(Time now) {
    if (!asked_ || now - *asked_ > kPatience) {
        close();
        trouble_.clear();
        return;
    }
    Status looked = open();
    if (looked) looked = look_at_packets();
    if (looked) looked = look_at_talkers();
    trouble_ = looked || looked.error().exit == Exit::kNotAttached ? "" : looked.error().message;
    if (!looked) close();
}

}  // namespace fwctl::observe
