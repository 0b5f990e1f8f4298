#include "agent/report.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "agent/check_metrics.h"
#include "agent/journal.h"
#include "agent/pace.h"
#include "http/server.h"
#include "observe/exposition.h"
#include "observe/metrics.h"
#include "observe/watcher.h"

namespace fwctl::agent {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks(1000);
constexpr unsigned kUnavailable = 503;
constexpr unsigned kNotFound = 404;

class Report {
public:
    explicit Report(const CheckStats& checks) : checks_(checks) {}

    http::Reply answer(const std::string& path) {
        if (path != "/metrics") return {kNotFound, http::Reply().type, "there is /metrics\n"};
        observe::Exposition text;
        if (auto told = metrics_.tell(text); !told)
            return {kUnavailable, http::Reply().type, told.error().message + "\n"};
        tell_checks(checks_, text);
        return {200, observe::kExpositionType, text.take()};
    }

private:
    const CheckStats& checks_;
    observe::Metrics metrics_;
};

}  // namespace

Status report(const Settings& settings, const std::vector<int>& sockets, const CheckStats& checks) {
    Report report(checks);
    http::Server server(settings.hosts, [&](const std::string& path) { return report.answer(path); });
    for (const int socket : sockets)
        if (auto listening = server.listen(socket); !listening) return listening;
    const Journal journal(getenv);
    observe::Watcher watcher;
    for (Time looked;;) {
        const auto now = std::chrono::steady_clock::now();
        if (now - looked >= kBetweenLooks) {
            looked = now;
            for (const observe::News& news : watcher.look()) journal.tell(news);
        }
        server.run_once(kBetweenLooks);
    }
}

}  // namespace fwctl::agent
