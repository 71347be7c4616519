#include "cli/command.h"

int main(int argc, char** argv) { return roost::cli::Main(argc, argv); }
