// Where packets are sent on: the interfaces that rules and routes name, as the kernel numbers them now.
//
// Promises: an interface that is gone is no error of a policy that holds; what would be sent there is counted
// (docs/forward.md). A new rule or route that names one that is not there is refused.
#pragma once

#include <span>

#include "base/result.h"
#include "compile/outputs.h"
#include "engine/store.h"
#include "fwctl/abi/policy.h"
#include "kernel/map.h"
#include "net/interface.h"
#include "policy/model.h"

namespace fwctl::engine {

// An error that names the first rule or route whose interface is not there.
Status check_outputs(std::span<const policy::Rule> rules, std::span<const policy::Route> routes,
                     std::span<const net::Interface> interfaces);

// Fills `outputs`, `forward` and what attachments need for it. `front`: of the front's tier.
void put_forwarding(const State& state, const compile::Outputs& front, fw_generation& generation);

// Fills the map `devices`: the interfaces that XDP may send frames out of. Those whose way out is filtered at
// TC are left to TC ingress, which passes there.
Status write_devices(const kernel::Map& devices, const State& state);

}  // namespace fwctl::engine
