// libpcap, loaded when it is asked for: with the libraries that it needs it is a third of all that the
// command would load, and most commands read no packets.
#pragma once

#include <pcap/pcap.h>

#include "base/result.h"

namespace fwctl::engine {

// The functions that are used, under their names without pcap_.
struct PcapLibrary {
    decltype(&::pcap_open_offline) open_offline;
    decltype(&::pcap_open_dead) open_dead;
    decltype(&::pcap_close) close;
    decltype(&::pcap_datalink) datalink;
    decltype(&::pcap_datalink_val_to_name) datalink_val_to_name;
    decltype(&::pcap_next_ex) next_ex;
    decltype(&::pcap_geterr) geterr;
    decltype(&::pcap_compile) compile;
    decltype(&::pcap_freecode) freecode;
    decltype(&::pcap_offline_filter) offline_filter;
};

// Stays until the process ends. An error where it is not installed.
Result<const PcapLibrary*> pcap_library();

}  // namespace fwctl::engine
