// Store: the services of a generation, written and read back.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "engine/placed.h"
#include "engine/service_health.h"
#include "engine/store.h"
#include "engine/ways.h"
#include "fwctl/abi/mark.h"

namespace fwctl::engine {
namespace {

template <typename Value>
Result<Value> read_value(const kernel::Banks& banks, std::uint32_t bank, std::uint32_t address) {
    auto words = banks.read(bank, address, sizeof(Value) / sizeof(std::uint32_t));
    if (!words) return tl::unexpected(words.error());
    Value value;
    std::memcpy(&value, words->data(), sizeof(value));
    return value;
}

}  // namespace

namespace {

bool is_at(const fw_backend& record, const policy::Prefix& address) {
    if (address.family == policy::Family::kIpv4)
        return std::memcmp(&record.ipv4, address.address.data(), sizeof(record.ipv4)) == 0;
    return std::memcmp(&record.ipv6, address.address.data(), sizeof(record.ipv6)) == 0;
}

// What was known of an address is better than that no route leads there for the moment.
compile::WayOut way_now_or_before(const policy::Prefix& address, const std::vector<fw_backend>& before) {
    compile::WayOut way = route_to(address);
    if (way.ifindex != 0) return way;
    for (const fw_backend& record : before)
        if (record.flags != 0 && is_at(record, address)) return way_of(record, address.family);
    return way;
}

}  // namespace

Result<std::vector<fw_backend>> Store::backend_records() const {
    const fw_generation& generation = *policy_.at(active_half());
    const std::size_t words = generation.services.backend_count * sizeof(fw_backend) / sizeof(std::uint32_t);
    auto read = banks_.read(generation.tiers[FW_FRONT].bank, generation.services.backends, words);
    if (!read) return tl::unexpected(read.error());
    std::vector<fw_backend> records(generation.services.backend_count);
    if (!records.empty()) std::memcpy(records.data(), read->data(), words * sizeof(std::uint32_t));
    return records;
}

Result<RunningServices> Store::services_of(std::uint32_t half) const {
    const fw_generation& generation = *policy_.at(half & 1);
    const std::uint32_t bank = generation.tiers[FW_FRONT].bank;
    RunningServices running;
    if (generation.services.numbers_size == 0) return running;
    auto text = banks_.read(bank, generation.services.numbers, (generation.services.numbers_size + 3) / 4);
    if (!text) return tl::unexpected(text.error());
    running.numbers = compile::Numbers::parse(
        {reinterpret_cast<const char*>(text->data()), generation.services.numbers_size});
    for (const std::string& name : running.numbers.services()) {
        auto service = read_value<fw_service>(banks_, bank, running.numbers.place(name));
        if (!service) return tl::unexpected(service.error());
        auto slots = banks_.read(bank, service->ring, service->slots);
        if (!slots) return tl::unexpected(slots.error());
        running.rings[name] = {std::move(*slots), service->former_until};
    }
    return running;
}

Status Store::put_services(const State& state, compile::Bank& front, fw_generation& generation) const {
    auto running = running_services();
    if (!running) return tl::unexpected(running.error());
    const compile::Numbers before = running->numbers;
    auto records = backend_records();
    if (!records) return tl::unexpected(records.error());
    const auto way_to = [&](const policy::Prefix& address) { return way_now_or_before(address, *records); };
    auto put = compile::put_services(
        {state.front.vips, state.front.decapsulate, way_to, std::move(running->rings), placed_ticks()}, front,
        running->numbers, generation.services);
    if (put) forget_former(state, before, running->numbers);
    return put;
}

// What was known of backends whose numbers others have now.
void Store::forget_former(const State& state, const compile::Numbers& before,
                          const compile::Numbers& now) const {
    for (const policy::Vip& vip : state.front.vips)
        for (const policy::Backend& backend : vip.backends) {
            const std::uint32_t number = now.backend(vip.name, backend.name);
            if (before.backend_name(number) == vip.name + '/' + backend.name) continue;
            set_condition(number, 0);
            (void)backend_counts_.clear_per_cpu<fw_backend_count>(number);
        }
}

// What was found out of backends that are not checked any more: should no agent run, nobody else would.
void Store::forget_unchecked(const State& state) const {
    const std::vector<policy::Vip>& vips = state.front.vips;
    if (std::all_of(vips.begin(), vips.end(), is_checked)) return;
    const auto running = running_services();
    if (!running) return;
    for (const policy::Vip& vip : vips) {
        if (is_checked(vip)) continue;
        for (const policy::Backend& backend : vip.backends)
            set_condition(running->numbers.backend(vip.name, backend.name), 0);
    }
}

std::uint32_t Store::condition(std::uint32_t number) const {
    return std::atomic_ref<__u32>(conditions_.at(0)->of[number]).load(std::memory_order_relaxed);
}

void Store::set_condition(std::uint32_t number, std::uint32_t condition) const {
    std::atomic_ref<__u32>(conditions_.at(0)->of[number]).store(condition, std::memory_order_relaxed);
}

std::uint32_t Store::check_mark(std::uint32_t number) const {
    return fw_check_mark(control_.at(0)->secret, number);
}

std::uint32_t Store::checks_sent(std::uint32_t number, fw_check_family family) const {
    return std::atomic_ref<__u32>(checks_.at(0)->sent[family][number]).load(std::memory_order_relaxed);
}

Result<fw_backend_count> Store::backend_count(std::uint32_t number) const {
    auto values = backend_counts_.per_cpu<fw_backend_count>(number);
    if (!values) return tl::unexpected(values.error());
    fw_backend_count sum{};
    for (const fw_backend_count& value : *values) {
        sum.packets += value.packets;
        sum.bytes += value.bytes;
        sum.flows += value.flows;
    }
    return sum;
}

Status Store::for_each_placed_line(const std::function<void(const fw_placed_line&)>& use) const {
    const auto copy = std::make_unique<fw_placed_page>();
    for (std::uint32_t index = 0; index < FW_PLACED_PAGES; ++index) {
        auto page = placed_pages_.map(index);
        if (!page) return tl::unexpected(page.error());
        if (!*page) continue;
        std::memcpy(copy.get(), (*page)->at(0), sizeof(*copy));
        for (const fw_placed_line& line : copy->lines) use(line);
    }
    return {};
}

// The clock is asked after a line is read, so that no entry is younger than now.
Status Store::sweep_placed(std::uint32_t page) const {
    auto mapped = placed_pages_.map(page);
    if (!mapped) return tl::unexpected(mapped.error());
    if (!*mapped) return {};
    for (fw_placed_line& line : (*mapped)->at(0)->lines) {
        const fw_placed_line seen = read_placed(line);
        (void)free_placed(line, seen, placed_ticks());
    }
    return {};
}

}  // namespace fwctl::engine
