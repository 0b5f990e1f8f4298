#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "cli/command.h"
#include "cli/ends_show.h"
#include "cli/output.h"
#include "cli/vip_show.h"
#include "engine/flows.h"
#include "policy/command.h"

namespace fwctl::cli {
namespace {

struct FlowOptions {
    std::vector<std::string> words;
    std::string vip;
};

// What a rule says of a packet and a flow does not have.
constexpr std::array<std::string_view, 3> kNotOfFlows = {"on", "in", "out"};

// Without services: those of every one.
Result<policy::Rule> filter_of(std::vector<std::string> words) {
    for (const std::string& word : words) {
        const bool has_set = word.find('@') != std::string::npos;
        if (has_set || std::find(kNotOfFlows.begin(), kNotOfFlows.end(), word) != kNotOfFlows.end())
            return fail(fmt::format("a filter of flows has no \"{}\"; it takes services (tcp/22, udp, icmp), "
                                    "from and to with addresses or prefixes",
                                    word),
                        Exit::kUsage);
    }
    return policy::parse_filter_words(std::move(words));
}

void print_text(const engine::FlowTable& table, const Globals& globals) {
    Table rows({{"PROTOCOL"}, {"FROM"}, {"TO"}, {"STATE"}, {"CONFIRMED"}, {"LEFT", true}});
    for (const engine::FlowView& flow : table.flows)
        rows.add({protocol_text(flow.opener.protocol),
                  end_text(flow.opener, flow.opener.source, flow.opener.source_port),
                  end_text(flow.opener, flow.opener.destination, flow.opener.selector),
                  std::string(flow.state), flow.is_confirmed ? "yes" : "no", format_duration(flow.left)});
    rows.print(globals);
}

void print_as_json(const engine::FlowTable& table) {
    Json flows = Json::array();
    for (const engine::FlowView& flow : table.flows) {
        Json one = ends_json(flow.opener);
        one["state"] = flow.state;
        one["confirmed"] = flow.is_confirmed;
        one["seconds_left"] = flow.left.count();
        flows.push_back(std::move(one));
    }
    print_json({{"flows", std::move(flows)}});
}

Result<Exit> list_flows(const FlowOptions& options, const Globals& globals) {
    if (!options.vip.empty() && !options.words.empty())
        return fail("--service stands alone: the table of a service's flows knows no addresses",
                    Exit::kUsage);
    if (!options.vip.empty()) return list_placed(options.vip, globals);
    auto filter = filter_of(options.words);
    if (!filter) return tl::unexpected(filter.error());
    auto table = engine::list_flows(*filter);
    if (!table) return tl::unexpected(table.error());
    if (globals.json)
        print_as_json(*table);
    else
        print_text(*table, globals);
    return Exit::kDone;
}

Result<Exit> show_conntrack(const Globals& globals) {
    auto table = engine::list_flows(*filter_of({}));
    if (!table) return tl::unexpected(table.error());
    std::size_t confirmed = 0;
    for (const engine::FlowView& flow : table->flows) confirmed += flow.is_confirmed ? 1 : 0;
    const fw_flow_counts& counts = table->counts;
    if (globals.json) {
        print_json({{"room", table->room},
                    {"confirmed", confirmed},
                    {"new", table->flows.size() - confirmed},
                    {"counts",
                     {{"opened", counts.opened},
                      {"confirmed", counts.confirmed},
                      {"displaced", counts.displaced},
                      {"crowded", counts.crowded},
                      {"busy", counts.busy}}}});
        return Exit::kDone;
    }
    if (table->room == 0) {
        fmt::print("no rule asks for the state of flows, so none is followed\n");
        return Exit::kDone;
    }
    fmt::print("{} confirmed flows of at most {}, {} new ones\n", with_commas(confirmed),
               with_commas(table->room), with_commas(table->flows.size() - confirmed));
    Table rows({{"SINCE FLOWS ARE FOLLOWED"}, {"", true}});
    rows.add({"flows opened", with_commas(counts.opened)});
    rows.add({"confirmed", with_commas(counts.confirmed)});
    rows.add({"new ones that newer ones pushed out", with_commas(counts.displaced)});
    rows.add({"packets of flows that found no room among the confirmed", with_commas(counts.crowded)});
    rows.add({"packets that did not get their bucket's lock", with_commas(counts.busy)});
    rows.print(globals);
    return Exit::kDone;
}

Result<Exit> flush(const FlowOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    auto filter = filter_of(options.words);
    if (!filter) return tl::unexpected(filter.error());
    auto flushed = engine::flush_flows(*filter);
    if (!flushed) return tl::unexpected(flushed.error());
    if (globals.json)
        print_json({{"flushed", *flushed}});
    else
        fmt::print("flows forgotten: {}\n", with_commas(*flushed));
    return Exit::kDone;
}

void add_filter(CLI::App* verb, const std::shared_ptr<FlowOptions>& options) {
    verb->add_option(
            "filter", options->words,
            "Flows whose first packet is so: services (tcp/22, udp, icmp), from A, to A; without it: all")
        ->option_text("[SERVICE...] [from A] [to A]");
}

}  // namespace

void add_conntrack(CLI::App& app, Command& command) {
    CLI::App* conntrack = app.add_subcommand("conntrack", "The flows that are followed");
    conntrack->require_subcommand(1);
    auto options = std::make_shared<FlowOptions>();
    CLI::App* verb = conntrack->add_subcommand("list", "The flows, as their first packets were");
    add_filter(verb, options);
    verb->add_option("--service", options->vip,
                     "Instead, how many flows of a balanced service are placed on each of its backends")
        ->option_text("VIP");
    verb->callback([options, &command] {
        command.run = [options, &command] { return list_flows(*options, command.globals); };
    });
    verb = conntrack->add_subcommand("show", "How full the table is, and what became of flows");
    verb->callback([&command] { command.run = [&command] { return show_conntrack(command.globals); }; });
    verb = conntrack->add_subcommand("flush", "Forget flows; their next packets are new");
    add_filter(verb, options);
    verb->callback([options, &command] {
        command.run = [options, &command] { return flush(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
