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
#include "observe/picture.h"
#include "observe/watcher.h"

namespace fwctl::agent {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks(1000);
constexpr std::chrono::milliseconds kKept(500);  // less than between two questions of a page
constexpr unsigned kUnavailable = 503;
constexpr unsigned kNotFound = 404;

http::Reply unavailable(const Error& error) {
    return {kUnavailable, http::Reply().type, http::body_of(error.message + "\n")};
}

// All who ask within kKept get the same answer, so that asking often costs little more than asking once.
class KeptReply {
public:
    template <typename Make>
    http::Reply get(Make make) {
        if (reply_.body == nullptr || std::chrono::steady_clock::now() - made_ >= kKept) {
            reply_ = make();
            made_ = std::chrono::steady_clock::now();
        }
        return reply_;
    }

private:
    http::Reply reply_;
    Time made_;
};

class Report {
public:
    explicit Report(const CheckStats& checks) : checks_(checks) {}

    http::Reply answer(const http::Request& request) {
        if (request.path == "/metrics") return kept_metrics_.get([this] { return metrics(); });
        if (request.path == "/state") return kept_state_.get([this] { return state(); });
        return {kNotFound, http::Reply().type, http::body_of("there is /metrics, and /state\n")};
    }

    void note(const std::vector<observe::News>& news) {
        picture_.look(std::chrono::system_clock::now(), news);
    }

private:
    http::Reply metrics() {
        observe::Exposition text;
        if (auto told = metrics_.tell(text); !told) return unavailable(told.error());
        tell_checks(checks_, text);
        return {200, observe::kExpositionType, http::body_of(text.take())};
    }

    http::Reply state() {
        auto text = picture_.text();
        if (!text) return unavailable(text.error());
        return {200, "application/json", http::body_of(std::move(*text))};
    }

    const CheckStats& checks_;
    observe::Picture picture_;
    observe::Metrics metrics_;
    KeptReply kept_metrics_;
    KeptReply kept_state_;
};

}  // namespace

Status report(const ServerSettings& settings, const std::vector<int>& sockets, const CheckStats& checks) {
    Report report(checks);
    http::Server server(settings.hosts, [&](const http::Request& request) { return report.answer(request); });
    for (const int socket : sockets)
        if (auto listening = server.listen(socket); !listening) return listening;
    const Journal journal(getenv);
    observe::Watcher watcher;
    for (Time looked;;) {
        const auto now = std::chrono::steady_clock::now();
        if (now - looked >= kBetweenLooks) {
            looked = now;
            const std::vector<observe::News> all = watcher.look();
            for (const observe::News& news : all) journal.tell(news);
            report.note(all);
        }
        server.run_once(kBetweenLooks);
    }
}

}  // namespace fwctl::agent
