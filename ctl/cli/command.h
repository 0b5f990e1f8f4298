// What a command is to the command line: options that CLI11 fills, and a function that does the work.
//
// Promises: every add_*() registers one verb and, once it is parsed, sets Command::run. Nothing runs while
// parsing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace fwctl::cli {

// The options that every verb takes, anywhere on the line.
struct Globals {
    bool json = false;
    bool wide = false;
    bool quiet = false;
    bool verbose = false;
    bool dry_run = false;
    bool yes = false;
    std::string color = "auto";
    std::string netns;
};

// Of an option that says how many: a number below 0 reads as one above these.
inline CLI::Range how_many() {
    return {std::uint64_t{1}, std::uint64_t{1'000'000'000'000}};
}

struct Command {
    Globals globals;
    bool needs_privilege = true;
    std::function<Result<Exit>()> run;
};

void add_attach(CLI::App& app, Command& command);
void add_detach(CLI::App& app, Command& command);
void add_status(CLI::App& app, Command& command);
void add_rule_edits(CLI::App& app, Command& command);  // allow, deny, reject
void add_rule(CLI::App& app, Command& command);        // rule list, show, remove, move
void add_set(CLI::App& app, Command& command);         // set list, show, add, del, replace, flush
void add_bans(CLI::App& app, Command& command);        // ban, unban
void add_vip(CLI::App& app, Command& command);         // vip list, show, add, remove, enable, disable
void add_backend(CLI::App& app, Command& command);     // backend add, remove, weight, drain, ready, maint
void add_conntrack(CLI::App& app, Command& command);
void add_check(CLI::App& app, Command& command);  // check, fmt
void add_import(CLI::App& app, Command& command);
void add_plan(CLI::App& app, Command& command);
void add_apply(CLI::App& app, Command& command);
void add_try(CLI::App& app, Command& command);  // try, confirm
void add_rollback(CLI::App& app, Command& command);
void add_history(CLI::App& app, Command& command);  // history, export, save
void add_panic(CLI::App& app, Command& command);
void add_counters(CLI::App& app, Command& command);
void add_top(CLI::App& app, Command& command);
void add_monitor(CLI::App& app, Command& command);
void add_capture(CLI::App& app, Command& command);
void add_explain(CLI::App& app, Command& command);
void add_test(CLI::App& app, Command& command);
void add_agent(CLI::App& app, Command& command);  // agent, page
void add_doctor(CLI::App& app, Command& command);
void add_completion(CLI::App& app, Command& command);

}  // namespace fwctl::cli
