#include "engine/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "engine/announce.h"
#include "engine/attach_plan.h"
#include "engine/candidate.h"
#include "engine/guard.h"
#include "engine/hooks.h"
#include "engine/plan.h"
#include "engine/policy_test.h"
#include "engine/requests.h"
#include "engine/rewriting.h"
#include "engine/running.h"
#include "engine/session.h"
#include "engine/set_changes.h"

namespace fwctl::engine {
namespace {

using policy::Loaded;
using policy::Policy;

constexpr const char* kNotKept = "the policy's text cannot be kept, so it is not applied";

// In bytes. From here on it is worth a thread to write a text while the rules are compiled.
constexpr std::size_t kLargeText = 1 << 20;

tl::unexpected<Error> in_part(const Error& error) {
    return fail("the policy holds, but not all is done: " + error.message, Exit::kInPart);
}

// One application of a policy, step by step; what it takes is given back when a step fails.
class Application {
public:
    Application(const Loaded& loaded, const ApplyRequest& request, Writing writing, Library library)
        : loaded_(loaded),
          policy_(loaded.policy),
          request_(request),
          writing_(std::move(writing)),
          library_(std::move(library)) {}

    Result<ApplyReport> run();

private:
    Status read_running();
    [[nodiscard]] Status check_plan() const;
    Status attach();
    Status compare();
    Status keep_text();
    Status text_is_kept();
    Status prepare();
    Status finish();
    [[nodiscard]] Status announce_addresses() const;
    [[nodiscard]] Status detach_others() const;
    void keep_labels() const;
    [[nodiscard]] Applied entry() const;
    [[nodiscard]] Status note_unless_last() const;
    void undo();

