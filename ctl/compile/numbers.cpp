#include "compile/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

#include "fwctl/abi/limits.h"

namespace fwctl::compile {
namespace {

// The next one behind the last that nobody has; 0: all are taken.
std::uint16_t next_free(std::uint16_t last, std::uint32_t limit, const std::set<std::uint16_t>& taken) {
    if (taken.size() + 1 >= limit) return 0;
    std::uint32_t next = last;
    do next = next + 1 >= limit ? 1 : next + 1;
    while (taken.contains(static_cast<std::uint16_t>(next)));
    return static_cast<std::uint16_t>(next);
}

}  // namespace

// "last 3 17", then "service 3 5120 web" and "backend 17 web/web1", a line each. Names have no blanks.
Numbers Numbers::parse(std::string_view text) {
    Numbers numbers;
    std::istringstream lines{std::string(text)};
    std::string kind;
    std::string name;
    while (lines >> kind) {
        std::uint16_t number = 0;
        std::uint32_t place = 0;
        if (kind == "last") {
            lines >> numbers.last_service_ >> numbers.last_backend_;
        } else if (kind == "service") {
            lines >> number >> place >> name;
            numbers.services_[name] = {number, place};
        } else {
            lines >> number >> name;
            numbers.backends_[name] = number;
        }
    }
    return numbers;
}

std::string Numbers::text() const {
    std::string text = fmt::format("last {} {}\n", last_service_, last_backend_);
    for (const auto& [name, service] : services_)
        text += fmt::format("service {} {} {}\n", service.number, service.place, name);
    for (const auto& [name, number] : backends_) text += fmt::format("backend {} {}\n", number, name);
    return text;
}

Status Numbers::assign(std::span<const policy::Vip> vips) {
    std::set<std::string> named;
    for (const policy::Vip& vip : vips) {
        named.insert(vip.name);
        for (const policy::Backend& backend : vip.backends) named.insert(vip.name + '/' + backend.name);
    }
    std::erase_if(services_, [&](const auto& one) { return !named.contains(one.first); });
    std::erase_if(backends_, [&](const auto& one) { return !named.contains(one.first); });
    std::set<std::uint16_t> services;
    std::set<std::uint16_t> backends;
    for (const auto& [name, service] : services_) services.insert(service.number);
    for (const auto& [name, number] : backends_) backends.insert(number);
    for (const policy::Vip& vip : vips) {
        Service& service = services_[vip.name];
        service.place = 0;
        if (service.number == 0) {
            service.number = next_free(last_service_, FW_MAX_SERVICES, services);
            if (service.number == 0)
                return fail(fmt::format("more services than the limit of {}", FW_MAX_SERVICES - 1));
            services.insert(last_service_ = service.number);
        }
        for (const policy::Backend& backend : vip.backends) {
            std::uint16_t& number = backends_[vip.name + '/' + backend.name];
            if (number != 0) continue;
            number = next_free(last_backend_, FW_MAX_BACKENDS, backends);
            if (number == 0)
                return fail(fmt::format("more backends than the limit of {}", FW_MAX_BACKENDS - 1));
            backends.insert(last_backend_ = number);
        }
    }
    return {};
}

std::vector<std::string> Numbers::services() const {
    std::vector<std::string> names;
    for (const auto& [name, service] : services_)
        if (service.place != 0) names.push_back(name);
    return names;
}

std::uint32_t Numbers::backend_count() const {
    std::uint32_t highest = 0;
    for (const auto& [name, number] : backends_) highest = std::max<std::uint32_t>(highest, number);
    return highest + 1;
}

std::optional<std::uint16_t> Numbers::find_backend(const std::string& vip, const std::string& name) const {
    const auto found = backends_.find(vip + '/' + name);
    return found == backends_.end() ? std::nullopt : std::optional(found->second);
}

std::string Numbers::backend_name(std::uint32_t number) const {
    const auto found = std::find_if(backends_.begin(), backends_.end(),
                                    [&](const auto& one) { return one.second == number; });
    return found == backends_.end() ? std::string() : found->first;
}

std::uint32_t Numbers::place(const std::string& vip) const {
    const auto found = services_.find(vip);
    return found == services_.end() ? 0 : found->second.place;
}

}  // namespace fwctl::compile
