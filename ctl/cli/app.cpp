#include "cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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

// What adds verbs, and their names.
struct Verbs {
    void (*add)(CLI::App& app, Command& command);
    std::vector<std::string_view> names;
};

std::vector<Verbs> all_verbs() {
    return {{add_attach, {"attach"}},
            {add_detach, {"detach"}},
            {add_status, {"status"}},
            {add_rule_edits, {"allow", "deny", "reject", "limit"}},
            {add_rule, {"rule"}},
            {add_set, {"set"}},
            {add_bans, {"ban", "unban"}},
            {add_vip, {"vip"}},
            {add_backend, {"backend"}},
            {add_check, {"check", "fmt"}},
            {add_import, {"import"}},
            {add_plan, {"plan"}},
            {add_apply, {"apply"}},
            {add_try, {"try", "confirm"}},
            {add_rollback, {"rollback"}},
            {add_history, {"history", "export", "save"}},
            {add_panic, {"panic"}},
            {add_conntrack, {"conntrack"}},
            {add_counters, {"counters"}},
            {add_top, {"top"}},
            {add_monitor, {"monitor"}},
            {add_capture, {"capture"}},
            {add_explain, {"explain"}},
            {add_test, {"test"}},
            {add_agent, {"agent", "page"}},
            {add_doctor, {"doctor"}},
            {add_completion, {"completion"}}};
}

// The command line with the verbs that are wanted.
std::unique_ptr<CLI::App> make_app(Command& command, const std::function<bool(const Verbs&)>& is_wanted) {
    auto app = std::make_unique<CLI::App>(
        "A packet filter in XDP and TC: attach it to interfaces, edit its rules live.", "fwctl");
    app->set_version_flag("-V,--version", "fwctl " FWCTL_VERSION);
    app->require_subcommand(1);
    app->fallthrough();
    app->failure_message(CLI::FailureMessage::simple);
    add_globals(*app, command.globals);
    for (const Verbs& verbs : all_verbs())
        if (is_wanted(verbs)) verbs.add(*app, command);
    return app;
}

int finish(const CLI::App& app, const Command& command) {
    kernel::show_library_log(command.globals.verbose);
    const Result<Exit> result = carry_out(app, command);
    if (!result) {
        print_error(result.error().message, command.globals);
        return static_cast<int>(result.error().exit);
    }
    return static_cast<int>(*result);
}

// All verbs together take as long to set up as a ban takes: at first those alone that have a name on the
// line. nullopt: it cannot be understood with these.
std::optional<int> run_named(int argc, char** argv) {
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    const auto is_on_line = [&](std::string_view name) {
        return std::find(words.begin(), words.end(), name) != words.end();
    };
    if (is_on_line("completion")) return std::nullopt;  // it tells of all
    Command command;
    const auto app = make_app(command, [&](const Verbs& verbs) {
        return std::any_of(verbs.names.begin(), verbs.names.end(), is_on_line);
    });
    try {
        app->parse(argc, argv);
    } catch (const CLI::Error&) {
        return std::nullopt;
    }
    return finish(*app, command);
}

}  // namespace

int run(int argc, char** argv) {
    if (const auto status = run_named(argc, argv)) return *status;
    Command command;
    const auto app = make_app(command, [](const Verbs&) { return true; });
    try {
        app->parse(argc, argv);
    } catch (const CLI::Success& wanted) {  // --help, --version
        return app->exit(wanted);
    } catch (const CLI::ParseError& error) {
        print_error(usage_message(*app, error), Globals{});
        return static_cast<int>(Exit::kUsage);
    }
    return finish(*app, command);
}

}  // namespace fwctl::cli
