// set, ban, unban: what is in the sets, and live edits of the dynamic ones.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/sets.h"
#include "engine/store.h"
#include "policy/addresses.h"
#include "policy/feed.h"
#include "policy/file_reader.h"
#include "policy/prefix.h"

namespace fwctl::cli {
namespace {

using engine::SetEdit;

constexpr std::size_t kNamed = 10;              // so many members are named one by one
constexpr std::string_view kListed = "listed";  // --for: as long as each line of the list says

struct SetOptions {
    std::string set = "banned";
    std::vector<std::string> words;
    std::string file;
    std::string lasts;
};

// Where the time of a member runs out before a tick does, a second is left.
std::optional<std::uint64_t> seconds_left(const engine::Member& member) {
    if (member.expires == 0) return std::nullopt;
    const std::uint64_t now = engine::monotonic_now();
    return member.expires <= now ? 1 : (member.expires - now) / 1'000'000'000 + 1;
}

std::string duration_or_ever(std::chrono::seconds time) {
    return time.count() == 0 ? "for ever" : "for " + format_duration(time);
}

Json to_json(const engine::SetView& view) {
    Json entry{{"name", view.name}, {"kind", view.kind}, {"members", view.members}};
    if (!view.file.empty()) entry["file"] = view.file;
    if (view.kind != "dynamic") return entry;
    entry["size"] = view.size;
    entry["timeout"] = view.timeout.count() == 0 ? Json(nullptr) : Json(view.timeout.count());
    entry["banned_by_rules"] = view.banned;
    entry["replaced"] = view.replaced;
    entry["refused"] = view.refused;
    entry["bytes"] = view.bytes;
    return entry;
}

Result<Exit> list_sets(const Globals& globals) {
    auto sets = engine::list_sets();
    if (!sets) return tl::unexpected(sets.error());
    if (globals.json) {
        Json all = Json::array();
        for (const engine::SetView& view : *sets) all.push_back(to_json(view));
        print_json({{"sets", all}});
        return Exit::kDone;
    }
    Table table({{"NAME"},
                 {"KIND"},
                 {"MEMBERS", true},
                 {"SIZE", true},
                 {"TIMEOUT", true},
                 {"BY RULES", true},
                 {"REPLACED", true},
                 {"REFUSED", true}});
    for (const engine::SetView& view : *sets) {
        if (view.kind == "dynamic")
            table.add({view.name, view.kind, with_commas(view.members), with_commas(view.size),
                       view.timeout.count() == 0 ? "-" : format_duration(view.timeout),
                       with_commas(view.banned), with_commas(view.replaced), with_commas(view.refused)});
        else
            table.add({view.name, view.kind, with_commas(view.members), "-", "-", "-", "-", "-"});
    }
    table.print(globals);
    return Exit::kDone;
}

Result<Exit> show_set(const std::string& name, const Globals& globals) {
    auto contents = engine::show_set(name);
    if (!contents) return tl::unexpected(contents.error());
    std::string out;
    for (const engine::Member& member : contents->members) {
        const std::string address = policy::format_prefix(member.prefix);
        const auto left = seconds_left(member);
        if (globals.json)
            out += Json{{"schema", 1},
                        {"set", name},
                        {"member", address},
                        {"seconds_left", left ? Json(*left) : Json()}}
                       .dump() +
                   "\n";
        else if (left)
            out += fmt::format("{:<18} {}\n", address, format_duration(std::chrono::seconds(*left)));
        else
            out += address + "\n";
    }
    fmt::print("{}", out);
    return Exit::kDone;
}

// The members of a list, one in a line, into the request; is_timed: with their times.
Status read_list(engine::SetRequest& request, const std::string& path, bool is_timed,
                 const Globals& globals) {
    auto text = policy::DiskReader().read(path);
    if (!text) return fail(fmt::format("cannot read {}: {}", path, text.error().message));
    Diagnostics diagnostics({{path, std::move(*text)}});
    if (is_timed) {
        for (const policy::TimedPrefix& entry : policy::read_timed_feed_lines(diagnostics, 0)) {
            request.members.push_back(entry.prefix);
            request.times.push_back(entry.lasts);
        }
    } else {
        request.members = policy::read_feed_lines(diagnostics, 0);
    }
    std::string said = diagnostics.render();
    if (!said.empty()) said.pop_back();
    if (diagnostics.errors() > 0) return fail("nothing was changed:\n" + said, Exit::kUsage);
    if (!said.empty()) print_note(said, globals);
    return {};
}

Status read_words(engine::SetRequest& request, const std::vector<std::string>& words) {
    std::string wrong;
    for (const std::string& word : words) {
        if (word == "-") return fail("- stands alone: the members come from standard input", Exit::kUsage);
        if (auto read = policy::append_prefixes(request.members, word); !read)
            wrong += (wrong.empty() ? "" : "\n") + read.error().message;
    }
    return wrong.empty() ? Status{} : fail(wrong, Exit::kUsage);
}

Json outcome_json(const engine::SetRequest& request, const engine::SetOutcome& outcome) {
    const engine::EditCounts& counts = outcome.counts;
    Json entry{{"set", request.set}};
    switch (request.edit) {
        case SetEdit::kAdd:
            entry.update({{"added", counts.done},
                          {"prolonged", counts.prolonged},
                          {"unchanged", counts.unchanged},
                          {"replaced", counts.replaced},
                          {"refused", counts.refused}});
            break;
        case SetEdit::kRemove:
            entry.update(
                {{"removed", counts.done}, {"unchanged", counts.unchanged}, {"covered", Json::array()}});
            for (const engine::StillCovered& one : outcome.covered)
                entry["covered"].push_back(
                    {{"member", policy::format_prefix(one.member)}, {"by", policy::format_prefix(one.by)}});
            break;
        case SetEdit::kReplace:
            entry["members"] = counts.done;
            break;
        case SetEdit::kFlush:
            entry["removed"] = counts.done;
            break;
    }
    entry["dry_run"] = request.dry_run;
    return entry;
}

// "3 added for 1h, 1 was there already"
std::string outcome_text(const engine::SetRequest& request, const engine::SetOutcome& outcome) {
    const engine::EditCounts& counts = outcome.counts;
    std::vector<std::string> parts;
    const auto add = [&](std::size_t count, std::string_view words, bool always = false) {
        if (count > 0 || always) parts.push_back(fmt::format("{} {}", with_commas(count), words));
    };
    switch (request.edit) {
        case SetEdit::kAdd: {
            const std::string lasts =
                request.times.empty() ? duration_or_ever(outcome.lasts) : "for as long as listed";
            add(counts.done, "added " + lasts, counts.prolonged + counts.unchanged == 0);
            add(counts.prolonged, "prolonged, " + lasts + (request.times.empty() ? " from now" : ""));
            add(counts.unchanged, "there already for as long");
            add(counts.replaced, "in place of others, as the set is full");
            add(counts.refused, "refused");
            break;
        }
        case SetEdit::kRemove:
            add(counts.done, "removed", counts.unchanged == 0);
            add(counts.unchanged, "not there");
            break;
        case SetEdit::kReplace:
            parts.push_back(fmt::format("holds the {} of the list now", with_commas(counts.done)));
            break;
        case SetEdit::kFlush:
            add(counts.done, "removed", true);
            break;
    }
    return join(parts, ", ");
}

std::string subject_of(const engine::SetRequest& request) {
    if (request.members.empty() || request.members.size() > kNamed || request.edit == SetEdit::kReplace ||
        request.edit == SetEdit::kFlush)
        return request.set;
    std::vector<std::string> names;
    for (const policy::Prefix& member : request.members) names.push_back(policy::format_prefix(member));
    return fmt::format("{}: {}", request.set, join(names, ", "));
}

// What was refused, and for want of which room.
Result<Exit> refused(const engine::SetRequest& request, const engine::SetOutcome& outcome) {
    const engine::EditCounts& counts = outcome.counts;
    if (counts.refused == 0) return Exit::kDone;
    std::string said =
        fmt::format("of {} members {} found no room in the set \"{}\"", with_commas(request.members.size()),
                    with_commas(counts.refused), request.set);
    if (counts.refused > counts.crowded)
        said += fmt::format("; its size is {}, and it is full", with_commas(outcome.size));
    if (counts.crowded > 0)
        said += fmt::format("; all dynamic sets together may have {} blocks, and have them",
                            with_commas(outcome.blocks_limit));
    return fail(said, counts.refused == request.members.size() ? Exit::kFailed : Exit::kInPart);
}

Result<Exit> edit(const engine::SetRequest& request, const Globals& globals) {
    auto outcome = engine::edit_set(request);
    if (!outcome) return tl::unexpected(outcome.error());
    if (globals.json)
        print_json(outcome_json(request, *outcome));
    else
        fmt::print("{}: {}{}\n", subject_of(request), outcome_text(request, *outcome),
                   dry_run_suffix(globals));
    for (const engine::StillCovered& one : outcome->covered)
        print_note(fmt::format("  note: {} stays in the set, by its block {}",
                               policy::format_prefix(one.member), policy::format_prefix(one.by)),
                   globals);
    return refused(request, *outcome);
}

// Zero: for ever, whatever the set says.
Result<std::chrono::seconds> read_time(const std::string& word) {
    if (word == "ever") return std::chrono::seconds(0);
    auto duration = parse_duration(word);
    if (!duration)
        return fail(fmt::format("--for: {}; or ever, or listed", duration.error().message), Exit::kUsage);
    return duration;
}

// The members that the command names, or those of the list.
Status read_members(engine::SetRequest& request, const SetOptions& options, const Globals& globals) {
    const bool is_timed = options.lasts == kListed;
    if (request.edit == SetEdit::kReplace) {
        if (auto read = read_list(request, options.file, is_timed, globals); !read) return read;
        // Whatever was to make the list has failed, more often than not.
        if (request.members.empty())
            return fail("the list is empty; to empty the set: fwctl set flush " + request.set, Exit::kUsage);
        return {};
    }
    if (options.words == std::vector<std::string>{"-"}) return read_list(request, "-", is_timed, globals);
    if (is_timed) return fail("--for listed needs a list, from a file or from standard input", Exit::kUsage);
    return read_words(request, options.words);
}

Result<Exit> edit(SetEdit what, const SetOptions& options, bool is_ban, const Globals& globals) {
    engine::SetRequest request;
    request.edit = what;
    request.set = options.set;
    request.is_ban = is_ban;
    request.dry_run = globals.dry_run;
    if (!options.lasts.empty() && options.lasts != kListed) {
        auto lasts = read_time(options.lasts);
        if (!lasts) return tl::unexpected(lasts.error());
        request.lasts = *lasts;
    }
    if (what != SetEdit::kFlush)
        if (auto read = read_members(request, options, globals); !read) return tl::unexpected(read.error());
    return edit(request, globals);
}

CLI::App* add_edit(CLI::App& app, Command& command, const char* name, const char* help, SetEdit what,
                   const std::shared_ptr<SetOptions>& options, bool is_ban) {
    CLI::App* verb = app.add_subcommand(name, help);
    verb->callback([options, what, is_ban, &command] {
        command.run = [options, what, is_ban, &command] {
            return edit(what, *options, is_ban, command.globals);
        };
    });
    return verb;
}

// With or without the @ that it has in rules.
CLI::Option* take_name(CLI::App* verb, const char* name, const char* help, SetOptions& options) {
    const auto keep = [&options](const std::string& word) {
        options.set = word.starts_with("@") ? word.substr(1) : word;
    };
    return verb->add_option_function<std::string>(name, keep, help)->option_text("SET");
}

void take_set(CLI::App* verb, SetOptions& options) {
    take_name(verb, "set", "Its name", options)->required();
}

void take_members(CLI::App* verb, SetOptions& options) {
    verb->add_option("member", options.words,
                     "Addresses, blocks or ranges; - alone: from standard input, one in a line")
        ->required()
        ->option_text("ADDRESS...");
}

void take_time(CLI::App* verb, SetOptions& options) {
    verb->add_option("--for", options.lasts,
                     "How long: 90s, 10m, 1h30m, 2d, ever; listed: as each line of the list says; else as "
                     "long as the set says")
        ->option_text("TIME");
}

}  // namespace

void add_set(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("set", "List and show sets, edit the dynamic ones");
    verb->require_subcommand(1);
    verb->add_subcommand("list", "All sets of the running policy, and how many members they have")
        ->callback([&command] { command.run = [&command] { return list_sets(command.globals); }; });

    auto shown = std::make_shared<SetOptions>();
    CLI::App* show_verb =
        verb->add_subcommand("show", "The members of a set, and the time that is left to each");
    take_set(show_verb, *shown);
    show_verb->callback([shown, &command] {
        command.run = [shown, &command] { return show_set(shown->set, command.globals); };
    });

    auto added = std::make_shared<SetOptions>();
    CLI::App* add_verb =
        add_edit(*verb, command, "add",
                 "Put members into a dynamic set; those that are there stay longer, never shorter",
                 SetEdit::kAdd, added, false);
    take_set(add_verb, *added);
    take_members(add_verb, *added);
    take_time(add_verb, *added);

    auto removed = std::make_shared<SetOptions>();
    CLI::App* del_verb = add_edit(*verb, command, "del", "Take members out of a dynamic set",
                                  SetEdit::kRemove, removed, false);
    take_set(del_verb, *removed);
    take_members(del_verb, *removed);

    auto replaced = std::make_shared<SetOptions>();
    CLI::App* replace_verb = add_edit(*verb, command, "replace",
                                      "Exchange all members of a dynamic set at once for those of a list",
                                      SetEdit::kReplace, replaced, false);
    take_set(replace_verb, *replaced);
    replace_verb
        ->add_option("file", replaced->file,
                     "The list, an address or a block in a line; - for standard input")
        ->required()
        ->option_text("FILE");
    take_time(replace_verb, *replaced);

    auto flushed = std::make_shared<SetOptions>();
    take_set(add_edit(*verb, command, "flush", "Take all members out of a dynamic set", SetEdit::kFlush,
                      flushed, false),
             *flushed);
}

void add_bans(CLI::App& app, Command& command) {
    constexpr const char* kWhich = "The set; without it: banned";
    auto banned = std::make_shared<SetOptions>();
    CLI::App* ban = add_edit(app, command, "ban", "Put addresses into the set of those that are banned",
                             SetEdit::kAdd, banned, true);
    take_members(ban, *banned);
    take_time(ban, *banned);
    take_name(ban, "--set", kWhich, *banned);

    auto freed = std::make_shared<SetOptions>();
    CLI::App* unban =
        add_edit(app, command, "unban", "Take addresses out of that set", SetEdit::kRemove, freed, true);
    take_members(unban, *freed);
    take_name(unban, "--set", kWhich, *freed);
}

}  // namespace fwctl::cli
