#include "program_judge.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>

#include "engine/candidate.h"
#include "engine/running.h"

namespace fwctl::testing {
namespace {

constexpr bool kDrops[] = {
#define X(id, verdict, name, text) (verdict) == FW_DROP,
    FW_REASONS(X)
#undef X
};

constexpr std::uint32_t kFirstSlot = 5;

kernel::ProgramKind kind_of(const Attachment& attachment) {
    return attachment.direction == policy::Direction::kIn ? kernel::ProgramKind::kXdp
                                                          : kernel::ProgramKind::kTcOut;
}

engine::Attachment attachment_of(const Attachment& attachment, std::uint32_t slot) {
    engine::Attachment made;
    made.slot = slot;
    made.enabled = true;
    made.record.link = static_cast<std::uint8_t>(attachment.link);
    std::strncpy(made.record.name, attachment.device, sizeof(made.record.name) - 1);
    std::strncpy(made.record.label, attachment.name, sizeof(made.record.label) - 1);
    return made;
}

}  // namespace

Result<std::unique_ptr<ProgramJudge>> ProgramJudge::make(bool has_clock) {
    static std::uint64_t cookie = 2'000'000;
    auto judge = std::make_unique<ProgramJudge>();
    auto store = engine::Store::create(kernel::state_paths(cookie++));
    if (!store) return tl::unexpected(store.error());
    judge->store_ = std::make_unique<engine::Store>(std::move(*store));
    for (const Attachment& attachment : kAttachments) {
        const auto slot = kFirstSlot + static_cast<std::uint32_t>(judge->programs_.size());
        judge->state_.attachments.push_back(attachment_of(attachment, slot));
        kernel::ProgramConfig config;
        config.slot = slot;
        config.link = attachment.link;
        config.rewrites = judge->programs_.size() % 2 == 0;  // no verdict depends on that
        config.tracing = true;
        config.rehearses = has_clock;
        auto object = kernel::Object::open(kind_of(attachment), config, judge->store_->paths());
        if (!object) return tl::unexpected(object.error());
        if (auto loaded = object->load(); !loaded) return tl::unexpected(loaded.error());
        judge->programs_.push_back(std::move(*object));
    }
    return judge;
}

Status ProgramJudge::load(const policy::Policy& policy, const policy::Context& context) {
    engine::State next = state_;
    next.live.clear();
    for (const policy::Rule& rule : live_) next.live.push_back({rule, engine::kNoCounter});
    if (auto settled = engine::settle_live(next, policy::Policy{}, policy, false); !settled)
        return tl::unexpected(settled.error());
    // Nothing is handed on from the policy before: counters begin at zero. Those of live rules are kept free.
    engine::State now;
    std::uint32_t counter = engine::kFirstFreeCounter;
    for (engine::CountedRule& live : next.live) live.counter = counter++;
    now.live = next.live;
    auto candidate = engine::compile_candidate(*store_, now, {}, policy, next);
    if (!candidate) return tl::unexpected(candidate.error());
    if (auto prepared = store_->prepare(next, &*candidate); !prepared) return prepared;
    store_->commit(next);
    state_ = std::move(next);

    rules_.clear();
    auto counters = store_->main_counters(state_.main);
    if (!counters) return tl::unexpected(counters.error());
    for (std::size_t i = 0; i < policy.rules.size(); ++i) rules_[(*counters)[i]] = policy.rules[i].name;
    std::vector<std::uint32_t> of_front;
    for (const engine::CountedRule& counted : state_.front_rules()) {
        rules_[counted.counter] = counted.rule.name;
        of_front.push_back(counted.counter);
    }
    if (auto zero = store_->start_counters(of_front); !zero) return zero;
    return fill(context);
}

Status ProgramJudge::fill(const policy::Context& context) {
    for (const engine::DynamicSet& set : store_->dynamic_sets()) {
        const engine::SetMembers members = store_->members(set);
        if (auto settled = members.settle(); !settled) return settled;
        if (auto flushed = members.flush(); !flushed) return flushed;
        const auto wanted = context.members.find(set.name);
        if (wanted == context.members.end()) continue;
        for (const policy::Member& member : wanted->second)
            if (auto added = members.add({{member.prefix, member.expires}}); !added)
                return tl::unexpected(added.error());
    }
    return {};
}

Result<Judgement> ProgramJudge::judge(const Attachment& attachment, const Bytes& frame,
                                      std::optional<policy::FlowState> state) {
    const auto place = static_cast<std::size_t>(
        std::find_if(kAttachments.begin(), kAttachments.end(),
                     [&](const Attachment& one) { return one.name == attachment.name; }) -
        kAttachments.begin());
    const auto assumed = state ? std::optional(static_cast<std::uint8_t>(*state)) : std::nullopt;
    if (auto set = programs_[place].set_question(clock_, assumed); !set) return tl::unexpected(set.error());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    if (const int error = bpf_prog_test_run_opts(programs_[place].program_fd(), &options); error != 0)
        return fail(fmt::format("BPF_PROG_TEST_RUN: {}", strerror(-error)));
    auto trace = programs_[place].trace();
    if (!trace) return tl::unexpected(trace.error());
    last_ = *trace;
    Judgement judgement;
    if (trace->rule != FW_NO_RULE) judgement.rule = rules_.at(trace->rule);
    // Not by the hook's action: a rejected packet becomes its own answer.
    judgement.dropped = kDrops[trace->reason];
    return judgement;
}

Result<std::map<std::string, std::uint64_t>> ProgramJudge::counters() {
    std::vector<std::uint32_t> numbers;
    for (const auto& [number, name] : rules_) numbers.push_back(number);
    auto counts = store_->rule_counts(numbers);
    if (!counts) return tl::unexpected(counts.error());
    std::map<std::string, std::uint64_t> seen;
    for (std::size_t i = 0; i < numbers.size(); ++i)
        if ((*counts)[i].packets > 0) seen[rules_[numbers[i]]] = (*counts)[i].packets;
    return seen;
}

}  // namespace fwctl::testing