    const Loaded& loaded_;
    const Policy& policy_;
    const ApplyRequest& request_;
    Writing writing_;
    Library library_;
    Loaded running_;
    std::optional<Attaching> attaching_;
    State next_;
    bool prepared_ = false;
    bool holds_already_ = false;
    ApplyReport report_;
    std::future<Status> keeping_;  // waits for it where it ends, and so is the last
};

Status Application::read_running() {
    auto running = load_running(library_, writing_.state.main);
    // A text that is gone does not keep a policy from taking its place: only its counters cannot go on, and
    // nobody knows what was edited live of its vips.
    if (running)
        running_ = std::move(*running);
    else
        running_.policy.vips = writing_.state.front.vips;
    return {};
}

Status Application::check_plan() const {
    if (request_.plan.empty() || request_.plan == plan_id(writing_.state, loaded_)) return {};
    return fail("the plan is out of date: the running policy or the file has changed since; plan again",
                Exit::kConflict);
}

Status Application::attach() {
    auto attaching = Attaching::start(writing_, requests_of(policy_));
    if (!attaching) return tl::unexpected(attaching.error());
    attaching_.emplace(std::move(*attaching));
    next_ = attaching_->next();
    const std::set<std::uint32_t> wanted = attaching_->slots();
    std::erase_if(next_.attachments, [&](const Attachment& attachment) {
        const bool leaves = !attachment.label().empty() && !wanted.contains(attachment.slot);
        if (leaves) report_.detached.push_back(attachment.name());
        return leaves;
    });
    if (next_.attachments.empty())
        return fail("nothing is attached, and the policy has no [attach.NAME]; start with: fwctl attach IF",
                    Exit::kNotAttached);
    return {};
}

// With the live edits that stay.
Status Application::compare() {
    auto live = settle_live(next_, running_.policy, policy_, request_.discard_live);
    if (!live) return tl::unexpected(live.error());
    report_.live = std::move(*live);
    auto lost = lost_members(writing_.store, policy_);
    if (!lost) return tl::unexpected(lost.error());
    report_.changes = changes_between(running_.policy, writing_.state, policy_, next_, *lost);
    auto moved = moves_between(writing_.state.front.vips, next_.front.vips);
    if (!moved) return tl::unexpected(moved.error());
    report_.moved = std::move(*moved);
    return {};
}

// Now, or, of a large one, until text_is_kept().
Status Application::keep_text() {
    const auto keep = [this] {
        auto kept = library_.keep(loaded_.sources);
        return kept ? Status{} : context(kNotKept, kept.error());
    };
    std::size_t size = 0;
    for (const Source& source : loaded_.sources) size += source.text.size();
    if (size < kLargeText) return keep();
    keeping_ = std::async(keep);  // where there may be no thread, when it is asked for
    return {};
}

Status Application::text_is_kept() {
    return keeping_.valid() ? keeping_.get() : Status{};
}

Status Application::prepare() {
    const std::string snapshot = snapshot_name(loaded_.sources);
    if (auto kept = keep_text(); !kept) return kept;
    report_.rules = policy_.rules.size();
    holds_already_ = snapshot == writing_.state.main.snapshot && report_.changes.empty() &&
                     report_.live.rules.absorbed.empty() && report_.live.rules.discarded.empty() &&
                     report_.detached.empty() && !attaching_->changes_anything() && !request_.trial &&
                     writing_.store.has_flow_table_that_fits();
    if (holds_already_) return text_is_kept();
    if (!request_.force)
        if (auto fit = check_sizes(writing_.store, policy_); !fit) return fit;
    if (auto can = check_synproxy(policy_, next_); !can) return can;
    if (auto can = check_announced(writing_.state, next_); !can) return can;
    if (rewrites(policy_) || rewrites_in_front(next_))
        if (auto ready = make_ready_to_rewrite(writing_.store, next_); !ready) return ready;
    auto candidate = compile_candidate(writing_.store, writing_.state, running_.policy, policy_, next_);
    if (!candidate) return tl::unexpected(candidate.error());
    // Before anything is touched that stays: this is what fails where a disk is full.
    if (auto kept = text_is_kept(); !kept) return kept;
    next_.main.snapshot = snapshot;
    report_.bytes = candidate->bank.size() * sizeof(std::uint32_t);
    prepared_ = true;  // in part, should it fail
    if (auto prepared = writing_.store.prepare(next_, &*candidate); !prepared) return prepared;
    if (!request_.force)
        if (auto open = check_sessions(writing_.store, next_, writing_.store.next_half(), policy_); !open)
            return open;
    if (auto intended = library_.intend(entry()); !intended) return context(kNotKept, intended.error());
    return {};
}

// The switch is done: what fails from here on is told, and the next command goes on with it.
Status Application::finish() {
    const Status attached = attaching_->finish(next_);
    if (request_.trial) keep_labels();
    const Status detached = request_.trial ? Status{} : detach_others();
    const Status noted = request_.trial ? Status{} : library_.note(entry());
    for (const Status& status : {attached, detached, noted})
        if (!status) return in_part(status.error());
    return {};
}

// What the policy before announces stays while it may come back by itself.
Status Application::announce_addresses() const {
    const Status announced = announce(next_, request_.trial ? &writing_.state : nullptr);
    return announced ? announced : in_part(announced.error());
}

Status Application::detach_others() const {
    std::vector<Attachment> leaving;
    for (const Attachment& attachment : writing_.state.attachments) {
        const bool stays = std::any_of(next_.attachments.begin(), next_.attachments.end(),
                                       [&](const Attachment& one) { return one.slot == attachment.slot; });
        if (!stays) leaving.push_back(attachment);
    }
    return remove_attachments(writing_.store, leaving);
}

// Labels are no part of a generation: those from before the trial stay until it is confirmed.
void Application::keep_labels() const {
    for (const Attachment& before : writing_.state.attachments)
        for (Attachment after : next_.attachments) {
            if (after.slot != before.slot || after.label() == before.label()) continue;
            set_label(after.record, before.label());
            writing_.store.write_record(after);
        }
}

// A trial is noted when it is confirmed.
Status Application::note_unless_last() const {
    auto history = library_.history();
    if (!history) return tl::unexpected(history.error());
    const bool is_last = !history->empty() && history->back().snapshot == next_.main.snapshot;
    return is_last ? Status{} : library_.note(entry());
}

Applied Application::entry() const {
    Applied entry;
    entry.time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    entry.who = current_user();
    entry.what = request_.what;
    entry.path = loaded_.sources.front().path;
    entry.snapshot = next_.main.snapshot;
    entry.rules = policy_.rules.size();
    return entry;
}

void Application::undo() {
    (void)text_is_kept();  // before what nobody names is removed
    if (attaching_) attaching_->undo();
    if (prepared_) writing_.store.abandon(next_);
    library_.tidy(writing_.state.main.snapshot);
    if (writing_.state.attachments.empty()) remove_state(writing_.store.paths());
}

Result<ApplyReport> Application::run() {
    const auto step = [&](Status status) {
        if (!status) undo();
        return status;
    };
    if (auto read = read_running(); !read) return tl::unexpected(read.error());
    if (auto same = step(check_plan()); !same) return tl::unexpected(same.error());
    if (auto attached = step(attach()); !attached) return tl::unexpected(attached.error());
    if (auto compared = step(compare()); !compared) return tl::unexpected(compared.error());
    if (auto prepared = step(prepare()); !prepared) return tl::unexpected(prepared.error());
    report_.attached = attaching_->outcomes();
    report_.snapshot = next_.main.snapshot;
    if (!holds_already_) {
        writing_.store.commit(next_, request_.trial);
        report_.generation = next_.generation;
    } else {
        writing_.store.clean_up(next_);  // of an apply that was killed behind its switch
    }
    const Status announced = announce_addresses();
    const Status finished = holds_already_ ? note_unless_last() : finish();
    for (const Status& status : {finished, announced})
        if (!status) return tl::unexpected(status.error());
    return std::move(report_);
}

}  // namespace

Result<ApplyReport> apply(const Loaded& loaded, const ApplyRequest& request) {
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    if (!request.force)
        if (auto passed = check_tests(loaded.policy); !passed) return tl::unexpected(passed.error());
    auto writing = loaded.policy.attachments.empty() ? open_to_write() : create_to_write();
    if (!writing) return tl::unexpected(writing.error());
    writing->store.start_waiting();
    return Application(loaded, request, std::move(*writing), std::move(*library)).run();
}

Status settle_trial(Writing writing) {
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto loaded = load_running(*library, writing.state.main);
    if (!loaded) return tl::unexpected(loaded.error());
    ApplyRequest request;
    request.what = "try";
    request.force = true;  // it was not refused when it was tried
    const auto report = Application(*loaded, request, std::move(writing), std::move(*library)).run();
    return report ? Status{} : tl::unexpected(report.error());
}

}  // namespace fwctl::engine
