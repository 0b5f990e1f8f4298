// The guard of `apply`: a policy must not cut the SSH session that it is applied from.
//
// Promises: the compiled policy itself is asked, before it holds. A session is safe when its packets are let
// in and its answers out, wherever they pass a filter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/explain.h"
#include "engine/ssh_session.h"
#include "engine/store.h"
#include "net/interface.h"
#include "policy/model.h"

namespace fwctl::engine {

// Asks the half of the store that prepare() has written for `candidate`. `main` are the rules of its main
// tier. An error with Exit::kConflict names what would cut which session, and how to apply it all the same.
Status check_sessions(const Store& store, const State& candidate, std::uint32_t half,
                      const policy::Policy& main);

// One session, on the attachments by which it comes.
Status check_session(Explainer& explainer, const SshSession& session,
                     const std::vector<const Attachment*>& attachments);

// Where the packets of a session pass. `route` is the interface that the route to its peer names, 0: not
// known; then it is `local`, the one that has the session's own address. A bridge or bond is passed with its
// ports.
std::vector<const Attachment*> attachments_of_session(const State& state,
                                                      const std::vector<net::Interface>& interfaces,
                                                      int route, const std::string& local);

}  // namespace fwctl::engine
