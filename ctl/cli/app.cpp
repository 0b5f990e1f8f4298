#include "cli/app.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "kernel/log.h"
#include "kernel/probe.h"
#include "net/namespace.h"

namespace fwctl::cli {
namespace {

void add_globals(CLI::App& app, Globals& globals) {
    app.add_flag("-j,--json", globals.json, "Print JSON instead of text");
    app.add_flag("--wide", globals.wide, "Print more columns");
    app.add_flag("-q,--quiet", globals.quiet, "Print results and errors alone, no notes");
    app.add_flag("-v,--verbose", globals.verbose, "Print what libbpf and libxdp say");
    app.add_flag("-n,--dry-run", globals.dry_run,
                 "Check and show an edit of rules, sets or services without making it");
    app.add_flag("-y,--yes", globals.yes, "Do not ask");
    app.add_option("--color", globals.color, "Colour: auto, always or never (NO_COLOR is honoured)")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->option_text("WHEN");
    app.add_option("-N,--netns", globals.netns,
                   "Work in this network namespace: a name of `ip netns`, or a process id")
        ->option_text("NAME|PID");
}

std::vector<std::string_view> verbs_of(const CLI::App& app) {
    std::vector<std::string_view> names;
    for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
    return names;
}

// The first word that is no option: what was meant as the verb.
std::optional<std::string> first_word(const std::vector<std::string>& words) {
    for (const std::string& word : words)
        if (!word.empty() && word.front() != '-') return word;
    return std::nullopt;
}

// The innermost verb on the line, whose --help and verbs the message is about.
const CLI::App* parsed_verb(const CLI::App& app) {
    const CLI::App* verb = &app;
    while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().front();
    return verb;
}

// What was typed: "rule list"; empty for the program alone.
std::string typed_name(const CLI::App* verb) {
    if (verb->get_parent() == nullptr) return {};
    const std::string outer = typed_name(verb->get_parent());
    return outer.empty() ? verb->get_name() : outer + " " + verb->get_name();
}

std::string help_command(const CLI::App* verb) {
    const std::string name = typed_name(verb);
    return name.empty() ? "fwctl --help" : fmt::format("fwctl {} --help", name);
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
    const CLI::App* verb = parsed_verb(app);
    const std::vector<std::string_view> verbs = verbs_of(*verb);
    const auto word = first_word(app.remaining(true));
    if (!verbs.empty()) {
        if (!word) return fmt::format("a command is missing; see: {}", help_command(verb));
        const auto near = nearest(*word, verbs);
        return fmt::format("unknown command \"{}\"{}", *word,
                           near ? fmt::format("; did you mean \"{}\"?", *near)
                                : fmt::format("; see: {}", help_command(verb)));
    }
    std::string text = error.what();
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& letter : text)
        if (letter == '\n') letter = ' ';
    return fmt::format("{}; see: {}", text, help_command(verb));
}

Result<Exit> carry_out(const CLI::App& app, const Command& command) {
    if (command.needs_privilege)
        if (auto allowed = kernel::check_privilege(typed_name(parsed_verb(app))); !allowed)
            return tl::unexpected(allowed.error());
    if (!command.globals.netns.empty())
        if (auto entered = net::enter_namespace(command.globals.netns); !entered)
            return tl::unexpected(entered.error());
    return command.run();
}

}  // namespace

int run(int argc, char** argv) {
    CLI::App app{"A packet filter in XDP and TC: attach it to interfaces, edit its rules live.", "fwctl"};
    Command command;
    app.set_version_flag("-V,--version", "fwctl " FWCTL_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    app.failure_message(CLI::FailureMessage::simple);
    add_globals(app, command.globals);
    add_attach(app, command);
    add_detach(app, command);
    add_status(app, command);
    add_rule_edits(app, command);
    add_rule(app, command);
    add_set(app, command);
    add_bans(app, command);
    add_vip(app, command);
    add_backend(app, command);
    add_check(app, command);
    add_import(app, command);
    add_plan(app, command);
    add_apply(app, command);
    add_try(app, command);
    add_rollback(app, command);
    add_history(app, command);
    add_panic(app, command);
    add_conntrack(app, command);
    add_counters(app, command);
    add_top(app, command);
    add_monitor(app, command);
    add_capture(app, command);
    add_explain(app, command);
    add_test(app, command);
    add_agent(app, command);
    add_doctor(app, command);
    add_completion(app, command);

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wanted) {  // --help, --version
        return app.exit(wanted);
    } catch (const CLI::ParseError& error) {
        print_error(usage_message(app, error), Globals{});
        return static_cast<int>(Exit::kUsage);
    }
    kernel::show_library_log(command.globals.verbose);
    const Result<Exit> result = carry_out(app, command);
    if (!result) {
        print_error(result.error().message, command.globals);
        return static_cast<int>(result.error().exit);
    }
    return static_cast<int>(*result);
}

}  // namespace fwctl::cli
