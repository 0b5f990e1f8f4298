// import: rules of other tools as a policy on stdout.
#include "import/import.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "cli/output.h"
#include "policy/file_reader.h"

namespace fwctl::cli {
namespace {

struct ImportOptions {
    std::string file;
    std::string family;
};

using Translate = Result<importer::Imported> (*)(std::string_view text, std::string_view file_name,
                                                 const ImportOptions& options);

Result<importer::Imported> from_iptables(std::string_view text, std::string_view file_name,
                                         const ImportOptions& options) {
    importer::Options translating;
    if (!options.family.empty())
        translating.family = options.family == "ipv6" ? policy::Family::kIpv6 : policy::Family::kIpv4;
    return importer::import_iptables(text, file_name, translating);
}

Result<importer::Imported> from_nft(std::string_view text, std::string_view file_name, const ImportOptions&) {
    return importer::import_nft(text, file_name);
}

Result<importer::Imported> from_ipset(std::string_view text, std::string_view file_name,
                                      const ImportOptions&) {
    return importer::import_ipset(text, file_name);
}

Result<Exit> run_import(Translate translate, const ImportOptions& options, const Globals& globals) {
    const std::string name = options.file == "-" ? "<stdin>" : options.file;
    const auto text = policy::DiskReader().read(options.file);
    if (!text) return context(name, text.error());
    const auto imported = translate(*text, name, options);
    if (!imported) return tl::unexpected(imported.error());
    if (globals.json)
        print_json({{"file", options.file},
                    {"translated", imported->translated},
                    {"left_out", imported->left_out},
                    {"policy", imported->toml}});
    else
        fmt::print("{}", imported->toml);
    if (imported->left_out == 0) return Exit::kDone;
    print_note(fmt::format("{}: {} translated, {} left out: the comments say why", name, imported->translated,
                           imported->left_out),
               globals);
    return Exit::kInPart;
}

void add_source(CLI::App& import, Command& command, const std::string& name, const std::string& what,
                Translate translate) {
    CLI::App* verb = import.add_subcommand(name, what);
    auto options = std::make_shared<ImportOptions>();
    verb->add_option("file", options->file, "What it printed; - is the standard input")
        ->required()
        ->option_text("FILE");
    if (translate == from_iptables)
        verb->add_option("--family", options->family,
                         "Of the rules, where neither the first line nor an address tells: ipv4 or ipv6")
            ->check(CLI::IsMember({"ipv4", "ipv6"}))
            ->option_text("VERSION");
    verb->callback([options, translate, &command] {
        command.needs_privilege = false;
        command.run = [options, translate, &command] {
            return run_import(translate, *options, command.globals);
        };
    });
}

}  // namespace

void add_import(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("import", "Print the rules of another tool as a policy");
    verb->require_subcommand(1);
    add_source(*verb, command, "iptables-save", "What iptables-save or ip6tables-save printed",
               from_iptables);
    add_source(*verb, command, "nft", "What nft list ruleset printed, with or without -j", from_nft);
    add_source(*verb, command, "ipset", "What ipset save printed: sets", from_ipset);
}

}  // namespace fwctl::cli
