#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/show.h"
#include "engine/session.h"
#include "engine/status.h"
#include "engine/verdict.h"
#include "observe/rates.h"
#include "policy/builtin.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

struct Sums {
    std::uint64_t passed = 0;
    std::uint64_t dropped = 0;
};

Sums sums_of(const engine::AttachmentStatus& status) {
    Sums sums;
    for (const fw_counters& counters : status.counters)
        for (std::uint8_t reason = 0; reason < FW_REASON_COUNT; ++reason)
            (engine::reason_of(reason).verdict == FW_DROP ? sums.dropped : sums.passed) +=
                counters.by_reason[reason].packets;
    return sums;
}

std::string program_ids(const engine::AttachmentStatus& status) {
    std::vector<std::string> ids;
    for (const engine::HookState& hook : status.hooks)
        for (const std::uint32_t id : hook.program_ids)
            ids.push_back(fmt::format("{}={}", engine::hook_name(hook.hook), id));
    return join(ids, " ");
}

std::string describe_rules(const engine::Overview& overview) {
    const auto plural = [](std::size_t count) { return count == 1 ? "" : "s"; };
    std::string text = fmt::format("{} live rule{}, {} built-in ones", overview.live_rules,
                                   plural(overview.live_rules), policy::builtin_rules().size());
    if (!overview.policy.empty()) text += fmt::format(", {} of {}", overview.policy_rules, overview.policy);
    return text + "; " + describe_defaults(overview.defaults);
}

const char* describe_trouble(engine::ServiceHealth health) {
    switch (health) {
        case engine::ServiceHealth::kPanic:
            return "; used all the same, as too few are up (panic)";
        case engine::ServiceHealth::kFallback:
            return "; fallback backends take their place";
        case engine::ServiceHealth::kNone:
            return "; nobody is left";
        case engine::ServiceHealth::kNormal:
        case engine::ServiceHealth::kUnchecked:
            break;
    }
    return "";
}

Json trouble_json(const engine::Overview& overview) {
    Json all = Json::array();
    for (const engine::TroubledService& one : overview.troubled)
        all.push_back(
            {{"vip", one.name}, {"health", engine::health_name(one.health)}, {"failing", one.failing}});
    return all;
}

// By the name of the attachment; empty: nobody watches.
using InterfaceRates = std::map<std::string, observe::InterfaceRates>;

std::vector<std::string> rate_cells(const InterfaceRates& rates, const std::string& name) {
    const auto found = rates.find(name);
    if (found == rates.end()) return {"", ""};
    return {rate_text(found->second.passed()), rate_text(found->second.dropped())};
}

void print_table(const engine::Overview& overview, const std::vector<std::string>& wanted,
                 const InterfaceRates& rates, const Globals& globals) {
    std::vector<Table::Column> columns = {
        {"INTERFACE"}, {"IN"}, {"OUT"}, {"PASSED", true}, {"DROPPED", true}};
    if (!rates.empty()) {
        columns.push_back({"PASSED/S", true});
        columns.push_back({"DROPPED/S", true});
    }
    if (globals.wide) columns.push_back({"PROGRAMS"});
    Table table(std::move(columns));
    for (const engine::AttachmentStatus& one : overview.attachments) {
        if (!one.is_one_of(wanted)) continue;
        const Sums sums = sums_of(one);
        std::vector<std::string> cells = {one.attachment.name(), describe_filter(one, FW_IN),
                                          describe_filter(one, FW_OUT), with_commas(sums.passed),
                                          with_commas(sums.dropped)};
        if (!rates.empty())
            for (std::string& cell : rate_cells(rates, one.attachment.name()))
                cells.push_back(std::move(cell));
        if (globals.wide) cells.push_back(program_ids(one));
        table.add(std::move(cells));
    }
    table.print(globals);
}

