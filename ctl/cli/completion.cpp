#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/output.h"

namespace fwctl::cli {
namespace {

// The long options and verbs that may follow `app`.
std::string words_after(const CLI::App& app) {
    std::string words;
    for (const CLI::App* verb : app.get_subcommands({})) words += verb->get_name() + " ";
    for (const CLI::App* level = &app; level != nullptr; level = level->get_parent())
        for (const CLI::Option* option : level->get_options())
            for (const std::string& name : option->get_lnames())
                if (words.find("--" + name + " ") == std::string::npos) words += "--" + name + " ";
    if (!words.empty()) words.pop_back();
    return words;
}

// "attach=…" lines of a shell's case statement, for the verbs of two levels.
void collect(const CLI::App& app, const std::string& path,
             std::vector<std::pair<std::string, std::string>>& all) {
    all.emplace_back(path, words_after(app));
    for (const CLI::App* verb : app.get_subcommands({}))
        collect(*verb, path.empty() ? verb->get_name() : path + " " + verb->get_name(), all);
}

// The options that take a value, which is no verb: "--netns|-N|--color".
std::string options_with_value(const CLI::App& app) {
    std::vector<std::string> names;
    const auto add = [&names](const CLI::App& level) {
        for (const CLI::Option* option : level.get_options()) {
            if (option->get_items_expected_max() == 0) continue;
            for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
            for (const std::string& name : option->get_snames()) names.push_back("-" + name);
        }
    };
    add(app);
    for (const CLI::App* verb : app.get_subcommands({})) {
        add(*verb);
        for (const CLI::App* inner : verb->get_subcommands({})) add(*inner);
    }
    return join(names, "|");
}

// zsh reads it, too: nothing here is bash's alone.
void print_bash(const CLI::App& app) {
    std::vector<std::pair<std::string, std::string>> all;
    collect(app, "", all);
    fmt::print(R"sh(# completion for fwctl
_fwctl() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" verbs="" before="" word words=""
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $before in
        {}) ;;
        *) case $word in -*) ;; *) verbs="${{verbs:+$verbs }}$word" ;; esac ;;
        esac
        before=$word
    done
    while :; do
        case $verbs in
)sh",
               options_with_value(app));
    for (const auto& [path, words] : all) fmt::print("        '{}') words='{}' ;;\n", path, words);
    fmt::print(R"sh(        esac
        [[ -n $words || -z $verbs ]] && break
        case $verbs in *\ *) verbs=${{verbs% *}} ;; *) verbs="" ;; esac
    done
    case $verbs in
    attach | detach | status | counters | doctor) words="$words $(ls /sys/class/net 2>/dev/null)" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _fwctl fwctl
)sh");
}

// A fish string in single quotes.
std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char letter : text) {
        if (letter == '\'' || letter == '\\') result += '\\';
        result += letter;
    }
    return result + "'";
}

void print_fish(const CLI::App& app) {
    fmt::print("# fish completion for fwctl\ncomplete -c fwctl -f\n");
    for (const CLI::App* verb : app.get_subcommands({})) {
        fmt::print("complete -c fwctl -n __fish_use_subcommand -a {} -d {}\n", verb->get_name(),
                   quoted(verb->get_description()));
        for (const CLI::App* inner : verb->get_subcommands({}))
            fmt::print("complete -c fwctl -n '__fish_seen_subcommand_from {}' -a {} -d {}\n",
                       verb->get_name(), inner->get_name(), quoted(inner->get_description()));
        for (const CLI::Option* option : verb->get_options())
            for (const std::string& name : option->get_lnames())
                fmt::print("complete -c fwctl -n '__fish_seen_subcommand_from {}' -l {} -d {}\n",
                           verb->get_name(), name, quoted(option->get_description()));
    }
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames())
            fmt::print("complete -c fwctl -l {} -d {}\n", name, quoted(option->get_description()));
}

Result<Exit> run_completion(const CLI::App& app, const std::string& shell) {
    if (shell == "fish") {
        print_fish(app);
        return Exit::kDone;
    }
    if (shell == "zsh") fmt::print("#compdef fwctl\nautoload -U +X bashcompinit && bashcompinit\n");
    print_bash(app);
    return Exit::kDone;
}

}  // namespace

void add_completion(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("completion", "Print the completion script of a shell");
    auto shell = std::make_shared<std::string>();
    verb->add_option("shell", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->option_text("SHELL");
    verb->callback([shell, &app, &command] {
        command.needs_privilege = false;
        command.run = [shell, &app] { return run_completion(app, *shell); };
    });
}

}  // namespace fwctl::cli
