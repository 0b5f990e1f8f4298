// `fwctl attach`.
//
// Promises: all interfaces or none; nothing filters before the one store that enables all of them. Doing it
// again changes nothing; what has gone missing since (a device that was made anew, a program that someone
// took off) is put back.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/choose.h"
#include "engine/store.h"

namespace fwctl::engine {

struct AttachRequest {
    std::vector<std::string> interfaces;  // names; * and ? are wildcards
    WantedMode mode = WantedMode::kAuto;
    std::uint8_t hooks = 0;  // enum fw_hook; 0: what suits each interface
    bool replace = false;    // put ours in the place of another's XDP program
    bool isolate_peers = false;
    bool rewrites = false;   // the policy needs TC ingress beside XDP (engine/rewriting.h)
    std::string label = {};  // the policy's name for it; empty: attached by hand
};

enum class AttachChange { kAttached, kUnchanged, kRepaired, kUpdated };

struct AttachOutcome {
    std::string interface;
    AttachChange change = AttachChange::kAttached;
    std::string renamed_from;  // not empty: the name that the attachment, and rules, knew it by until now
};

struct Writing;

// Attaching in steps, for a command that switches to more than new attachments: what start() attaches judges
// nothing until the caller publishes next(). A start() that fails has undone what it did.
class Attaching {
public:
    static Result<Attaching> start(const Writing& writing, std::span<const AttachRequest> requests);
    Attaching(Attaching&&) noexcept;
    Attaching& operator=(Attaching&&) noexcept;
    ~Attaching();

    [[nodiscard]] bool changes_anything() const;
    // The state with these attachments enabled.
    [[nodiscard]] State next() const;
    // After next(), or a state made of it, has been published.
    [[nodiscard]] Status finish(const State& published);
    // Instead: takes off what start() attached.
    void undo();

    [[nodiscard]] std::vector<AttachOutcome> outcomes() const;
    [[nodiscard]] std::set<std::uint32_t> slots() const;

private:
    struct Plan;
    explicit Attaching(const Writing& writing);

    const Writing* writing_;
    std::unique_ptr<Plan> plan_;
};

// All of them or none, in one switch with what `besides` makes of the state that is to hold.
Result<std::vector<AttachOutcome>> attach_all(const Writing& writing, std::span<const AttachRequest> requests,
                                              const std::function<void(State&)>& besides = {});

Result<std::vector<AttachOutcome>> attach(const AttachRequest& request);

}  // namespace fwctl::engine
