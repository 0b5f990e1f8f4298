// check and fmt: what needs no privilege and changes nothing.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "analyze/analyze.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_file.h"
#include "compile/dump.h"
#include "kernel/probe.h"
#include "policy/print.h"

namespace fwctl::cli {
namespace {

// What this kernel cannot do; apply refuses it.
void warn_of_kernel(policy::Loaded& loaded) {
    for (const policy::Rule& rule : loaded.policy.rules)
        if (rule.action == policy::Action::kSynproxy && !kernel::has_syn_cookies())
            loaded.warnings.warning(
                rule.place.file, rule.place.span,
                fmt::format("this kernel ({}) makes no SYN cookies for programs, which synproxy needs",
                            kernel::kernel_release()));
}

Result<Exit> check(const std::string& path, bool dump, const Globals& globals) {
    auto loaded = read_policy_file(path, globals);
    if (!loaded) return Exit::kUsage;
    if (!dump)
        for (const analyze::Finding& finding : analyze::analyze(loaded->policy))
            loaded->warnings.warning(finding.place.file, finding.place.span, finding.message);
    if (!dump) warn_of_kernel(*loaded);
    if (!globals.quiet) fmt::print(stderr, "{}", loaded->warnings.render());
    if (dump) {
        auto image = compile::dump_image(loaded->policy);
        if (!image) return tl::unexpected(image.error());
        fmt::print("{}", *image);
        return Exit::kDone;
    }
    if (globals.json)
        print_json({{"file", path},
                    {"rules", loaded->policy.rules.size()},
                    {"sets", loaded->policy.sets.size()},
                    {"vips", loaded->policy.vips.size()},
                    {"tests", loaded->policy.tests.size()},
                    {"warnings", loaded->warnings.all().size()}});
    else
        fmt::print("{}: {}\n", path, describe_size(loaded->policy));
    return Exit::kDone;
}

Result<Exit> format(const std::string& path, const Globals& globals) {
    const auto loaded = load_policy_file(path, globals);
    if (!loaded) return Exit::kUsage;
    fmt::print("{}", policy::print_policy(loaded->policy));
    const bool comments =
        std::any_of(loaded->sources.begin(), loaded->sources.end(), [](const Source& source) {
            return source.path.ends_with(".toml") && policy::has_comments(source.text);
        });
    if (comments) print_note("note: comments are not kept", globals);
    return Exit::kDone;
}

}  // namespace

void add_check(CLI::App& app, Command& command) {
    CLI::App* check_verb = app.add_subcommand("check", "Tell every mistake of a policy's file");
    auto checked = std::make_shared<std::string>();
    check_verb->add_option("file", *checked, "The policy; - is the standard input")
        ->required()
        ->option_text("FILE");
    auto dump = std::make_shared<bool>(false);
    check_verb->add_flag("--dump-image", *dump, "Print the compiled rules: classes, leaves and rows");
    check_verb->callback([checked, dump, &command] {
        command.needs_privilege = false;
        command.run = [checked, dump, &command] { return check(*checked, *dump, command.globals); };
    });

    CLI::App* format_verb = app.add_subcommand("fmt", "Print a policy as canonical TOML, includes and all");
    auto formatted = std::make_shared<std::string>();
    format_verb->add_option("file", *formatted, "The policy; - is the standard input")
        ->required()
        ->option_text("FILE");
    format_verb->callback([formatted, &command] {
        command.needs_privilege = false;
        command.run = [formatted, &command] { return format(*formatted, command.globals); };
    });
}

}  // namespace fwctl::cli
