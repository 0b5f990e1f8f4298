// The running state of one network namespace: its pinned maps, read and written as a whole.
//
// Promises: read() is one consistent picture, also while another process writes. publish() switches to the
// new state with one store: a process that is killed before it has changed nothing. Only the holder of the
// Lock may publish or write records.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "compile/outputs.h"
#include "compile/places.h"
#include "compile/services.h"
#include "compile/tier.h"
#include "engine/clock.h"
#include "engine/set_members.h"
#include "engine/set_tables.h"
#include "fwctl/abi/event.h"
#include "fwctl/abi/policy.h"
#include "fwctl/abi/reason.h"
#include "fwctl/abi/state.h"
#include "kernel/bpffs.h"
#include "kernel/map.h"
#include "kernel/pages.h"
#include "kernel/shared_maps.h"
#include "net/interface.h"
#include "policy/model.h"

namespace fwctl::engine {

// A rule and the index of its counters.
struct CountedRule {
    policy::Rule rule;
    std::uint32_t counter = 0;
};

struct Attachment {
    std::uint32_t slot = 0;
    fw_attachment record{};
    bool enabled = false;               // false: left behind by a command that did not finish
    std::array<std::uint8_t, 6> mac{};  // that the generation knows its device by
    [[nodiscard]] std::string name() const { return record.name; }
    [[nodiscard]] std::string label() const { return record.label; }
    // What `on` may call it.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] int ifindex() const { return static_cast<int>(record.ifindex); }
};

// The policy that was applied, as far as the kernel holds it; its rules are in the snapshot.
struct MainTier {
    fw_tier tier{};  // words 0: no policy was applied
    compile::Places places;
    compile::Outputs outputs;
    std::string snapshot;
    std::vector<std::string> dynamic_sets;  // by their number; an empty name is a free one
};

// As the kernel has it.
struct DynamicSet {
    std::uint32_t number = 0;
    std::string name;
    std::chrono::seconds timeout{0};  // of members of which nothing else is said; 0: for ever
    std::uint32_t size = 0;
};

struct State {
    std::uint32_t generation = 0;
    // What is asked before the rules of the policy's file: `front` has the defaults, the built-in rules that
    // are switched off, and the sets that the lock-out guard and live rules name, but no rules.
    policy::Policy front;
    std::vector<CountedRule> live;  // but for those whose time is over
    MainTier main;
    std::vector<Attachment> attachments;  // by slot
    // Of this network namespace, as they are now: where the names that rules send to are looked up.
    std::vector<net::Interface> interfaces;

    // The rules of the front in the order in which they are asked: built-in ones, then live ones.
    [[nodiscard]] std::vector<CountedRule> front_rules() const;
    [[nodiscard]] const Attachment* find(const std::string& name) const;
};

// What is known of services beside their text.
struct RunningServices {
    compile::Numbers numbers;
    std::map<std::string, compile::RunningRing> rings;  // by the name of the VIP
};

class Store {
public:
    // nullopt: this namespace has no state, so nothing is attached. An error with Exit::kConflict: another
    // version of fwctl keeps state of another layout here.
    static Result<std::optional<Store>> open(const kernel::StatePaths& paths);
    static Result<Store> create(const kernel::StatePaths& paths);
    // Of nobody else, without paths: gone with the process, however it ends.
    static Result<Store> create_private();

    // What programs that are loaded for this store alone use, see kernel::Object.
    [[nodiscard]] kernel::SharedMaps::Descriptors maps() const;

    [[nodiscard]] const kernel::StatePaths& paths() const { return paths_; }
    // The map that tells our programs from those of others.
    [[nodiscard]] std::uint32_t control_id() const { return control_.map().id(); }

    [[nodiscard]] Result<State> read() const;
    // Another value whenever another generation holds, also as a trial's time has run out. What was read
    // between two that are the same is of one generation.
    using Holding = std::pair<std::uint64_t, std::uint32_t>;
    [[nodiscard]] Holding holding() const { return {word(), active_half()}; }

    // Begins to wait for the packets that the last switch has left on the way, as prepare() must, while other
    // things are done.
    void start_waiting() const;
    // Writes the state as the next generation, which no packet sees yet. Rules without counters (kNoCounter)
    // get some, which start at zero. `main`: a policy to take the place of state.main; its bank is written,
    // and state.main is it from now on.
    [[nodiscard]] Status prepare(State& state, compile::TierImage* main = nullptr) const;
    // The one store that switches to what prepare() wrote: from there on nothing fails. What the former
    // generation alone used is given back, if need be by a later commit(); on trial, when the trial is over.
    void commit(State& state, std::optional<std::chrono::seconds> trial = {}) const;
    [[nodiscard]] Status publish(State& state) const;
    // What commit() does behind its store, for one that was killed there: gives back what the generation in
    // force, which has that state, does not use.
    void clean_up(const State& state) const;
    // Gives back what prepare() took for a policy that is not to hold.
    void abandon(const State& prepared) const;

