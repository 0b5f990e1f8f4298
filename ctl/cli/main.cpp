#include "cli/app.h"

int main(int argc, char** argv) {
    return fwctl::cli::run(argc, argv);
}
