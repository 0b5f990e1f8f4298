// The services of this network namespace, for a process that lives as long as they do.
//
// Promises: no lock is taken. What is known is of one generation, and a condition is written only while that
// one holds: no backend gets what was meant for the one that had its number before. State that is removed and
// made again is found again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/current_store.h"
#include "policy/model.h"

namespace fwctl::engine {

class ServiceWatch {
public:
    // Whether anything is another than at the last look; cheap when nothing is.
    Result<bool> look();

    [[nodiscard]] bool attached() const { return static_cast<bool>(store_); }
    // Live edits included.
    [[nodiscard]] const std::vector<policy::Vip>& vips() const { return known_.vips; }
    // Of the policy that was applied; empty: none was.
    [[nodiscard]] const std::string& snapshot() const { return known_.snapshot; }

    // enum fw_backend_condition of a backend of vips().
    [[nodiscard]] std::uint32_t condition(const std::string& vip, const std::string& backend) const;
    // Nothing is done when it is that already. Returns false when another generation holds by now.
    [[nodiscard]] bool set_condition(const std::string& vip, const std::string& backend,
                                     std::uint32_t condition) const;

    // Of health checks that go by the service's way, as Store has them; of one that is not there 0 were sent.
    [[nodiscard]] std::uint32_t check_mark(const std::string& vip, const std::string& backend) const;
    [[nodiscard]] std::uint32_t checks_sent(const std::string& vip, const std::string& backend,
                                            policy::Family family) const;

    // As Store has it.
    [[nodiscard]] Status sweep_placed(std::uint32_t page) const;

private:
    // When its generation was read.
    struct Known {
        std::optional<Store::Holding> holding;
        std::vector<policy::Vip> vips;
        std::string snapshot;
        std::map<std::pair<std::string, std::string>, std::uint16_t> numbers;  // of VIP and backend
    };
    Result<bool> read();

    CurrentStore store_;
    Known known_;
};

}  // namespace fwctl::engine
