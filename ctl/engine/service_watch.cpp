#include "engine/service_watch.h"

namespace fwctl::engine {

Result<bool> ServiceWatch::read() {
    const Store::Holding holding = store_->holding();
    if (known_.holding == holding) return false;
    auto state = store_->read();
    auto running = store_->running_services();
    // What was read while another generation took its place may be of neither; the next look reads it whole.
    if (store_->holding() != holding) return false;
    if (!state) return tl::unexpected(state.error());
    if (!running) return tl::unexpected(running.error());
    known_.holding = holding;
    known_.vips = std::move(state->front.vips);
    known_.snapshot = std::move(state->main.snapshot);
    known_.numbers.clear();
    for (const policy::Vip& vip : known_.vips)
        for (const policy::Backend& backend : vip.backends)
            known_.numbers[{vip.name, backend.name}] = running->numbers.backend(vip.name, backend.name);
    return true;
}

Result<bool> ServiceWatch::look() {
    const bool was_attached = attached();
    const auto found = store_.find();
    if (!found || *found) known_ = {};
    if (!found && found.error().exit == Exit::kNotAttached) return was_attached;
    if (!found) return tl::unexpected(found.error());
    auto read = this->read();
    if (!read) return tl::unexpected(read.error());
    return (was_attached && *found) || *read;
}

std::uint32_t ServiceWatch::condition(const std::string& vip, const std::string& backend) const {
    return store_->condition(known_.numbers.at({vip, backend}));
}

std::uint32_t ServiceWatch::check_mark(const std::string& vip, const std::string& backend) const {
    return store_->check_mark(known_.numbers.at({vip, backend}));
}

std::uint32_t ServiceWatch::checks_sent(const std::string& vip, const std::string& backend,
                                        policy::Family family) const {
    const auto number = known_.numbers.find({vip, backend});
    if (!store_ || number == known_.numbers.end()) return 0;
    return store_->checks_sent(number->second,
                               family == policy::Family::kIpv4 ? FW_CHECK_IPV4 : FW_CHECK_IPV6);
}

Status ServiceWatch::sweep_placed(std::uint32_t page) const {
    return store_ ? store_->sweep_placed(page) : Status{};
}

bool ServiceWatch::set_condition(const std::string& vip, const std::string& backend,
                                 std::uint32_t condition) const {
    if (!store_ || store_->holding() != known_.holding) return false;
    const std::uint16_t number = known_.numbers.at({vip, backend});
    if (store_->condition(number) != condition) store_->set_condition(number, condition);
    return true;
}

}  // namespace fwctl::engine
