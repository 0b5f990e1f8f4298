// What the agent tells of as events: for the journal with fields of their own, by which it can be searched,
// else a line on stderr.
//
//     journalctl -u fwctl-agent FWCTL_EVENT=ban
//
// Promises: nobody waits. Written out here, as the protocol is a datagram, for the reason that notify.h
// gives.
#pragma once

#include <functional>
#include <string>

#include "observe/news.h"

namespace fwctl::agent {

// As the journal's native protocol has it.
std::string journal_datagram(const observe::News& news);

class Journal {
public:
    // `variables` is getenv() or what stands in for it: asked for JOURNAL_STREAM, which says whether `errors`
    // (2: stderr) is the journal's.
    Journal(const std::function<const char*(const char*)>& variables, int errors = 2,
            std::string socket = "/run/systemd/journal/socket");

    void tell(const observe::News& news) const;

private:
    [[nodiscard]] bool send(const observe::News& news) const;

    int errors_;
    bool is_journal_ = false;
    std::string socket_;
};

}  // namespace fwctl::agent
