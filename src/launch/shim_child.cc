#include "launch/shim_child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/strings.h"
#include "launch/mounts.h"

namespace roost::launch {
namespace {

enum class Step { kMount, kEnterFolder, kExecute };

// What the child writes into the report pipe instead of running the program.
struct StartFailure {
  Step step = Step::kExecute;
  int error_number = 0;
  std::size_t mount = 0;  // the one that failed
};

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Fail(ErrnoError("making a pipe", errno));
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// A name without '/' is looked up in the run's own PATH, as a shell does.
std::string ResolveProgram(const std::string& name, const std::string& search_path) {
  if (name.find('/') != std::string::npos) return name;
  for (const std::string& folder : Split(search_path, ':')) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return name;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Everything that the child needs.
struct ChildPlan {
  const char* program;
  const char* working_folder;
  char* const* arguments;
  char* const* environment;
  const std::vector<spec::BindMount>& mounts;
  const std::vector<Fd>& joins;
  int input;
  int log;
  int gate;
  int report;
};

[[noreturn]] void RunChild(const ChildPlan& plan) {
  setsid();
  for (const Fd& join : plan.joins) {
    // Where this is refused the process tree is followed by its parents alone.
    [[maybe_unused]] const ssize_t joined = write(join.get(), "0", 1);
  }
  char open = 0;
  ssize_t got = 0;
  while ((got = read(plan.gate, &open, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1) _exit(0);

  StartFailure failure{Step::kMount, 0, 0};
  failure.error_number = EnterMounts(plan.mounts, &failure.mount);
  if (failure.error_number != 0) {
    [[maybe_unused]] const ssize_t said = write(plan.report, &failure, sizeof failure);
    _exit(127);
  }
  failure.step = Step::kEnterFolder;
  if (chdir(plan.working_folder) == 0) {
    dup2(plan.input, STDIN_FILENO);
    dup2(plan.log, STDOUT_FILENO);
    dup2(plan.log, STDERR_FILENO);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    failure.step = Step::kExecute;
    execve(plan.program, plan.arguments, plan.environment);
  }
  failure.error_number = errno;
  [[maybe_unused]] const ssize_t told = write(plan.report, &failure, sizeof failure);
  _exit(127);
}

// A fork whose child begins its life in the group. Moving it there afterwards would make every
// start wait until the kernel has stopped all of its forks. Negative where this is not possible.
pid_t ForkInto(const std::string& folder) {
  if (folder.empty()) return -1;
  const Result<Fd> group = OpenFile(folder, O_RDONLY | O_DIRECTORY);
  if (!group) return -1;
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<std::uint64_t>(group->get());
  return static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
}

std::vector<Fd> OpenAll(const std::vector<std::string>& files) {
  std::vector<Fd> opened;
  for (const std::string& file : files) {
    if (Result<Fd> fd = OpenFile(file, O_WRONLY)) opened.push_back(std::move(*fd));
  }
  return opened;
}

// "/usr/bin/foo" of "#!/usr/bin/foo -x"; empty when the file does not begin so.
std::string InterpreterOf(const std::string& path) {
  const Result<std::string> head = ReadRange(path, 0, 256);
  if (!head || !head->starts_with("#!")) return {};
  std::string line(Trim(std::string_view(*head).substr(2, head->find('\n') - 2)));
  return line.substr(0, line.find_first_of(" \t"));
}

}  // namespace

std::string DescribeExecFailure(const std::string& path, int error_number) {
  std::string message =
      "The program " + path + " could not be started: " + std::strerror(error_number) + ".";
  const std::string interpreter = InterpreterOf(path);
  if (error_number == ENOENT && !interpreter.empty()) {
    return message + " Its first line names the interpreter " + interpreter +
           ", which is not there.";
  }
  if (error_number == ENOENT) {
    return message + " Check the interpreter or command that the run names, and its PATH.";
  }
  if (error_number == EACCES) return message + " Make the file executable (chmod +x).";
  if (error_number == ENOEXEC) {
    return message + " A script has to begin with a line like #!/usr/bin/env python3.";
  }
  if (error_number == E2BIG) return message + " Its arguments and environment are too long.";
  return message;
}

Result<ShimChild> ShimChild::Fork(const spec::LaunchRequest& request, const RunGroup& group) {
  if (request.argv.empty() || request.argv[0].empty()) {
    return Fail(ErrorCode::kInvalidArgument, "The launch names no program to start.");
  }
  ShimChild child;
  child.working_folder_ = request.working_folder;
  child.mounts_ = request.mounts;
  ROOST_ASSIGN(child.log_, OpenFile(request.log_file, O_WRONLY | O_CREAT | O_APPEND));
  ROOST_ASSIGN(const Fd input, OpenFile("/dev/null", O_RDONLY));
  ROOST_ASSIGN(Pipe gate, MakePipe());
  ROOST_ASSIGN(Pipe report, MakePipe());

  std::map<std::string, std::string> variables = request.environment;
  variables["ROOST_LAUNCH_ID"] = request.launch_id;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  std::vector<std::string> arguments = request.argv;
  const auto path = variables.find("PATH");
  child.program_ = ResolveProgram(arguments[0], path == variables.end() ? "" : path->second);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);

  bool born_in = true;
  child.pid_ = ForkInto(group.birth_folder());
  if (child.pid_ < 0) {
    born_in = false;
    child.pid_ = fork();
  }
  if (child.pid_ < 0) return Fail(ErrnoError("starting a process", errno));
  if (child.pid_ == 0) {
    // The copy of the other end would keep the gate from closing with the shim.
    close(gate.write_end.get());
    RunChild({.program = child.program_.c_str(),
              .working_folder = child.working_folder_.c_str(),
              .arguments = argument_pointers.data(),
              .environment = environment_pointers.data(),
              .mounts = request.mounts,
              .joins = OpenAll(group.JoinFiles(born_in)),
              .input = input.get(),
              .log = child.log_.get(),
              .gate = gate.read_end.get(),
              .report = report.write_end.get()});
  }
  child.gate_ = std::move(gate.write_end);
  child.report_ = std::move(report.read_end);
  return child;
}

Status ShimChild::Release() {
  ROOST_TRY(WriteAll(gate_.get(), "x", "the start gate"));
  gate_ = Fd();
  StartFailure failure;
  ssize_t got = 0;
  while ((got = read(report_.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  report_ = Fd();
  if (got != sizeof failure) {
    log_ = Fd();
    return {};
  }
  waitpid(pid_, nullptr, 0);
  std::string message;
  if (failure.step == Step::kMount) {
    const std::string target =
        failure.mount < mounts_.size() ? mounts_[failure.mount].target : "a namespace of its own";
    message = "The run's data could not be mounted at " + target + ": " +
              std::strerror(failure.error_number) + ".";
  } else if (failure.step == Step::kEnterFolder) {
    message = "The working folder " + working_folder_ +
              " could not be entered: " + std::strerror(failure.error_number) + ".";
  } else {
    message = DescribeExecFailure(program_, failure.error_number);
  }
  static_cast<void>(WriteAll(log_.get(), "roost: " + message + "\n", "the log"));
  return Fail(ErrorCode::kInvalidArgument, message);
}

void ShimChild::Abandon() {
  gate_ = Fd();
  waitpid(pid_, nullptr, 0);
}

}  // namespace roost::launch
