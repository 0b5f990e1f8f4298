// panic: drop or pass everything at once, and go back.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/rules.h"
#include "engine/store.h"

namespace fwctl::cli {
namespace {

policy::Rule everything(policy::Action action) {
    policy::Rule rule;
    rule.name = engine::kPanicRule;
    rule.comment = "asked before all other live rules and the policy";
    rule.action = action;
    rule.services.emplace_back();
    return rule;
}

Result<Exit> run_panic(const std::optional<policy::Action>& action, const std::string& lasts,
                       const Globals& globals) {
    std::optional<policy::Rule> rule;
    if (action) rule = everything(*action);
    if (!lasts.empty()) {
        auto duration = parse_duration(lasts);
        if (!duration) return fail("--for: " + duration.error().message, Exit::kUsage);
        rule->expires =
            engine::monotonic_now() + static_cast<std::uint64_t>(std::chrono::nanoseconds(*duration).count());
    }
    auto rolled_back = engine::set_panic(rule, globals.dry_run);
    if (!rolled_back) return tl::unexpected(rolled_back.error());
    if (*rolled_back) print_note("note: the policy on trial was rolled back", globals);
    const char* what = !action ? "over: the policy decides again"
                       : *action == policy::Action::kDeny
                           ? "everything is dropped but what the built-in rules "
                             "and the policy's lockout guard allow"
                           : "everything passes but what the parser refuses";
    if (globals.json)
        print_json({{"panic", !action ? "off" : *action == policy::Action::kDeny ? "lockdown" : "open"}});
    else
        fmt::print("panic: {}{}{}\n", what, lasts.empty() ? "" : " for " + lasts, dry_run_suffix(globals));
    return Exit::kDone;
}

void add_mode(CLI::App* panic, Command& command, const char* name, const char* help,
              std::optional<policy::Action> action) {
    CLI::App* verb = panic->add_subcommand(name, help);
    auto lasts = std::make_shared<std::string>();
    if (action)
        verb->add_option("--for", *lasts, "Until this time is over: 90s, 10m, 1h30m")->option_text("TIME");
    verb->callback([lasts, action, &command] {
        command.run = [lasts, action, &command] { return run_panic(action, *lasts, command.globals); };
    });
}

}  // namespace

void add_panic(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("panic", "Drop or pass everything at once, whatever the policy says");
    verb->require_subcommand(1);
    add_mode(verb, command, "lockdown", "Drop everything but the lockout guard's way in",
             policy::Action::kDeny);
    add_mode(verb, command, "open", "Let everything pass", policy::Action::kAllow);
    add_mode(verb, command, "off", "Let the policy decide again", std::nullopt);
}

}  // namespace fwctl::cli