void print_text(const engine::Overview& overview, const std::vector<std::string>& wanted,
                const InterfaceRates& rates, const Globals& globals) {
    print_table(overview, wanted, rates, globals);
    for (const engine::AttachmentStatus& one : overview.attachments) {
        if (!one.is_one_of(wanted)) continue;
        if (!one.broken.empty())
            fmt::print("{}\n", paint(fmt::format("NOT FILTERED: {}", one.broken), Color::kRed, globals));
        for (const std::string& warning : one.warnings)
            fmt::print("{} {}: {}\n", paint("note:", Color::kYellow, globals), one.attachment.name(),
                       warning);
    }
    if (overview.leftovers != 0)
        fmt::print(
            "{} a command did not finish; the next attach, detach, allow, deny or reject cleans up after "
            "it\n",
            paint("note:", Color::kYellow, globals));
    if (overview.trial)
        fmt::print(
            "{} the policy is on trial for another {}: fwctl confirm keeps it, fwctl rollback ends it\n",
            paint("note:", Color::kYellow, globals), format_duration(*overview.trial));
    for (const engine::TroubledService& one : overview.troubled)
        fmt::print("{} vip {}: {} down{}\n", paint("note:", Color::kYellow, globals), one.name,
                   join(one.failing, ", "), describe_trouble(one.health));
    fmt::print("{}\n", describe_rules(overview));
}

Json status_json(const engine::Overview& overview, const std::vector<std::string>& wanted,
                 const InterfaceRates& rates) {
    Json list = Json::array();
    for (const engine::AttachmentStatus& one : overview.attachments) {
        if (!one.is_one_of(wanted)) continue;
        Json entry = attachment_json(one);
        if (const auto found = rates.find(one.attachment.name()); found != rates.end())
            entry["packets_per_second"] = {{"passed", found->second.passed()},
                                           {"dropped", found->second.dropped()}};
        list.push_back(std::move(entry));
    }
    return {{"generation", overview.generation},
            {"live_rules", overview.live_rules},
            {"policy", overview.policy.empty() ? Json(nullptr) : Json(overview.policy)},
            {"policy_rules", overview.policy_rules},
            {"default",
             {{"in", policy::action_name(overview.defaults.in)},
              {"out", policy::action_name(overview.defaults.out)}}},
            {"trial_seconds_left", overview.trial ? Json(overview.trial->count()) : Json(nullptr)},
            {"failing", trouble_json(overview)},
            {"attachments", list}};
}

Result<engine::Overview> look(const std::vector<std::string>& wanted,
                              Result<std::optional<engine::Overview>> overview) {
    if (!overview) return tl::unexpected(overview.error());
    if (!*overview) return engine::nothing_attached();
    const auto& all = (*overview)->attachments;
    if (!wanted.empty() &&
        std::none_of(all.begin(), all.end(), [&](const auto& one) { return one.is_one_of(wanted); }))
        return fail(fmt::format("{} is not attached", join(wanted, ", ")), Exit::kNotAttached);
    return std::move(**overview);
}

Result<Exit> run_status(const std::vector<std::string>& wanted, const Globals& globals) {
    auto overview = look(wanted, engine::read_status());
    if (!overview) {
        if (globals.json && wanted.empty() && overview.error().exit == Exit::kNotAttached)
            print_json({{"attachments", Json::array()}});
        return tl::unexpected(overview.error());
    }
    if (globals.json)
        print_json(status_json(*overview, wanted, {}));
    else
        print_text(*overview, wanted, {}, globals);
    const bool broken =
        std::any_of(overview->attachments.begin(), overview->attachments.end(),
                    [&](const auto& one) { return one.is_one_of(wanted) && !one.broken.empty(); });
    return broken ? Exit::kNotAttached : Exit::kDone;
}

InterfaceRates by_name(const observe::Counts& counts, const observe::Rates& rates) {
    InterfaceRates all;
    for (std::size_t i = 0; i < counts.interfaces.size(); ++i)
        all[counts.interfaces[i].name] = rates.interfaces[i];
    return all;
}