    // The half of `policy` that prepare() writes.
    [[nodiscard]] std::uint32_t next_half() const;

    // How long the policy that holds is still on trial; nullopt: it is not, or no longer.
    [[nodiscard]] std::optional<std::chrono::seconds> trial_left() const;
    // Whether a trial has run out, and end_trial() has to tidy up behind it.
    [[nodiscard]] bool trial_lapsed() const;
    // Keeps the policy on trial; an error with Exit::kConflict when it has run out meanwhile.
    [[nodiscard]] Status keep_trial() const;
    // Goes back to the policy before, if the deadline has not done so.
    void end_trial() const;

    void write_record(const Attachment& attachment) const;
    void erase_record(std::uint32_t slot) const;

    // Of each rule, since it was reset last.
    [[nodiscard]] Result<std::vector<fw_rule_count>> rule_counts(
        std::span<const std::uint32_t> counters) const;
    // Since the rule is there: these never go back. And what of it was counted before the last reset.
    [[nodiscard]] Result<std::vector<fw_rule_count>> all_rule_counts(
        std::span<const std::uint32_t> counters) const {
        return rule_counters_.sums(counters);
    }
    [[nodiscard]] Result<std::vector<fw_count>> rule_bases(std::span<const std::uint32_t> counters) const {
        return rule_bases_.read(counters);
    }
    [[nodiscard]] Status reset_rules(std::span<const std::uint32_t> counters,
                                     std::span<const fw_rule_count> counts) const {
        return rule_bases_.write(counters, counts);
    }
    // Sets counters to zero, making them where they are not there.
    [[nodiscard]] Status start_counters(std::span<const std::uint32_t> counters) const;
    // Of the rules of the policy that was applied, in their order.
    [[nodiscard]] Result<std::vector<std::uint32_t>> main_counters(const MainTier& main) const;
    [[nodiscard]] Result<bool> main_has_rule(const MainTier& main, const std::string& name) const;
    // Since they were reset last.
    [[nodiscard]] Result<fw_counters> counters(std::uint32_t slot, fw_direction direction) const;

    // Calls `use(bucket)` for every bucket of the flow table.
    Status for_each_bucket(const std::function<void(fw_flow_bucket&)>& use) const;
    [[nodiscard]] Result<fw_flow_counts> flow_counts() const;
    // That it has the size which the generation in force asks for, and no other one beside it.
    [[nodiscard]] bool has_flow_table_that_fits() const;
    // How many confirmed flows the table has room for; 0: there is none.
    [[nodiscard]] std::uint32_t flow_room() const;

    // The services as they run, of a half of `policy`.
    [[nodiscard]] Result<RunningServices> services_of(std::uint32_t half) const;
    [[nodiscard]] Result<RunningServices> running_services() const { return services_of(active_half()); }
    // Those of all backends, by their numbers.
    [[nodiscard]] Result<std::vector<fw_backend>> backend_records() const;
    // By the numbers of backends. enum fw_backend_condition: written by the agent alone.
    [[nodiscard]] std::uint32_t condition(std::uint32_t number) const;
    void set_condition(std::uint32_t number, std::uint32_t condition) const;
    // For health checks by the way of a service: the mark of their sockets, and how many of their packets
    // have gone to a backend by the programs, a number that comes around.
    [[nodiscard]] std::uint32_t check_mark(std::uint32_t number) const;
    [[nodiscard]] std::uint32_t checks_sent(std::uint32_t number, fw_check_family family) const;
    [[nodiscard]] Result<fw_backend_count> backend_count(std::uint32_t number) const;
    // Calls `use(line)` for a copy of each line of the table of placed flows.
    Status for_each_placed_line(const std::function<void(const fw_placed_line&)>& use) const;

    // Frees what is over in that page of it (free_placed() of engine/placed.h).
    Status sweep_placed(std::uint32_t page) const;

    // What Listener (engine/listener.h) works on; include/fwctl/abi/event.h.
    [[nodiscard]] fw_listener& listener(std::uint32_t slot) const { return listeners_.at(0)->each[slot]; }
    [[nodiscard]] __u64& heard() const { return control_.at(0)->heard; }
    [[nodiscard]] const kernel::Map& event_rings() const { return event_rings_; }
    [[nodiscard]] const kernel::Map& capture_rooms() const { return capture_rooms_; }
    [[nodiscard]] const kernel::Map& talker_tables() const { return talker_tables_; }
    [[nodiscard]] const kernel::Map& events_lost() const { return events_lost_; }

