#include "subject.h"

#include <cstring>
#include <map>
#include <utility>

#include "fwctl/abi/policy.h"
#include "kernel/bpffs.h"
#include "kernel/map.h"

namespace fwctl::bench {
namespace {

// Each is a network namespace of its own, as far as its pins go.
std::uint64_t next_cookie() {
    static std::uint64_t cookie = 1;
    return cookie++;
}

std::vector<std::string> dynamic_sets(const policy::Policy& policy) {
    std::vector<std::string> names;
    for (const policy::Set& set : policy.sets)
        if (set.dynamic) names.push_back(set.name);
    return names;
}

}  // namespace

Result<Subject> Subject::load(std::size_t times, kernel::ProgramConfig config) {
    Subject subject;
    auto store = engine::Store::create(kernel::state_paths(next_cookie()));
    if (!store) return tl::unexpected(store.error());
    subject.store_ = std::make_unique<engine::Store>(std::move(*store));

    engine::Attachment attachment;
    attachment.slot = kSlot;
    attachment.enabled = true;
    std::strncpy(attachment.record.name, kInterface, sizeof(attachment.record.name) - 1);
    subject.state_.attachments.push_back(attachment);

    config.slot = kSlot;
    for (std::size_t i = 0; i <= times; ++i) {
        config.tracing = config.silent = i == times;
        auto object = kernel::Object::open(kernel::ProgramKind::kXdp, config, subject.store_->paths());
        if (!object) return tl::unexpected(object.error());
        if (auto loaded = object->load(); !loaded) return tl::unexpected(loaded.error());
        subject.objects_.push_back(std::move(*object));
    }
    return subject;
}

Result<compile::TierImage> Subject::compile(const policy::Policy& policy,
                                            std::vector<std::uint32_t>& counters) {
    counters.clear();
    for (std::uint32_t i = 0; i < policy.rules.size(); ++i)
        counters.push_back(engine::kFirstFreeCounter + FW_MAX_LIVE_RULES + i);
    std::map<std::string, std::uint32_t> numbers;
    for (const std::string& name : dynamic_sets(policy))
        numbers.emplace(name, static_cast<std::uint32_t>(numbers.size()));
    compile::SetBlocks sets(policy.sets);
    return compile::compile_tier({policy.rules, counters, 0, &numbers}, sets);
}

Status Subject::publish(const policy::Policy& policy, compile::TierImage* image,
                        std::span<const std::uint32_t> counters, const std::vector<policy::Rule>& live) {
    state_.live.clear();
    for (const policy::Rule& rule : live) state_.live.push_back({rule, engine::kNoCounter});
    state_.main.dynamic_sets = dynamic_sets(policy);
    state_.front.defaults = policy.defaults;
    state_.front.conntrack = policy.conntrack;
    state_.front.vips = policy.vips;
    if (image == nullptr) state_.main.tier = {};
    if (auto started = store_->start_counters(counters); !started) return started;
    if (auto prepared = store_->prepare(state_, image); !prepared) return prepared;
    store_->commit(state_);
    return {};
}

Status Subject::fill_sets(const policy::Context& context) const {
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

std::vector<policy::Rule> Subject::rules(const policy::Policy& policy) const {
    std::vector<policy::Rule> all;
    for (engine::CountedRule& counted : state_.front_rules()) all.push_back(std::move(counted.rule));
    all.insert(all.end(), policy.rules.begin(), policy.rules.end());
    return all;
}

std::vector<int> Subject::programs() const {
    std::vector<int> descriptors;
    for (const kernel::Object& object : objects_) descriptors.push_back(object.program_fd());
    descriptors.pop_back();
    return descriptors;
}

}  // namespace fwctl::bench
