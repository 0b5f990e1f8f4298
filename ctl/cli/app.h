// The command line as a whole: parses, runs one verb, and maps every outcome to an exit status of fwctl(8).
#pragma once

namespace fwctl::cli {

int run(int argc, char** argv);

}  // namespace fwctl::cli
