#include "engine/attach.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/attach_plan.h"
#include "engine/hooks.h"
#include "engine/rewriting.h"
#include "engine/session.h"
#include "net/interface.h"

namespace fwctl::engine {
namespace {

using net::Interface;

bool replaces(const Work& work) {
    return (work.attachment.record.flags & FW_ATTACHMENT_REPLACES) != 0;
}

Status prepare(const Writing& writing, Work& work) {
    switch (work.change) {
        case AttachChange::kUnchanged:
            return {};
        case AttachChange::kUpdated:
            return work.gets_ready ? make_ready_to_rewrite(writing.store, work.attachment)
                                   : update_programs(writing.store, work.attachment);
        case AttachChange::kRepaired:
        case AttachChange::kAttached:
            break;
    }
    writing.store.write_record(work.attachment);
    auto attached = attach_missing(writing.store, work.attachment, work.mode, replaces(work));
    if (!attached || !work.gets_ready) return attached;
    return make_ready_to_rewrite(writing.store, work.attachment);
}

// Takes back what this command has attached; what ran before runs on.
void undo(const Writing& writing, const std::vector<Work>& done) {
    bool clean = true;
    for (const Work& work : done) {
        if (!work.is_new) continue;
        if (remove_hooks(writing.store, work.attachment))
            writing.store.erase_record(work.attachment.slot);
        else
            clean = false;  // the record stays, and the next command tries again
    }
    if (clean && writing.state.attachments.empty()) remove_state(writing.store.paths());
}

// An attachment keeps its name, and with it its rules, when its device is renamed; when another takes the
// name, it gets its device's.
void give_up_name(const Writing& writing, State& next, const Work& work) {
    for (Attachment& other : next.attachments) {
        if (other.slot == work.attachment.slot || other.name() != work.attachment.name()) continue;
        if (const Interface* now = net::find_interface(writing.state.interfaces, other.ifindex());
            now != nullptr)
            set_name(other.record, now->name);
    }
}

// What is attached when all is done: no two under one name.
State enabled_state(const Writing& writing, const std::vector<Work>& done) {
    State next = writing.state;
    for (const Work& work : done) {
        std::erase_if(next.attachments, [&](const Attachment& attachment) {
            return attachment.slot == work.attachment.slot ||
                   (work.retired && attachment.slot == work.retired->slot);
        });
        next.attachments.push_back(work.attachment);
        next.attachments.back().enabled = true;
    }
    // Twice, as a name that is given up may be that of the next.
    for (int round = 0; round < 2; ++round)
        for (const Work& work : done) give_up_name(writing, next, work);
    return next;
}

// Another's programs give way only when ours filter from their first packet on; all of them, or all are put
// back.
Status replace_all(const Writing& writing, std::vector<Work>& all) {
    std::vector<Replaced> done;
    for (Work& work : all) {
        if (!replaces(work)) continue;
        auto replaced = replace_foreign(writing.store, work.attachment);
        if (replaced) {
            done.push_back(std::move(*replaced));
            continue;
        }
        for (const Replaced& one : done)
            if (one.program)
                if (auto back = kernel::put_back_xdp(one.ifindex, one.mode, one.ours, one.program.get());
                    !back)
                    return back;
        return context(work.target.interface.name, replaced.error());
    }
    for (Work& work : all) {
        if (!replaces(work)) continue;
        work.attachment.record.flags &= ~static_cast<unsigned>(FW_ATTACHMENT_REPLACES);
        writing.store.write_record(work.attachment);
    }
    return {};
}

// Records of attachments that got another name, and what has given way: only once the generation holds.
Status settle(const Writing& writing, const State& next, const std::vector<Work>& all) {
    for (const Attachment& attachment : next.attachments) writing.store.write_record(attachment);
    for (const Work& work : all) {
        if (!work.retired) continue;
        if (auto gone = remove_hooks(writing.store, *work.retired); !gone) return gone;
        writing.store.erase_record(work.retired->slot);
    }
    return {};
}

// Two tables of a policy may name the same interface, by its name and by a pattern.
Status check_once(const std::vector<Work>& before, const Target& target, const std::string& label) {
    for (const Work& work : before)
        if (work.target.interface.ifindex == target.interface.ifindex)
            return fail(fmt::format("{} belongs to [attach.{}] and to [attach.{}]; name it in one of them",
                                    target.interface.name, work.attachment.label(), label),
                        Exit::kUsage);
    return {};
}

bool changes(const Work& work, const Writing& writing) {
    const auto before = std::find_if(writing.state.attachments.begin(), writing.state.attachments.end(),
                                     [&](const Attachment& one) { return one.slot == work.attachment.slot; });
    const bool relabelled =
        before != writing.state.attachments.end() &&
        (before->label() != work.attachment.label() || before->record.flags != work.attachment.record.flags);
    return work.change != AttachChange::kUnchanged || !work.renamed_from.empty() || relabelled;
}

}  // namespace

struct Attaching::Plan {
    std::vector<Work> works;
};

Attaching::Attaching(const Writing& writing) : writing_(&writing), plan_(std::make_unique<Plan>()) {}
Attaching::Attaching(Attaching&&) noexcept = default;
Attaching& Attaching::operator=(Attaching&&) noexcept = default;
Attaching::~Attaching() = default;

Result<Attaching> Attaching::start(const Writing& writing, std::span<const AttachRequest> requests) {
    Attaching attaching(writing);
    std::vector<Work>& works = attaching.plan_->works;
    for (const AttachRequest& request : requests) {
        auto targets = find_targets(writing.state.interfaces, request);
        if (!targets) return tl::unexpected(targets.error());
        for (const Target& target : *targets) {
            if (auto once = check_once(works, target, request.label); !once)
                return tl::unexpected(once.error());
            auto work = plan(writing, request, target, works);
            if (!work) return tl::unexpected(work.error());
            works.push_back(std::move(*work));
        }
    }
    for (Work& work : works) {
        auto prepared = prepare(writing, work);
        if (prepared) continue;
        attaching.undo();
        return context(work.target.interface.name, prepared.error());
    }
    return attaching;
}

bool Attaching::changes_anything() const {
    return std::any_of(plan_->works.begin(), plan_->works.end(),
                       [&](const Work& work) { return changes(work, *writing_); });
}

State Attaching::next() const {
    return enabled_state(*writing_, plan_->works);
}

Status Attaching::finish(const State& published) {
    if (auto replaced = replace_all(*writing_, plan_->works); !replaced) return replaced;
    // The records of the work are newer: they know the mode that XDP got.
    State next = published;
    for (Attachment& attachment : next.attachments)
        for (const Work& work : plan_->works)
            if (work.attachment.slot == attachment.slot) attachment.record = work.attachment.record;
    return settle(*writing_, next, plan_->works);
}

void Attaching::undo() {
    engine::undo(*writing_, plan_->works);
}

std::vector<AttachOutcome> Attaching::outcomes() const {
    std::vector<AttachOutcome> outcomes;
    for (const Work& work : plan_->works)
        outcomes.push_back({work.target.interface.name, work.change, work.renamed_from});
    return outcomes;
}

std::set<std::uint32_t> Attaching::slots() const {
    std::set<std::uint32_t> slots;
    for (const Work& work : plan_->works) slots.insert(work.attachment.slot);
    return slots;
}

Result<std::vector<AttachOutcome>> attach_all(const Writing& writing, std::span<const AttachRequest> requests,
                                              const std::function<void(State&)>& besides) {
    auto attaching = Attaching::start(writing, requests);
    if (!attaching) {
        undo(writing, {});
        return tl::unexpected(attaching.error());
    }
    if (!attaching->changes_anything()) return attaching->outcomes();
    State next = attaching->next();
    if (besides) besides(next);
    if (auto published = writing.store.publish(next); !published) {
        attaching->undo();
        return tl::unexpected(published.error());
    }
    if (auto finished = attaching->finish(next); !finished) {
        State before = writing.state;
        if (auto back = writing.store.publish(before); !back) return tl::unexpected(back.error());
        attaching->undo();
        return tl::unexpected(finished.error());
    }
    return attaching->outcomes();
}

Result<std::vector<AttachOutcome>> attach(const AttachRequest& request) {
    // Names that are wrong are told before anything is made.
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    if (auto targets = find_targets(*interfaces, request); !targets) return tl::unexpected(targets.error());
    auto writing = create_to_write();
    if (!writing) return tl::unexpected(writing.error());

    AttachRequest known = request;
    known.rewrites = rewrites(writing->state);
    return attach_all(*writing, {&known, 1});
}

}  // namespace fwctl::engine
