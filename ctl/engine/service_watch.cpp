#include "engine/service_watch.h"

#include "engine/session.h"

namespace fwctl::engine {

bool ServiceWatch::still_there() const {
    return kernel::inode_of(store_->paths().directory) == directory_;
}

void ServiceWatch::forget() {
    *this = ServiceWatch();
}

Status ServiceWatch::open() {
    auto store = open_to_peek();
    if (!store) return tl::unexpected(store.error());
    if (!*store) return {};
    const auto inode = kernel::inode_of((*store)->paths().directory);
    if (!inode) return {};
    store_ = std::move(*store);
    directory_ = *inode;
    return {};
}

Result<bool> ServiceWatch::read() {
    const Store::Holding holding = store_->holding();
    if (holding_ == holding) return false;
    auto state = store_->read();
    auto running = store_->running_services();
    // What was read while another generation took its place may be of neither; the next look reads it whole.
    if (store_->holding() != holding) return false;
    if (!state) return tl::unexpected(state.error());
    if (!running) return tl::unexpected(running.error());
    holding_ = holding;
    vips_ = std::move(state->front.vips);
    snapshot_ = std::move(state->main.snapshot);
    numbers_.clear();
    for (const policy::Vip& vip : vips_)
        for (const policy::Backend& backend : vip.backends)
            numbers_[{vip.name, backend.name}] = running->numbers.backend(vip.name, backend.name);
    return true;
}

Result<bool> ServiceWatch::look() {
    bool changed = false;
    if (store_ && !still_there()) {
        forget();
        changed = true;
    }
    if (!store_)
        if (auto opened = open(); !opened) return tl::unexpected(opened.error());
    if (!store_) return changed;
    auto read = this->read();
    if (!read) return tl::unexpected(read.error());
    return changed || *read;
}

std::uint32_t ServiceWatch::condition(const std::string& vip, const std::string& backend) const {
    return store_->condition(numbers_.at({vip, backend}));
}

std::uint32_t ServiceWatch::check_mark(const std::string& vip, const std::string& backend) const {
    return store_->check_mark(numbers_.at({vip, backend}));
}

std::uint32_t ServiceWatch::checks_sent(const std::string& vip, const std::string& backend,
                                        policy::Family family) const {
    const auto number = numbers_.find({vip, backend});
    if (!store_ || number == numbers_.end()) return 0;
    return store_->checks_sent(number->second,
                               family == policy::Family::kIpv4 ? FW_CHECK_IPV4 : FW_CHECK_IPV6);
}

Status ServiceWatch::sweep_placed(std::uint32_t page) const {
    return store_ ? store_->sweep_placed(page) : Status{};
}

bool ServiceWatch::set_condition(const std::string& vip, const std::string& backend,
                                 std::uint32_t condition) const {
    if (!store_ || store_->holding() != holding_) return false;
    const std::uint16_t number = numbers_.at({vip, backend});
    if (store_->condition(number) != condition) store_->set_condition(number, condition);
    return true;
}

}  // namespace fwctl::engine
