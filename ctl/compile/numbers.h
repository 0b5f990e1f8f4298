// The numbers of services and backends: what the tables that outlive a policy call them by.
//
// Promises: a service and a backend keep their numbers while they are in the policy. One that is free is
// given away again only when all behind it have been, as flows may remember it. 0 is nobody's. text() and
// parse() are each other's inverse.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::compile {

class Numbers {
public:
    static Numbers parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    // Forgets what is not there any more and numbers what is new. An error when there are too many.
    Status assign(std::span<const policy::Vip> vips);

    // Of what assign() was given.
    [[nodiscard]] std::uint16_t service(const std::string& vip) const { return services_.at(vip).number; }
    [[nodiscard]] std::uint16_t backend(const std::string& vip, const std::string& name) const {
        return backends_.at(vip + '/' + name);
    }
    // nullopt: it has none.
    [[nodiscard]] std::optional<std::uint16_t> find_backend(const std::string& vip,
                                                            const std::string& name) const;
    // The VIPs that have services.
    [[nodiscard]] std::vector<std::string> services() const;
    // 1 more than the highest one of a backend.
    [[nodiscard]] std::uint32_t backend_count() const;
    // The name of a backend, "web/web1"; empty: nobody has the number.
    [[nodiscard]] std::string backend_name(std::uint32_t number) const;

    // Where the struct fw_service lies in its bank; 0: it has none.
    [[nodiscard]] std::uint32_t place(const std::string& vip) const;
    void set_place(const std::string& vip, std::uint32_t address) { services_.at(vip).place = address; }

private:
    struct Service {
        std::uint16_t number = 0;
        std::uint32_t place = 0;
    };

    std::map<std::string, Service> services_;
    std::map<std::string, std::uint16_t> backends_;  // "web/web1"
    std::uint16_t last_service_ = 0;                 // that was given
    std::uint16_t last_backend_ = 0;
};

}  // namespace fwctl::compile
