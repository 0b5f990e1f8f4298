// What becomes of a packet, and why: asked of the programs themselves.
//
// Promises: the verdict is the compiled program's, run over the maps of the policy that is asked about.
// Nothing is counted, attached or left behind.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/rule_book.h"
#include "engine/store.h"
#include "engine/twin.h"
#include "engine/verdict.h"
#include "policy/packet_text.h"

namespace fwctl::engine {

// What becomes of a packet for a service.
struct Placement {
    std::string vip;
    std::string backend;  // empty: none
    std::uint32_t slot = 0;
    fw_placed_why why = FW_PLACED_BY_NOTHING;
};

// What was decided. The pointers are good as long as the Explainer.
struct Judgement {
    std::string_view verdict;  // "allow", "deny", "reject", "redirect", "synproxy", "balance"
    const Reason* reason = nullptr;
    const KnownRule* rule = nullptr;  // nullptr: the default decided
    std::optional<Placement> choice;  // of a packet for a service, whatever the rules say of it
    fw_trace trace{};
};

// A rule that was asked in front of the one that decided.
struct LookedAt {
    const KnownRule* rule = nullptr;
    std::string why_not;  // empty: it counted the packet, and the next rules were asked
};

// A block of a set that has one of the packet's addresses.
struct SetMatch {
    std::string set;
    fw_side side = FW_SOURCE;
    policy::Prefix prefix;
};

struct Explanation {
    Judgement judgement;
    policy::PacketText packet;  // as the program read it
    std::vector<LookedAt> looked_at;
    // Rules in front of the one that decided whose addresses or services lead elsewhere: they were not even
    // compared.
    std::size_t passed_over = 0;
    std::size_t not_noted = 0;  // comparisons beyond those that the program keeps note of
    std::vector<SetMatch> sets;
};

class Explainer {
public:
    // Of what holds in this network namespace. Nothing changes while it lives.
    static Result<Explainer> of_running();
    // Of a policy by itself: without live rules, and with empty dynamic sets and full buckets, from which
    // each packet that is judged takes. `interfaces` are those that
    // packets will name.
    static Result<Explainer> of_policy(const policy::Policy& policy,
                                       const std::vector<std::string>& interfaces);
    // Of a half of the store, which may not hold yet. `main` are the rules of the state's main tier. The
    // store has to outlive it.
    static Result<Explainer> of_half(const Store& store, State state, std::uint32_t half,
                                     policy::Policy main);

    // The attachment that `on` names; without a name, the only one. Errors say which there are.
    [[nodiscard]] Result<const Attachment*> find(const std::string& interface) const;
    [[nodiscard]] const State& state() const { return state_; }
    [[nodiscard]] const RuleBook& rules() const { return rules_; }
    // Of of_policy(): what packets have changed is over, as if much time had gone by. Until then none does.
    void begin_anew();

    // `state`: what the packet is to its flow; absent: as the flow table has it.
    Result<Judgement> judge(const Attachment& attachment, fw_direction direction,
                            std::span<const std::uint8_t> frame,
                            std::optional<policy::FlowState> state = std::nullopt);
    // As judge(), with the words.
    Result<Explanation> explain(const Attachment& attachment, fw_direction direction,
                                std::span<const std::uint8_t> frame,
                                std::optional<policy::FlowState> state = std::nullopt);
    // Of the packet's own place.
    Result<Explanation> explain(const policy::PacketText& packet);

private:
    static Result<Explainer> of(std::shared_ptr<const Store> store, State state, std::uint32_t half,
                                policy::Policy main);
    [[nodiscard]] std::optional<Placement> choice_of(const fw_trace& trace) const;
    void note_rules(Explanation& explanation, const policy::PacketView& packet) const;
    void note_sets(Explanation& explanation, const policy::PacketView& packet) const;

    std::shared_ptr<const Store> store_;
    State state_;
    std::uint32_t half_ = 0;
    policy::Policy main_;
    RuleBook rules_;
    compile::Numbers numbers_;
    std::map<std::pair<std::uint32_t, fw_direction>, Twin> twins_;  // by slot
    Purpose purpose_ = Purpose::kExplain;
    std::uint64_t clock_ = 0;  // of a rehearsal
};

// The frame of a packet on an attachment; an error when it says what the attachment's link has not.
Result<std::vector<std::uint8_t>> frame_on(const Attachment& attachment, const policy::PacketText& packet);

}  // namespace fwctl::engine