// In place on a terminal, behind each other elsewhere; an object a line as JSON.
Result<Exit> watch_status(const std::vector<std::string>& wanted, const Globals& globals) {
    const bool in_place = !globals.json && isatty(STDOUT_FILENO) != 0;
    std::setvbuf(stdout, nullptr, _IOFBF, std::size_t{1} << 16);  // a picture is written at once
    end_when_interrupted(OnSignal::kEndsAtSecond);
    observe::CountReader reader;
    std::optional<observe::Counts> before;
    while (times_interrupted() == 0) {
        // It is not to stand still while somebody applies a policy.
        auto overview = look(wanted, engine::peek_status());
        if (!overview) return tl::unexpected(overview.error());
        auto counts = reader.read(observe::kInterfacesAlone);
        if (!counts) return tl::unexpected(counts.error());
        const InterfaceRates rates =
            by_name(*counts, observe::rates_between(before ? *before : *counts, *counts));
        if (in_place) fmt::print("\033[H\033[J");
        if (globals.json)
            print_json_line(status_json(*overview, wanted, rates));
        else
            print_text(*overview, wanted, rates, globals);
        if (!in_place && !globals.json) fmt::print("\n");
        if (std::fflush(stdout) != 0) return fail(fmt::format("cannot write: {}", strerror(errno)));
        before = std::move(*counts);
        pause_unless_interrupted(std::chrono::seconds(1));
    }
    return Exit::kDone;
}

}  // namespace

std::string describe_filter(const engine::AttachmentStatus& status, fw_direction direction) {
    const engine::HookState* judge = status.judge_of(direction);
    if (judge == nullptr) return engine::hook_for(status.attachment, direction) != 0 ? "MISSING" : "nothing";
    if (judge->hook == FW_HOOK_XDP)
        return fmt::format("XDP {}, {}", kernel::mode_name(judge->mode), judge->shared ? "shared" : "alone");
    return judge->by_link ? "TC (tcx)" : "TC (clsact)";
}

std::string describe_defaults(const policy::Defaults& defaults) {
    const auto words = [](policy::Action action) {
        return action == policy::Action::kDeny ? "is dropped" : "passes";
    };
    if (defaults.in == defaults.out) return fmt::format("what no rule names {}", words(defaults.in));
    return fmt::format("what no rule names {} in and {} out", words(defaults.in), words(defaults.out));
}

Json attachment_json(const engine::AttachmentStatus& status) {
    Json hooks = Json::array();
    for (const engine::HookState& hook : status.hooks) {
        Json entry{{"hook", engine::hook_name(hook.hook)},
                   {"present", hook.present()},
                   {"program_id", hook.present() ? Json(hook.program_ids.back()) : Json(nullptr)}};
        if (hook.hook == FW_HOOK_XDP) {
            entry["mode"] = kernel::mode_name(hook.mode);
            entry["shared"] = hook.shared;
        } else {
            entry["via"] = hook.by_link ? "tcx" : "clsact";
        }
        hooks.push_back(entry);
    }
    const Sums sums = sums_of(status);
    Json entry{{"interface", status.attachment.name()},
               {"ifindex", status.attachment.ifindex()},
               {"hooks", hooks},
               {"packets", {{"passed", sums.passed}, {"dropped", sums.dropped}}},
               {"warnings", status.warnings}};
    entry["broken"] = status.broken.empty() ? Json(nullptr) : Json(status.broken);
    return entry;
}

void add_status(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("status", "Show what is attached where, and what it cannot see");
    auto wanted = std::make_shared<std::vector<std::string>>();
    verb->add_option("interface", *wanted, "Only these; * and ? are wildcards")->option_text("IF...");
    auto watches = std::make_shared<bool>(false);
    verb->add_flag("-w,--watch", *watches, "Show it again every second, with rates, until Ctrl-C");
    verb->callback([wanted, watches, &command] {
        command.run = [wanted, watches, &command] {
            return *watches ? watch_status(*wanted, command.globals) : run_status(*wanted, command.globals);
        };
    });
}

}  // namespace fwctl::cli
