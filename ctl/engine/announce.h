// The addresses of services that this host takes on a segment ([vip.NAME] announce).
//
// Promises: each is a single address on its device, marked in the kernel as ours (net/address.h): what is
// there says itself what a command that was killed has left, and no file has to. What others have put on a
// device is neither changed nor taken away, also where it is an address of a service. To do it again does
// nothing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "net/address.h"

namespace fwctl::engine {

// An address that a state wants on a device.
struct Announced {
    std::string vip;
    std::string device;
    net::LocalAddress address;  // ifindex 0: there is no such device
};

// Those of the services that are balanced, on the devices among state.interfaces; of a state without
// attachments none.
std::vector<Announced> announced_by(const State& state);

struct AddressChanges {
    std::vector<net::LocalAddress> take;
    std::vector<net::LocalAddress> give_up;

    [[nodiscard]] bool any() const { return !take.empty() || !give_up.empty(); }
};
// From what the interfaces have to what is wanted, on devices that are there.
AddressChanges changes_to(const std::vector<Announced>& wanted, const std::vector<net::HeldAddress>& held);
// From what the interfaces have now.
Result<AddressChanges> due_changes(const State& state);

// An error where `after` begins to announce what cannot be: on a device that is not there, that has no
// segment, or that takes no IPv6 addresses.
Status check_announced(const State& before, const State& after);

// Brings the addresses in line with the state that holds, and tells the segments of those that are taken: at
// once, and twice more in the two seconds behind it, by a process that nobody waits for. What the segment
// does not hear it learns when it asks. `besides`: what else is to stay, as a trial may end. What can be done
// is done, and the error is of the first that could not be.
Status announce(const State& state, const State* besides = nullptr);

// Tells the segments of these interfaces likewise of the addresses that are ours there.
Status announce_again(const std::set<int>& interfaces);

// What a state announces and nobody answers for.
struct Absence {
    std::string vip;
    std::string device;
    std::string address;
    std::string why;
};
Result<std::vector<Absence>> unanswered(const State& state);

}  // namespace fwctl::engine
