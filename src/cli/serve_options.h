#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "base/result.h"
#include "spec/vm_sizes.h"

namespace roost::cli {

struct ServeOptions {
  fs::path data;
  std::string host = "127.0.0.1";
  int port = 0;             // 0 with `port_given`: any free one
  bool port_given = false;  // else the port of last time, else 7070
  std::string python;
  std::string min_free = "1G";
  std::string grace = "15s";
  std::string on_run_end;
  std::string log_level = "info";
  std::string log_file;
  std::string sdk;
  std::string trainer;
  std::string vm_sizes;  // a file; empty: that of the data folder, if there is one
  std::string gpu = "substitute";
  bool fake_launcher = false;

  // How environments are built.
  std::string environments;  // empty: in the data folder
  std::string index_url, constraints, environments_size;
  std::vector<std::string> extra_index_urls, find_links, build_variables;
  bool no_index = false;
  bool relax_pins = false;
  bool containers = false;
};

inline constexpr int kDefaultPort = 7070;

// The parts of an installation, looked for beside the running program (`program_folder`), then
// where a package puts them, then in the build and source tree.
Result<fs::path> FindShim(const fs::path& program_folder);
fs::path FindSdk(const fs::path& program_folder);      // empty: there is none
fs::path FindTrainer(const fs::path& program_folder);  // empty: there is none
fs::path ProgramFolder();

Result<LogLevel> ParseLogLevel(const std::string& text);

// The table of node sizes: the shipped one with the rows of `file`, or, when that is not named, of
// vm-sizes.json in the data folder where it exists.
Result<std::vector<spec::VmSize>> ReadVmSizes(const std::string& file, const fs::path& data);

// "localhost" and addresses of 127.0.0.0/8 and ::1.
bool IsLoopbackHost(const std::string& host);

// Finds out whether the server can listen there, before anything else is started: the port (a free
// one for 0), or kUnavailable with the way out.
Result<int> CheckPort(const std::string& host, int port, bool port_given);

}  // namespace roost::cli
