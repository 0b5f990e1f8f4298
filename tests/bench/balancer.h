// A balancer of one leg: fwctl's program on an interface of its own, whose clients and backends are behind
// that.
//
// Promises: the object is the installed one as hardware has it, with TC ingress behind it and all features
// on; routes and neighbours are the kernel's, in a network namespace of the process, which make() enters.
// Flows are put into the table by the same code with a clock that is set: it takes them two seconds to stay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "driver.h"
#include "kernel/object.h"
#include "peers.h"
#include "policy/model.h"
#include "subject.h"

namespace fwctl::bench {

inline constexpr std::size_t kMostBackends = 100;
inline constexpr std::uint16_t kServicePort = 80;

class Balancer {
public:
    static Result<Balancer> make(std::size_t loads, const Peers& peers);

    // One service with TCP and UDP, `forward` as a policy has it.
    Status serve(std::size_t backends, const std::string& forward);
    // The driver's first flows, of which so many are in the table afterwards.
    Result<std::size_t> establish(Driver& driver, std::uint32_t count);
    // Of these the first ones are translated, are answered and go on.
    [[nodiscard]] Status confirm(Driver& driver, std::uint32_t count) const;

    [[nodiscard]] std::vector<int> programs() const { return subject_.programs(); }
    [[nodiscard]] int ifindex() const { return ifindex_; }
    [[nodiscard]] policy::Transport transport() const { return policy_.vips.front().forward; }
    [[nodiscard]] static generate::Address address();  // of the service
    // Now and then a packet goes to the kernel (docs/balance.md): not that often the same one again.
    static Result<Driver::Answer> answer_of(const Driver& driver, int program, std::uint32_t flow);
    // An error where an answer is not what the service is to do with the flow, worked out from
    // include/fwctl/abi/service.h alone.
    [[nodiscard]] Status check(const Flow& flow, const Driver::Answer& answer) const;

private:
    explicit Balancer(Subject subject) : subject_(std::move(subject)) {}
    [[nodiscard]] Result<std::size_t> placed() const;
    [[nodiscard]] Status refill_budget() const;

    Subject subject_;
    std::optional<kernel::Object> rehearsing_;
    int ifindex_ = 0;
    policy::Policy policy_;
    std::vector<std::size_t> ring_;  // by slot which backend
};

}  // namespace fwctl::bench
