// plan, apply, try, confirm and rollback.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_file.h"
#include "cli/show.h"
#include "engine/apply.h"
#include "engine/plan.h"
#include "engine/running.h"
#include "engine/session.h"
#include "engine/trial.h"

namespace fwctl::cli {
namespace {

using std::chrono::seconds;

constexpr std::size_t kShownChanges = 20;

struct ApplyOptions {
    std::string file;
    bool saved = false;
    bool detailed = false;
    bool discard_live = false;
    bool force = false;
    std::string plan;
    std::string lasts = "120s";
    std::uint64_t number = 0;
};

void print_changes(const std::vector<std::string>& changes, std::size_t most) {
    for (std::size_t i = 0; i < std::min(changes.size(), most); ++i) fmt::print("  {}\n", changes[i]);
    if (changes.size() > most) fmt::print("  … and {} more\n", with_commas(changes.size() - most));
}

void print_moved(const std::vector<engine::MovedFlows>& moved) {
    for (const engine::MovedFlows& one : moved)
        fmt::print("  vip {}: {}\n", one.vip, describe_moved(one.share));
}

void print_live(const engine::SettledLive& live, const Globals& globals) {
    const auto say = [&](const char* what, const std::vector<std::string>& names) {
        if (!names.empty()) print_note(fmt::format("  {}: {}", what, join(names, ", ")), globals);
    };
    say("live rules that the policy has taken in", live.rules.absorbed);
    say("live rules that are dropped", live.rules.discarded);
    say("live rules that stay in front of the policy's", live.rules.kept);
    say("live edits of vips that the policy has taken in", live.vips.absorbed);
    say("live edits of vips that are dropped", live.vips.discarded);
    say("live edits of vips that the policy overrules", live.vips.overruled);
    say("live edits of vips that stay", live.vips.kept);
}

Json live_json(const engine::SettledLive& live, const std::vector<engine::MovedFlows>& moved) {
    Json moves = Json::object();
    for (const engine::MovedFlows& one : moved) moves[one.vip] = one.share;
    return {{"live_rules_kept", live.rules.kept},
            {"live_edits_kept", live.vips.kept},
            {"live_edits_overruled", live.vips.overruled},
            {"new_flows_moved", moves}};
}

Result<Exit> plan(const ApplyOptions& options, const Globals& globals) {
    const auto loaded = load_policy_file(options.file, globals);
    if (!loaded) return Exit::kUsage;
    auto plan = engine::plan_apply(*loaded, options.discard_live);
    if (!plan) return tl::unexpected(plan.error());
    const bool differs = !plan->changes.empty();
    if (globals.json) {
        Json entry{{"changes", plan->changes}, {"plan", plan->id}};
        entry.update(live_json(plan->live, plan->moved));
        print_json(entry);
    } else {
        print_changes(plan->changes, plan->changes.size());
        print_moved(plan->moved);
        print_live(plan->live, globals);
        if (differs)
            fmt::print("to apply just this: fwctl apply {} --plan {}\n", options.file, plan->id);
        else
            fmt::print("nothing changes\n");
    }
    return differs && options.detailed ? Exit::kDifferences : Exit::kDone;
}

Json report_json(const engine::ApplyReport& report) {
    Json attached = Json::array();
    for (const engine::AttachOutcome& one : report.attached) attached.push_back(one.interface);
    Json entry{{"changes", report.changes},
               {"rules", report.rules},
               {"bytes", report.bytes},
               {"interfaces", attached},
               {"detached", report.detached}};
    entry.update(live_json(report.live, report.moved));
    return entry;
}

void print_report(const engine::ApplyReport& report, const std::string& name, const Globals& globals) {
    for (const engine::AttachOutcome& one : report.attached)
        if (one.change == engine::AttachChange::kAttached) fmt::print("{}: attached\n", one.interface);
    for (const std::string& interface : report.detached) fmt::print("{}: detached\n", interface);
    print_changes(report.changes, globals.wide ? report.changes.size() : kShownChanges);
    print_moved(report.moved);
    print_live(report.live, globals);
    fmt::print("{}: {}\n", name,
               report.changes.empty() ? "applied, nothing changed"
                                      : fmt::format("applied, {} rule{}", with_commas(report.rules),
                                                    report.rules == 1 ? "" : "s"));
}

Result<Exit> apply_loaded(const policy::Loaded& loaded, const std::string& name,
                          const engine::ApplyRequest& request, const Globals& globals) {
    auto report = engine::apply(loaded, request);
    if (!report) return tl::unexpected(report.error());
    if (globals.json)
        print_json(report_json(*report));
    else
        print_report(*report, name, globals);
    return Exit::kDone;
}

Result<Exit> apply(const ApplyOptions& options, const Globals& globals) {
    if (options.saved == !options.file.empty())
        return fail("name a file, or --saved for the policy that was applied last", Exit::kUsage);
    if (globals.dry_run) return fail("--dry-run is for live edits; see: fwctl plan", Exit::kUsage);
    engine::ApplyRequest request;
    request.discard_live = options.discard_live;
    request.force = options.force;
    request.plan = options.plan;
    if (options.saved) {
        auto library = engine::Library::open();
        if (!library) return tl::unexpected(library.error());
        auto loaded = engine::load_last_applied(*library);
        if (!loaded) return tl::unexpected(loaded.error());
        request.what = "apply --saved";
        return apply_loaded(*loaded, loaded->sources.front().path, request, globals);
    }
    const auto loaded = load_policy_file(options.file, globals);
    if (!loaded) return Exit::kUsage;
    return apply_loaded(*loaded, options.file, request, globals);
}

volatile std::sig_atomic_t g_interrupted = 0;

Exit say_how_it_ended(engine::TrialState state, const Globals& globals) {
    const bool kept = state == engine::TrialState::kConfirmed;
    if (globals.json)
        print_json({{"result", kept ? "confirmed" : "rolled back"}});
    else
        fmt::print("{}\n",
                   kept ? "confirmed: the policy stays" : "rolled back: the policy before holds again");
    return kept ? Exit::kDone : Exit::kRolledBack;
}

// Before the policy holds: whoever ends the command from then on ends the trial.
void end_trial_when_interrupted() {
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupted = 1; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

// The programs themselves keep the deadline: whatever becomes of this process, it ends.
Result<Exit> wait_for_end(const engine::ApplyReport& report, const Globals& globals) {
    while (true) {
        auto state = engine::trial_state(report.generation, report.snapshot);
        if (!state) return tl::unexpected(state.error());
        if (*state == engine::TrialState::kConfirmed) return say_how_it_ended(*state, globals);
        if (*state == engine::TrialState::kOver || g_interrupted != 0) {
            if (auto ended = engine::end_trial(); !ended) return tl::unexpected(ended.error());
            return say_how_it_ended(engine::TrialState::kOver, globals);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

Result<Exit> try_policy(const ApplyOptions& options, const Globals& globals) {
    if (globals.dry_run) return fail("--dry-run is for live edits; see: fwctl plan", Exit::kUsage);
    auto lasts = parse_duration(options.lasts);
    if (!lasts) return fail("--for: " + lasts.error().message, Exit::kUsage);
    const auto loaded = load_policy_file(options.file, globals);
    if (!loaded) return Exit::kUsage;
    engine::ApplyRequest request;
    request.what = "try";
    request.discard_live = options.discard_live;
    request.force = options.force;
    request.trial = *lasts;
    end_trial_when_interrupted();
    auto report = engine::apply(*loaded, request);
    if (!report) return tl::unexpected(report.error());
    if (!globals.json) {
        print_report(*report, options.file, globals);
        fmt::print("on trial for {}: fwctl confirm keeps it; fwctl rollback, or Ctrl-C here, ends it\n",
                   format_duration(*lasts));
        std::fflush(stdout);
    }
    return wait_for_end(*report, globals);
}

Result<Exit> confirm(const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    if (auto confirmed = engine::confirm_trial(); !confirmed) return tl::unexpected(confirmed.error());
    return say_how_it_ended(engine::TrialState::kConfirmed, globals);
}

Result<Exit> rollback(const ApplyOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto trial = engine::trial_left();
    if (!trial) return tl::unexpected(trial.error());
    if (*trial && options.number == 0) {
        if (auto ended = engine::end_trial(); !ended) return tl::unexpected(ended.error());
        (void)say_how_it_ended(engine::TrialState::kOver, globals);
        return Exit::kDone;
    }
    if (auto settled = engine::settle_unfinished(); !settled) return tl::unexpected(settled.error());
    auto library = engine::Library::open();
    if (!library) return tl::unexpected(library.error());
    auto loaded = engine::load_applied(*library, options.number);
    if (!loaded) return tl::unexpected(loaded.error());
    engine::ApplyRequest request;
    request.what = options.number == 0 ? "rollback" : fmt::format("rollback to {}", options.number);
    request.discard_live = options.discard_live;
    request.force = options.force;
    return apply_loaded(*loaded, loaded->sources.front().path, request, globals);
}

void add_file(CLI::App* verb, const std::shared_ptr<ApplyOptions>& options, bool required) {
    verb->add_option("file", options->file, "The policy; - is the standard input")
        ->required(required)
        ->option_text("FILE");
}

void add_live(CLI::App* verb, const std::shared_ptr<ApplyOptions>& options) {
    verb->add_flag("--discard-live", options->discard_live,
                   "Drop live rules and live edits of vips; else they stay");
}

void add_force(CLI::App* verb, const std::shared_ptr<ApplyOptions>& options) {
    verb->add_flag("--force", options->force,
                   "Although its tests fail, it cuts the session of this command, or a set has more members "
                   "than its size");
}

}  // namespace

void add_plan(CLI::App& app, Command& command) {
    auto options = std::make_shared<ApplyOptions>();
    CLI::App* verb = app.add_subcommand("plan", "Tell what applying a policy would change");
    add_file(verb, options, true);
    add_live(verb, options);
    verb->add_flag("--detailed", options->detailed, "Exit status 10 when something would change");
    verb->callback([options, &command] {
        command.run = [options, &command] { return plan(*options, command.globals); };
    });
}

void add_apply(CLI::App& app, Command& command) {
    auto options = std::make_shared<ApplyOptions>();
    CLI::App* verb = app.add_subcommand("apply", "Put a policy in force, all of it or nothing");
    add_file(verb, options, false);
    add_live(verb, options);
    add_force(verb, options);
    verb->add_option("--plan", options->plan, "Only if nothing has changed since that plan")
        ->option_text("ID");
    verb->add_flag("--saved", options->saved, "The policy that was applied last, as after a boot");
    verb->callback([options, &command] {
        command.run = [options, &command] { return apply(*options, command.globals); };
    });
}

void add_try(CLI::App& app, Command& command) {
    auto options = std::make_shared<ApplyOptions>();
    CLI::App* verb =
        app.add_subcommand("try", "Put a policy in force until it is confirmed or its time is over");
    add_file(verb, options, true);
    add_live(verb, options);
    add_force(verb, options);
    verb->add_option("--for", options->lasts, "How long: 30s, 120s (the default), 10m")->option_text("TIME");
    verb->callback([options, &command] {
        command.run = [options, &command] { return try_policy(*options, command.globals); };
    });
    app.add_subcommand("confirm", "Keep the policy that is on trial")->callback([&command] {
        command.run = [&command] { return confirm(command.globals); };
    });
}

void add_rollback(CLI::App& app, Command& command) {
    auto options = std::make_shared<ApplyOptions>();
    CLI::App* verb =
        app.add_subcommand("rollback", "End a trial, or go back to a policy that was applied before");
    verb->add_option("number", options->number,
                     "Of the history; without it: the policy before the present one")
        ->option_text("N");
    add_live(verb, options);
    add_force(verb, options);
    verb->callback([options, &command] {
        command.run = [options, &command] { return rollback(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
