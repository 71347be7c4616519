#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "api/server.h"
#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/data_folder.h"
#include "cli/format.h"
#include "cli/python_choice.h"
#include "cli/sd_notify.h"
#include "cli/sdk_copy.h"
#include "cli/serve_options.h"
#include "cli/terminal.h"
#include "engine/engine.h"
#include "engine/run_end_hook.h"
#include "environments/command_runner.h"
#include "environments/pip_configuration.h"
#include "launch/fake_launcher.h"
#include "launch/local_launcher.h"
#include "launch/machine.h"
#include "store/store.h"
#include "store/tokens.h"

namespace roost::cli {
namespace {

// The fake launcher's runs are long enough to be seen running.
constexpr std::chrono::milliseconds kFakeRunTime{50};

// Each of glibc's arenas keeps what it has ever needed; two are enough for our few threads and keep
// an idle server small.
void LimitMemory() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

// Blocked before any thread starts, so that only WaitForStop sees them.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int WaitForStop(const sigset_t& signals) {
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

Result<int> ChoosePort(const ServeOptions& options) {
  int port = options.port;
  if (!options.port_given) {
    // Live runs know the address, so a server comes back where it was.
    ROOST_ASSIGN(const auto last, ReadServerFile(options.data));
    port = last && last->port > 0 ? last->port : kDefaultPort;
  }
  return CheckPort(options.host, port, options.port_given);
}

std::string AddressOf(const std::string& host, int port) {
  std::string shown = host;
  if (host == "0.0.0.0") shown = "127.0.0.1";
  if (host == "::") shown = "::1";
  if (shown.find(':') != std::string::npos) shown = "[" + shown + "]";
  return fmt::format("http://{}:{}", shown, port);
}

Result<fs::path> ChooseTrainer(const std::string& named) {
  if (named.empty()) return FindTrainer(ProgramFolder());
  const fs::path path = fs::absolute(named).lexically_normal();
  if (!fs::is_directory(path) && ::access(path.c_str(), X_OK) == 0) return path;
  return Fail(ErrorCode::kInvalidArgument,
              "--trainer names " + path.string() +
                  ", which is no program that can be run. Name the file roost-trainer.");
}

// A hook that could never be called is told now, not in the log when the first run ends.
Status CheckRunEndHook(const std::string& target) {
  if (!engine::IsHookUrl(target)) return {};
  const auto environment = CurrentEnvironment();
  const auto path = environment.find("PATH");
  if (FindProgram("curl", path == environment.end() ? "" : path->second)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "--on-run-end with an address needs the program \"curl\", which is not in PATH. "
              "Install it (apt-get install curl) or give a command.");
}

Status SetBuildSettings(const ServeOptions& options, environments::BuildSettings& settings) {
  std::map<std::string, std::string> variables;
  for (const std::string& text : options.build_variables) {
    ROOST_ASSIGN(const KeyValue pair, ParseKeyValue(text, "--build-env", false));
    variables[pair.key] = *pair.value;
  }
  std::map<std::string, std::string> own = CurrentEnvironment();
  settings.variables = environments::BuildVariables(own, variables);
  for (const auto& [name, value] : variables) own[name] = value;
  settings.variables.merge(environments::UvVariablesOfPip(own));
  // uv may lie beside the server's interpreter, in the environment that it was installed into.
  if (!settings.python.empty()) {
    settings.variables["PATH"] += ":" + fs::path(settings.python).parent_path().string();
  }
  if (!options.environments.empty()) {
    settings.folder = fs::absolute(options.environments).lexically_normal();
  }
  settings.index_url = options.index_url;
  settings.extra_index_urls = options.extra_index_urls;
  settings.find_links = options.find_links;
  settings.no_index = options.no_index;
  settings.relax_pins = options.relax_pins;
  settings.containers = options.containers;
  if (!options.constraints.empty()) {
    settings.constraints = fs::absolute(options.constraints).lexically_normal();
    ROOST_TRY(ReadFile(settings.constraints));
  }
  if (!options.environments_size.empty()) {
    ROOST_ASSIGN(const std::int64_t megabytes, ParseMemory(options.environments_size));
    settings.max_bytes = static_cast<std::uint64_t>(megabytes) << 20;
  }
  return {};
}

Result<engine::MissingGpus> ParseGpuPolicy(const std::string& text) {
  for (const auto policy : {engine::MissingGpus::kSubstitute, engine::MissingGpus::kRefuse}) {
    if (text == engine::ToString(policy)) return policy;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "--gpu takes `substitute` (runs without the GPUs that are missing) or `require` "
              "(refuses them), not '" +
                  text + "'.");
}

Result<engine::EngineOptions> MakeEngineOptions(const ServeOptions& options, int port) {
  engine::EngineOptions engine;
  engine.server_url = AddressOf(options.host, port);
  ROOST_ASSIGN(engine.environments.python, ChoosePython(options.python, CurrentEnvironment()));
  ROOST_TRY(SetBuildSettings(options, engine.environments));
  const fs::path sdk = options.sdk.empty() ? FindSdk(ProgramFolder()) : fs::path(options.sdk);
  if (!sdk.empty()) {
    ROOST_ASSIGN(engine.sdk_python_folder, CopySdk(sdk, fs::absolute(options.data)));
  }
  ROOST_ASSIGN(const std::int64_t min_free_mb, ParseMemory(options.min_free));
  engine.min_free_bytes = static_cast<std::uint64_t>(min_free_mb) << 20;
  ROOST_ASSIGN(const std::int64_t grace_seconds, ParseDuration(options.grace));
  engine.grace_ms = grace_seconds * 1000;
  ROOST_ASSIGN(engine.trainer, ChooseTrainer(options.trainer));
  ROOST_TRY(CheckRunEndHook(options.on_run_end));
  engine.on_run_end = options.on_run_end;
  engine.machine = launch::ReadMachineResources();
  ROOST_ASSIGN(engine.missing_gpus, ParseGpuPolicy(options.gpu));
  ROOST_ASSIGN(engine.vm_sizes, ReadVmSizes(options.vm_sizes, options.data));
  return engine;
}

Result<engine::LauncherFactory> MakeLauncherFactory(const ServeOptions& options) {
  if (options.fake_launcher) {
    return engine::LauncherFactory([](EventLoop& loop, launch::LaunchListener listener) {
      return std::make_unique<launch::FakeLauncher>(loop, kFakeRunTime, std::move(listener));
    });
  }
  ROOST_ASSIGN(const fs::path shim, FindShim(ProgramFolder()));
  return engine::LauncherFactory([shim](EventLoop& loop, launch::LaunchListener listener) {
    return std::make_unique<launch::LocalLauncher>(loop, shim, std::move(listener));
  });
}

Status PutToken(store::Store& store, const fs::path& data, std::string* token) {
  ROOST_ASSIGN(*token, ReadOrMakeToken(data));
  return store.tokens().Put("owner", *token);
}

Status SetUpDataFolder(ServeOptions& options) {
  if (options.data.empty()) options.data = DefaultDataFolder(CurrentEnvironment());
  options.data = fs::absolute(options.data).lexically_normal();
  // Logs and outputs of runs are for the owner alone.
  ROOST_TRY(MakeFolders(options.data, 0700));
  ROOST_ASSIGN(const LogLevel level, ParseLogLevel(options.log_level));
  return SetUpLog(level, options.log_file);
}

void PrintWelcome(const ServeOptions& options, const std::string& address,
                  const std::string& token) {
  (void)WriteOut(fmt::format("Roost is running: {}/?token={}\n", address, token));
  if (!IsLoopbackHost(options.host)) {
    Note(
        "listening beyond this machine: whoever has a token can run programs as you, and without a "
        "TLS proxy in front, tokens travel in the clear.");
  }
}

Result<int> Serve(ServeOptions options) {
  LimitMemory();
  const sigset_t stop_signals = BlockStopSignals();
  ROOST_TRY(SetUpDataFolder(options));
  ROOST_ASSIGN(auto make_launcher, MakeLauncherFactory(options));
  // The store first: its lock tells of another server on the folder, whose port is taken of course.
  ROOST_ASSIGN(const auto store, store::Store::Open({.data_folder = options.data}));
  ROOST_ASSIGN(const int port, ChoosePort(options));
  std::string token;
  ROOST_TRY(PutToken(*store, options.data, &token));

  ROOST_ASSIGN(auto engine_options, MakeEngineOptions(options, port));
  api::ServerOptions server_options;
  server_options.http.host = options.host;
  server_options.http.port = static_cast<std::uint16_t>(port);
  server_options.version = ROOST_VERSION;
  server_options.machine = engine_options.machine;
  server_options.trainer = engine_options.trainer;
  const std::string address = engine_options.server_url;
  environments::NoRunner no_runner;
  if (options.fake_launcher) engine_options.environment_runner = &no_runner;

  engine::Engine engine(*store, std::move(engine_options), std::move(make_launcher));
  ROOST_TRY(engine.Start());
  ROOST_ASSIGN(const auto server, api::Server::Start(server_options, *store, engine));
  ROOST_TRY(WriteServerFile(
      options.data, {address, options.host, port, static_cast<int>(::getpid()), ROOST_VERSION}));
  PrintWelcome(options, address, token);
  LogInfo("server_started",
          {{"address", address}, {"data", options.data.string()}, {"version", ROOST_VERSION}});
  NotifySystemd("READY=1");

  const int signal = WaitForStop(stop_signals);
  NotifySystemd("STOPPING=1");
  LogInfo("server_stopping", {{"signal", std::to_string(signal)}});
  // A second signal ends a stop that hangs.
  ::pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  server->Stop();
  engine.Stop();
  LogInfo("server_stopped");
  return 0;
}

void AddBuildOptions(CLI::App& command, ServeOptions& options) {
  constexpr const char* kGroup = "Environments that are built";
  command
      .add_option("--environments", options.environments,
                  "Folder for them (default: environments in the data folder)")
      ->group(kGroup);
  command
      .add_option("--environments-size", options.environments_size,
                  "Remove unused ones beyond 20G... (default: never)")
      ->group(kGroup);
  command
      .add_option("--index-url", options.index_url,
                  "Package index (default: that of pip's and uv's own settings)")
      ->group(kGroup);
  command.add_option("--extra-index-url", options.extra_index_urls, "Another one, repeatable")
      ->allow_extra_args(false)
      ->group(kGroup);
  command.add_option("--find-links", options.find_links, "Folder or page with wheels, repeatable")
      ->allow_extra_args(false)
      ->group(kGroup);
  command.add_flag("--no-index", options.no_index, "Take packages from --find-links alone")
      ->group(kGroup);
  command
      .add_option("--constraints", options.constraints,
                  "File of versions that every environment keeps to")
      ->group(kGroup);
  command
      .add_flag("--relax-pins", options.relax_pins,
                "Versions that cannot be had become the nearest ones that can; the build log and "
                "the run's properties say which")
      ->group(kGroup);
  command
      .add_flag("--containers", options.containers,
                "Conda and pip environments that ask for a container (docker.enabled) get one; "
                "without, that is a hint")
      ->group(kGroup);
  command
      .add_option("--build-env", options.build_variables,
                  "Variable KEY=VALUE of the programs that build, repeatable")
      ->allow_extra_args(false)
      ->group(kGroup);
}

}  // namespace

void AddServeCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  auto port = std::make_shared<CLI::Option*>();
  CLI::App* command = AddCommand(app, context, "serve", "Run the server on a data folder",
                                 [options, port, &context] {
                                   options->data = context.connection.data;
                                   options->port_given = (*port)->count() > 0;
                                   return Serve(*options);
                                 });
  command->add_option("--host", options->host, "Address to listen on (default: 127.0.0.1)");
  *port = command->add_option("--port", options->port,
                              "Port (default: that of last time, else 7070; 0: any free one)");
  command->add_option("--python", options->python,
                      "Interpreter of runs that name none (default: the active environment's, else "
                      "PATH's python3)");
  command->add_option("--min-free", options->min_free,
                      "Start no run with less free space on the data folder's disk (default: 1G)");
  command->add_option("--grace", options->grace,
                      "Between asking a cancelled run to end and killing it (default: 15s)");
  command->add_option("--on-run-end", options->on_run_end,
                      "Command, or http(s) address to POST to, for each run that ends");
  command->add_option("--log-level", options->log_level,
                      "debug, info, warning or error (default: info)");
  command->add_option("--log-file", options->log_file,
                      "The server's own log (default: standard error)");
  command
      ->add_option("--sdk", options->sdk,
                   "Folder with the Python packages that runs find (default: the installed one)")
      ->check(CLI::ExistingDirectory);
  command->add_option("--trainer", options->trainer,
                      "The program roost-trainer, which runs find (default: the one beside this)");
  AddBuildOptions(*command, *options);
  command->add_option("--gpu", options->gpu,
                      "Runs on clusters whose size promises GPUs that are missing: `substitute` "
                      "starts them without, `require` refuses them (default: substitute)");
  command->add_option("--vm-sizes", options->vm_sizes,
                      "File with sizes of nodes, added to the shipped ones (default: vm-sizes.json "
                      "of the data folder, if it is there)");
  command->add_flag("--fake-launcher", options->fake_launcher,
                    "Run nothing; every run ends well at once. For tests of the API");
}

}  // namespace roost::cli
