#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/output.h"
#include "engine/agent_lock.h"
#include "engine/choose.h"
#include "engine/findings.h"
#include "engine/status.h"
#include "kernel/bpffs.h"
#include "kernel/probe.h"
#include "kernel/xdp.h"
#include "net/interface.h"

namespace fwctl::cli {
namespace {

enum class Verdict { kGood, kNote, kBad };

struct Finding {
    Verdict verdict = Verdict::kGood;
    std::string what;
};

const char* verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::kGood:
            return "ok";
        case Verdict::kNote:
            return "note";
        case Verdict::kBad:
            return "BAD";
    }
    return "";
}

void examine_kernel(std::vector<Finding>& findings) {
    const auto missing = kernel::missing_feature();
    findings.push_back(missing
                           ? Finding{Verdict::kBad, *missing}
                           : Finding{Verdict::kGood, fmt::format("kernel {} has all that the programs need",
                                                                 kernel::kernel_release())});
    findings.push_back(kernel::jit_enabled()
                           ? Finding{Verdict::kGood, "programs are compiled (net.core.bpf_jit_enable)"}
                           : Finding{Verdict::kNote,
                                     "programs are interpreted, which is slow: sysctl "
                                     "net.core.bpf_jit_enable=1"});
    findings.push_back(
        kernel::bpffs_mounted()
            ? Finding{Verdict::kGood, fmt::format("the BPF file system is mounted at {}", kernel::kBpffs)}
            : Finding{Verdict::kNote,
                      fmt::format("no BPF file system at {}: attach mounts it", kernel::kBpffs)});
    findings.push_back(
        kernel::has_extensions()
            ? Finding{Verdict::kGood, "XDP is shared with other programs through libxdp's dispatcher"}
            : Finding{Verdict::kNote,
                      "this kernel refuses BPF extension programs: XDP is attached alone, "
                      "and another XDP program on the same interface is a conflict"});
    findings.push_back({Verdict::kGood, kernel::has_tcx()
                                            ? "TC programs are attached by links (TCX)"
                                            : "TC programs are attached as filters on clsact: this "
                                              "kernel has no TCX (Linux 6.6)"});
    findings.push_back(kernel::has_syn_cookies()
                           ? Finding{Verdict::kGood, "programs make SYN cookies: action synproxy works"}
                           : Finding{Verdict::kNote,
                                     "this kernel makes no SYN cookies for programs (CONFIG_SYN_COOKIES): "
                                     "policies with action synproxy are refused"});
}

Status examine_interface(const net::Interface& interface, std::vector<Finding>& findings) {
    const std::string& name = interface.name;
    auto xdp = kernel::query_xdp(interface.ifindex);
    if (!xdp) return tl::unexpected(xdp.error());
    for (const kernel::XdpProgram& program : xdp->programs)
        findings.push_back(
            {Verdict::kGood, fmt::format("{}: XDP program {} (id {}){}", name, program.name, program.id,
                                         xdp->dispatcher ? " in the dispatcher" : "")});
    const auto choice = engine::choose(interface, {});
    if (!choice)
        findings.push_back({Verdict::kNote, choice.error().message});
    else if (interface.kind == "bridge")
        findings.push_back(
            {Verdict::kNote,
             fmt::format("{}: a bridge has generic XDP alone, and traffic between its ports does not pass it",
                         name)});
    else if ((choice->hooks & FW_HOOK_TC_IN) != 0)
        findings.push_back({Verdict::kGood, fmt::format("{}: --mode auto filters by TC", name)});
    else
        findings.push_back(
            {Verdict::kGood, fmt::format("{}: --mode auto tries native XDP, then generic", name)});
    return {};
}

Status examine_agent(const engine::Overview& overview, std::vector<Finding>& findings) {
    auto agent = engine::running_agent();
    if (!agent) return tl::unexpected(agent.error());
    if (*agent)
        findings.push_back({Verdict::kGood, fmt::format("the agent runs: process {}", **agent)});
    else if (overview.checked != 0)
        findings.push_back({Verdict::kNote,
                            "services have health checks, and no agent runs that makes them: systemctl "
                            "start fwctl-agent, or fwctl agent"});
    return {};
}

Status examine_attachments(std::vector<Finding>& findings, bool& broken) {
    auto overview = engine::read_status();
    if (!overview) return tl::unexpected(overview.error());
    if (!*overview) return {};
    broken = (*overview)->any_broken();
    for (engine::Finding& one : engine::findings_of(**overview))
        findings.push_back({one.is_bad ? Verdict::kBad : Verdict::kNote, std::move(one.text)});
    if (auto examined = examine_agent(**overview, findings); !examined) return examined;
    if ((*overview)->leftovers != 0)
        findings.push_back(
            {Verdict::kNote,
             "a command did not finish; the next attach, detach, allow, deny or reject cleans up"});
    return {};
}

Result<Exit> run_doctor(const std::string& wanted, const Globals& globals) {
    std::vector<Finding> findings;
    bool broken = false;
    examine_kernel(findings);
    auto all = net::list_interfaces();
    if (!all) return tl::unexpected(all.error());
    if (!wanted.empty() && net::find_interface(*all, wanted) == nullptr)
        return fail(fmt::format("there is no interface \"{}\"", wanted));
    for (const net::Interface& interface : *all) {
        if (wanted.empty() ? interface.loopback : interface.name != wanted) continue;
        if (auto examined = examine_interface(interface, findings); !examined)
            return tl::unexpected(examined.error());
    }
    if (auto examined = examine_attachments(findings, broken); !examined)
        return tl::unexpected(examined.error());

    bool bad = false;
    Json list = Json::array();
    for (const Finding& finding : findings) {
        bad = bad || finding.verdict == Verdict::kBad;
        if (globals.json) {
            list.push_back({{"verdict", verdict_name(finding.verdict)}, {"text", finding.what}});
            continue;
        }
        const Color color = finding.verdict == Verdict::kGood   ? Color::kGreen
                            : finding.verdict == Verdict::kNote ? Color::kYellow
                                                                : Color::kRed;
        fmt::print("{} {}\n", paint(fmt::format("{:<4}", verdict_name(finding.verdict)), color, globals),
                   finding.what);
    }
    if (globals.json) print_json({{"findings", list}});
    if (broken) return Exit::kNotAttached;
    return bad ? Exit::kFailed : Exit::kDone;
}

}  // namespace

void add_doctor(CLI::App& app, Command& command) {
    CLI::App* verb = app.add_subcommand("doctor", "Examine the kernel, the interfaces and the attachments");
    auto wanted = std::make_shared<std::string>();
    verb->add_option("interface", *wanted, "Only this interface")->option_text("IF");
    verb->callback([wanted, &command] {
        command.run = [wanted, &command] { return run_doctor(*wanted, command.globals); };
    });
}

}  // namespace fwctl::cli
