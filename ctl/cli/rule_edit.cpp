#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/rules.h"
#include "policy/command.h"
#include "policy/print.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

struct RuleOptions {
    std::vector<std::string> words;
    std::string lasts;
    std::string before;
};

const char* change_name(policy::RuleChange change) {
    switch (change) {
        case policy::RuleChange::kAdded:
            return "added";
        case policy::RuleChange::kUnchanged:
            return "unchanged";
        case policy::RuleChange::kReplaced:
            return "replaced";
    }
    return "";
}

void print_text(const engine::AddedRule& added, const RuleOptions& options, const Globals& globals) {
    std::string line = fmt::format("{}: {}", added.rule.name, policy::describe(added.rule));
    if (!options.lasts.empty()) line += " for " + options.lasts;
    switch (added.outcome.change) {
        case policy::RuleChange::kUnchanged:
            line += " (it is so already)";
            break;
        case policy::RuleChange::kReplaced:
            line += added.outcome.replaced_name == added.rule.name
                        ? " (changed)"
                        : fmt::format(" (was {})", added.outcome.replaced_name);
            break;
        case policy::RuleChange::kAdded:
            break;
    }
    fmt::print("{}{}\n", line, dry_run_suffix(globals));
    if (added.attachments.empty())
        print_note(
            fmt::format("  note: {} is not attached, so it holds nowhere yet", join(added.rule.on, ", ")),
            globals);
    for (const std::string& note : added.outcome.notes) print_note("  note: " + note, globals);
}

Result<Exit> run_edit(Result<policy::Rule> rule, const RuleOptions& options, const Globals& globals) {
    if (!rule) return tl::unexpected(rule.error());
    if (!options.lasts.empty()) {
        auto duration = parse_duration(options.lasts);
        if (!duration) return fail("--for: " + duration.error().message, Exit::kUsage);
        rule->expires =
            engine::monotonic_now() + static_cast<std::uint64_t>(std::chrono::nanoseconds(*duration).count());
    }
    const auto before = options.before.empty() ? std::nullopt : std::optional(options.before);
    auto added = engine::add_rule(*rule, before, globals.dry_run);
    if (!added) return tl::unexpected(added.error());
    if (globals.json)
        print_json({{"rule", added->rule.name},
                    {"text", policy::describe(added->rule)},
                    {"result", change_name(added->outcome.change)},
                    {"dry_run", globals.dry_run},
                    {"interfaces", added->attachments},
                    {"notes", added->outcome.notes}});
    else
        print_text(*added, options, globals);
    return Exit::kDone;
}

using Parse = Result<policy::Rule> (*)(std::span<const std::string> words);

struct Verb {
    const char* name;
    const char* help;
    Parse parse;
    const char* usage = "SERVICE... [from A] [to A] [on IF] [in|out]";
    const char* words =
        "Services (icmp, icmp6, tcp/22, udp/1000-2000, icmp6/echo-request, 47, any), then: from "
        "A, to A (addresses or "
        "prefixes), on IF, in or out";
};

template <policy::Action kAction>
Result<policy::Rule> parse_plain(std::span<const std::string> words) {
    return policy::parse_rule_words(kAction, words);
}

constexpr Verb kVerbs[] = {
    {"allow", "Add a live rule that lets packets pass", parse_plain<policy::Action::kAllow>},
    {"deny", "Add a live rule that drops packets", parse_plain<policy::Action::kDeny>},
    {"reject", "Add a live rule that drops packets and tells their sender",
     parse_plain<policy::Action::kReject>},
    {"limit", "Add a live rule that drops what is over a rate", policy::parse_limit_words,
     "SERVICE... RATE [from A] [to A] [on IF] [in|out]",
     "Services as in allow; then the rate: N/second, N/minute or N/hour, and behind it burst B, packets or "
     "bytes, per source, destination, service or flow; then: from A, to A, on IF, in (the default) or out"},
};

void add_verb(CLI::App& app, Command& command, const Verb& row) {
    CLI::App* verb = app.add_subcommand(row.name, row.help);
    auto options = std::make_shared<RuleOptions>();
    verb->add_option("rule", options->words, row.words)->option_text(row.usage);
    verb->add_option("--for", options->lasts, "Until this time is over: 90s, 10m, 1h30m, 2d")
        ->option_text("TIME");
    verb->add_option("--before", options->before, "Ask it before that rule; else it is the last")
        ->option_text("RULE");
    verb->callback([options, parse = row.parse, &command] {
        command.run = [options, parse, &command] {
            return run_edit(parse(options->words), *options, command.globals);
        };
    });
}

}  // namespace

void add_rule_edits(CLI::App& app, Command& command) {
    for (const Verb& verb : kVerbs) add_verb(app, command, verb);
}

}  // namespace fwctl::cli
