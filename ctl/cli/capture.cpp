#include "observe/capture.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/reason_words.h"

namespace fwctl::cli {
namespace {

using observe::Capture;
using observe::PacketFilter;

struct CaptureOptions {
    std::string path;
    bool is_dropped = false;
    std::string verdict = "any";
    std::string point = "before";
    std::uint64_t count = 0;
    std::uint32_t snaplen = FW_MAX_CAPTURED;
    std::vector<std::string> filter;
};

const std::map<std::string, std::uint32_t>& points() {
    static const std::map<std::string, std::uint32_t> all{
        {"before", FW_BEFORE}, {"after", FW_AFTER}, {"both", FW_BEFORE | FW_AFTER}};
    return all;
}

observe::CaptureWish wish_of(const CaptureOptions& options) {
    return {.reasons = bits_of_verdicts().at(options.is_dropped ? "drop" : options.verdict),
            .points = points().at(options.point),
            .snaplen = options.snaplen,
            .count = options.count,
            .application = "fwctl " FWCTL_VERSION};
}

void tell_left_out(const Capture& capture, const Globals& globals) {
    for (const fw_link link : {FW_LINK_ETHERNET, FW_LINK_IP}) {
        const std::string& why = capture.filter().misfit(link);
        if (!why.empty() && capture.has_link(link))
            print_note(fmt::format("interfaces {} Ethernet are left out: {}",
                                   link == FW_LINK_ETHERNET ? "with" : "without", why),
                       globals);
    }
}

// On standard error whatever --quiet says, as it is about what the file lacks.
void tell_lost(Capture& capture, const std::string& path) {
    if (capture.lost() != 0)
        fmt::print(stderr,
                   "fwctl: note: {} packets are not in {}: they came faster than they could be written; "
                   "--verdict or a smaller -s takes less\n",
                   with_commas(capture.lost()), path == "-" ? "the capture" : path);
    if (capture.stood_still())
        fmt::print(stderr, "fwctl: note: this process stood still: packets of that time are missing\n");
}

Status write_all(Capture& capture) {
    constexpr std::chrono::milliseconds kPause(500);
    while (times_interrupted() == 0 && !capture.is_done())
        if (auto written = capture.write_some(kPause); !written) return written;
    // What was decided before it was asked to end.
    return capture.is_done() ? Status{} : capture.write_some(std::chrono::milliseconds(0));
}

Result<Exit> capture(const CaptureOptions& options, const Globals& globals) {
    if (auto real = refuse_dry_run(globals); !real) return tl::unexpected(real.error());
    if (globals.json) return fail("a capture is pcapng, not JSON; see: fwctl monitor --json", Exit::kUsage);
    auto filter = PacketFilter::compile(join(options.filter, " "));
    if (!filter) return tl::unexpected(filter.error());
    end_when_interrupted(OnSignal::kInterruptsWriting);
    auto started = Capture::start(wish_of(options), std::move(*filter), options.path,
                                  [] { return times_interrupted() > 1; });
    if (!started) return tl::unexpected(started.error());
    tell_left_out(*started, globals);
    print_note("capturing; Ctrl-C ends it", globals);
    const auto written = write_all(*started);
    const auto finished = started->finish();
    tell_lost(*started, options.path);
    print_note(fmt::format("{} {} captured", with_commas(started->written()),
                           started->written() == 1 ? "packet" : "packets"),
               globals);
    if (!written) return tl::unexpected(written.error());
    if (!finished) return tl::unexpected(finished.error());
    return Exit::kDone;
}

}  // namespace

void add_capture(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("capture", "Write packets to a file, with what was decided of each");
    auto options = std::make_shared<CaptureOptions>();
    verb->add_option("-w,--write", options->path, "To this file, as pcapng; -: to the standard output")
        ->required()
        ->option_text("FILE|-");
    auto* dropped = verb->add_flag("--dropped", options->is_dropped, "Packets that are dropped");
    verb->add_option("--verdict", options->verdict, "Packets with this one; without it all")
        ->check(CLI::IsMember(names_of(bits_of_verdicts())))
        ->option_text("pass|drop|redirect|any")
        ->excludes(dropped);
    verb->add_option("--point", options->point,
                     "As they came; as they leave, where fwctl changes them or sends them on; or both")
        ->check(CLI::IsMember(points()))
        ->option_text("before|after|both");
    verb->add_option("-c,--count", options->count, "End after so many packets")
        ->check(how_many())
        ->option_text("N");
    verb->add_option("-s,--snaplen", options->snaplen, "Of each packet so many bytes; without it 65,535")
        ->check(CLI::Range(1U, static_cast<unsigned>(FW_MAX_CAPTURED)))
        ->option_text("BYTES");
    verb->add_option("filter", options->filter, "Packets that are so, as tcpdump says it; without it all")
        ->option_text("[FILTER]");
    verb->callback([options, &command] {
        command.run = [options, &command] { return capture(*options, command.globals); };
    });
}

}  // namespace fwctl::cli