    // The dynamic sets of the policy that holds, without reading anything else of it.
    [[nodiscard]] std::vector<DynamicSet> dynamic_sets() const;
    [[nodiscard]] SetMembers members(const DynamicSet& set) const;
    [[nodiscard]] Result<BlockCounts> block_counts() const;
    [[nodiscard]] const SetTables& set_tables() const { return set_tables_; }
    [[nodiscard]] SetTables& set_tables() { return set_tables_; }
    // Empties dynamic sets, by their numbers, which no packet may ask for.
    [[nodiscard]] Status forget_members(const std::set<std::uint32_t>& sets) const;

private:
    static Result<Store> of(kernel::SharedMaps maps);
    static Result<Store> open_pins(const kernel::StatePaths& paths);
    [[nodiscard]] std::uint64_t word() const;
    void set_word(std::uint64_t word) const;
    [[nodiscard]] std::uint32_t active_half() const;
    [[nodiscard]] Status wait_since_switch() const;
    void clear_unused() const;
    [[nodiscard]] std::uint32_t spare_pages() const;
    void clear_unused_banks() const;
    void clear_placed() const;
    void forget_unused_sets() const;
    void fit_tables() const;
    [[nodiscard]] Status make_tables(const State& state) const;
    [[nodiscard]] Status give_counters(State& state) const;
    // Makes the table, or the pages for one of another size.
    [[nodiscard]] Status make_flow_table(std::uint32_t pages) const;
    // Gives it the size that the generation in force asks for. When that fails, the next edit tries again.
    [[nodiscard]] Status fit_flow_table() const;
    [[nodiscard]] Status move_flows() const;
    [[nodiscard]] Status finish_moving() const;
    [[nodiscard]] Status clear_flow_pages() const;
    [[nodiscard]] Status write_routes(std::uint32_t bank, std::span<const compile::RouteEntry> routes) const;
    void erase_routes(std::uint32_t bank) const;
    [[nodiscard]] Status put_services(const State& state, compile::Bank& front,
                                      fw_generation& generation) const;
    void forget_former(const State& state, const compile::Numbers& before, const compile::Numbers& now) const;
    void forget_unchecked(const State& state) const;
    [[nodiscard]] Status write_half(std::uint32_t half, const State& state) const;

    kernel::StatePaths paths_;
    kernel::MappedArray<fw_control> control_;
    kernel::MappedArray<fw_generation> policy_;
    kernel::MappedArray<fw_attachment> records_;
    kernel::Banks banks_;
    SetTables set_tables_;
    kernel::Map members_;
    kernel::Map routes_;
    kernel::Map devices_;
    kernel::Map answers_;
    kernel::FlowPages flow_pages_;
    kernel::Map flow_counts_;
    kernel::PlacedPages placed_pages_;
    kernel::NatTables nat_tables_;
    kernel::Map service_states_;
    kernel::Map backend_counts_;
    kernel::MappedArray<fw_conditions> conditions_;
    kernel::MappedArray<fw_checks> checks_;
    kernel::Map fragment_ways_;
    kernel::CounterPages rule_counters_;
    kernel::RuleBases rule_bases_;
    kernel::BucketPages buckets_;
    kernel::MappedArray<fw_listeners> listeners_;
    kernel::Map event_rings_;
    kernel::Map capture_rooms_;
    kernel::Map talker_tables_;
    kernel::Map events_lost_;
    mutable std::future<Status> waiting_;  // since this word was there
    mutable std::uint64_t waiting_at_ = 0;
};

// Of the map `counters` of an attachment, over all processors: since it is attached, and what of it was
// counted before the last reset. The base is to be read first: what goes on meanwhile is counted more.
Result<fw_counters> all_counters(const kernel::Map& map, fw_direction direction);
Result<fw_counters> base_counters(const kernel::Map& map, fw_direction direction);
Status reset_counters(const kernel::Map& map, fw_direction direction, const fw_counters& base);

// What was counted since: 0 where the base is not of these counters.
fw_count since(const fw_count& base, const fw_count& all);
fw_counters since(const fw_counters& base, const fw_counters& all);

// Removes every pin of a network namespace that has no attachment any more, and its directories.
void remove_state(const kernel::StatePaths& paths);

// But for what is behind the end of its text.
void copy_generation(fw_generation& to, const fw_generation& from);

inline constexpr std::uint32_t kNoCounter = FW_NO_RULE;
// Counters below are those of the built-in rules.
inline constexpr std::uint32_t kFirstFreeCounter = 16;

bool is_over(const policy::Rule& rule, std::uint64_t now);

}  // namespace fwctl::engine
