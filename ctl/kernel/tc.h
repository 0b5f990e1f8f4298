// TC programs on an interface: by a link (TCX, Linux 6.6) where the kernel has them, else by a filter on
// clsact.
//
// Promises: a link is pinned before attach_tcx() returns; ours is attached in front of the TC programs that
// are there (others may come in front later: query_tcx(), net::first_tc_filter()). Others' filters are never
// replaced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::kernel {

// BPF_TCX_INGRESS and BPF_TCX_EGRESS, which Debian 12's headers do not name yet.
inline constexpr int kTcxIngress = 46;
inline constexpr int kTcxEgress = 47;

// Of our filters on clsact.
inline constexpr std::uint32_t kFilterHandle = 0xf3c71;

enum class TcDirection { kIngress, kEgress };

// Attaches by a link that is pinned at `pin`. False when the kernel has no TCX: nothing was done then.
Result<bool> attach_tcx(int ifindex, TcDirection direction, int program_fd, const std::string& pin);

// Exchanges the program behind the pinned link in one step.
Status exchange_tcx(const std::string& pin, int program_fd);

struct TcxLink {
    std::uint32_t program_id = 0;
    int ifindex = 0;  // 0: the interface is gone, and the link protects nothing
};
// nullopt when there is no such pin.
Result<std::optional<TcxLink>> pinned_tcx(const std::string& pin);

// Detaches the link and removes its pin; fine when there is none.
Status detach_tcx(const std::string& pin);

// The ids of the programs that TCX runs there, first to last; empty without TCX.
std::vector<std::uint32_t> query_tcx(int ifindex, TcDirection direction);

// Makes the clsact qdisc. An error with Exit::kConflict where another ingress qdisc is in its place.
Status make_clsact(int ifindex);
Status remove_clsact(int ifindex);

// Our filter on clsact, always under the same handle. Attaching is an error with Exit::kConflict where
// another's filter is in the way; exchanging puts another program behind the filter in one step.
Status attach_filter(int ifindex, TcDirection direction, int program_fd);
Status exchange_filter(int ifindex, TcDirection direction, int program_fd);
Status detach_filter(int ifindex, TcDirection direction);
// The id of the program under our handle; nullopt when there is none.
std::optional<std::uint32_t> query_filter(int ifindex, TcDirection direction);

}  // namespace fwctl::kernel
