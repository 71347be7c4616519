#include "base/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/files.h"
#include "base/strings.h"

namespace roost {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

constexpr seconds kPlenty{60};

class SubprocessTest : public testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return folder_.path() / name; }
  void Write(const std::string& name, std::string_view content, unsigned mode) {
    ASSERT_TRUE(WriteFileAtomic(Path(name), content, mode));
  }
  static SubprocessOptions Command(std::vector<std::string> argv) {
    SubprocessOptions options;
    options.argv = std::move(argv);
    options.environment = {{"PATH", "/usr/bin:/bin"}};
    return options;
  }
  static SubprocessOptions Shell(const std::string& script) {
    return Command({"/bin/sh", "-c", script});
  }
  static CapturedRun Run(const SubprocessOptions& options) {
    Result<CapturedRun> run = RunAndCapture(options, kPlenty);
    EXPECT_TRUE(run) << run.error().message;
    return run ? *run : CapturedRun{};
  }
  static Error StartError(const SubprocessOptions& options) {
    const Result<Subprocess> child = Subprocess::Start(options);
    EXPECT_FALSE(child);
    return child ? Error{} : child.error();
  }

  TempFolder folder_;
};

TEST_F(SubprocessTest, TellsTheExitCode) {
  for (const int code : {0, 1, 42, 255}) {
    Result<Subprocess> child = Subprocess::Start(Shell("exit " + std::to_string(code)));
    ASSERT_TRUE(child);
    EXPECT_GT(child->pid(), 0);
    const Result<ExitStatus> status = child->Wait();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, code);
    EXPECT_EQ(status->signal, std::nullopt);
  }
}

TEST_F(SubprocessTest, TellsTheSignalThatEndedIt) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    Result<Subprocess> child = Subprocess::Start(Command({"sleep", "60"}));
    ASSERT_TRUE(child);
    ASSERT_TRUE(child->Signal(signal));
    const Result<ExitStatus> status = child->Wait();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, signal);
    EXPECT_EQ(status->code, 128 + signal);
    EXPECT_EQ(child->Signal(signal).error().code, ErrorCode::kNotFound) << "it is gone";
    EXPECT_FALSE(child->Wait()) << "only once";
  }
}

TEST_F(SubprocessTest, ThePidfdIsReadableWhenTheChildHasEnded) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  SubprocessOptions options = Command({"cat"});
  options.stdin_fd = reader.get();
  Result<Subprocess> child = Subprocess::Start(options);
  ASSERT_TRUE(child);
  pollfd wait{child->pidfd(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 0) << "cat waits for its input's end";
  writer = Fd();
  EXPECT_EQ(poll(&wait, 1, 60'000), 1);
  EXPECT_EQ(child->Wait()->code, 0);
}

TEST_F(SubprocessTest, TellsTheResourceUse) {
  const CapturedRun run =
      Run(Shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 1000000 /dev/zero"));
  EXPECT_GT(run.status.usage.ru_maxrss, 0);
  EXPECT_GT(run.status.usage.ru_utime.tv_sec * 1'000'000 + run.status.usage.ru_utime.tv_usec +
                run.status.usage.ru_stime.tv_usec,
            0);
}

TEST_F(SubprocessTest, TheEnvironmentIsExactlyTheGivenOne) {
  ASSERT_EQ(setenv("ROOST_TEST_LEAK", "1", 1), 0);
  SubprocessOptions options = Command({"/usr/bin/env"});
  options.environment = {{"A", "1"}, {"B", "x=y\nz"}, {"EMPTY", ""}, {"RAW", "caf\xE9"}};
  EXPECT_EQ(Run(options).output, "A=1\nB=x=y\nz\nEMPTY=\nRAW=caf\xE9\n");
  EXPECT_EQ(CurrentEnvironment().at("ROOST_TEST_LEAK"), "1");
  unsetenv("ROOST_TEST_LEAK");
  EXPECT_FALSE(CurrentEnvironment().contains("ROOST_TEST_LEAK"));
}

TEST_F(SubprocessTest, ArgumentsArriveAsTheyAre) {
  EXPECT_EQ(Run(Command({"printf", "[%s]", "a b", "", "$HOME\n", "caf\xE9"})).output,
            "[a b][][$HOME\n][caf\xE9]");
}

TEST_F(SubprocessTest, RunsInItsWorkingFolder) {
  SubprocessOptions options = Command({"pwd", "-P"});
  options.working_folder = folder_.path();
  EXPECT_EQ(Run(options).output, fs::canonical(folder_.path()).string() + "\n");

  Write("tool", "#!/bin/sh\necho here\n", 0755);
  options.argv = {"./tool"};
  EXPECT_EQ(Run(options).output, "here\n") << "a path is relative to the working folder";
}

TEST_F(SubprocessTest, StandardDescriptorsAreNullWhenNotGiven) {
  Result<Subprocess> child = Subprocess::Start(
      Shell("for i in 0 1 2; do [ $(readlink /proc/$$/fd/$i) = /dev/null ] || exit 1; done"));
  ASSERT_TRUE(child);
  EXPECT_EQ(child->Wait()->code, 0);
}

TEST_F(SubprocessTest, InheritsNoOtherDescriptor) {
  const Fd low(dup(2));  // without close-on-exec
  const Fd high(fcntl(2, F_DUPFD, 500));
  ASSERT_TRUE(low.valid() && high.valid());
  // 3 is the folder that ls reads.
  EXPECT_EQ(Run(Command({"ls", "/proc/self/fd"})).output, "0\n1\n2\n3\n");
}

// The descriptors of the caller may have each other's numbers.
TEST_F(SubprocessTest, DescriptorsMayChangePlaces) {
  int one[2], two[2];
  ASSERT_EQ(pipe2(one, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(two, O_CLOEXEC), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    dup2(one[1], 1);
    dup2(two[1], 2);
    SubprocessOptions options = Shell("echo out; echo err >&2");
    options.stdout_fd = 2;
    options.stderr_fd = 1;
    Result<Subprocess> child = Subprocess::Start(options);
    _exit(child && child->Wait()->code == 0 ? 0 : 1);
  }
  close(one[1]);
  close(two[1]);
  int status = -1;
  ASSERT_EQ(waitpid(caller, &status, 0), caller);
  EXPECT_EQ(status, 0);
  char text[16];
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(read(one[0], text, 16))), "err\n");
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(read(two[0], text, 16))), "out\n");
  close(one[0]);
  close(two[0]);
}

TEST_F(SubprocessTest, SignalsAreAsInANewProgram) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto interrupt_before = signal(SIGINT, SIG_IGN);
  const auto pipe_before = signal(SIGPIPE, SIG_IGN);
  const std::string status = Run(Command({"cat", "/proc/self/status"})).output;
  EXPECT_THAT(status, AllOf(HasSubstr("SigBlk:\t0000000000000000\n"),
                            HasSubstr("SigIgn:\t0000000000000000\n")));

  sigset_t now;
  pthread_sigmask(SIG_SETMASK, &before, &now);
  EXPECT_EQ(sigismember(&now, SIGTERM), 1) << "ours are as they were";
  EXPECT_EQ(sigismember(&now, SIGUSR1), 0);
  EXPECT_EQ(signal(SIGINT, interrupt_before), SIG_IGN);
  EXPECT_EQ(signal(SIGPIPE, pipe_before), SIG_IGN);
}

TEST_F(SubprocessTest, MakesANewSessionWhenAsked) {
  SubprocessOptions options = Shell("echo $$; cut -d ' ' -f 6 /proc/$$/stat");
  options.new_session = true;
  std::vector<std::string> lines = Split(Run(options).output, '\n');
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], lines[1]);

  options.new_session = false;
  lines = Split(Run(options).output, '\n');
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1], std::to_string(getsid(0)));
}

TEST_F(SubprocessTest, AnExecFailureNamesTheProgramAndWhatToDo) {
  Write("plain", "text", 0644);
  Write("no_first_line", "echo x", 0755);
  Write("no_interpreter", "#!/nowhere/python\n", 0755);
  const std::string folder = folder_.path().string() + "/";
  struct Row {
    std::string program;
    ErrorCode code;
    std::string hint;
  };
  const Row rows[] = {
      {folder + "none", ErrorCode::kNotFound, "No such file"},
      {folder + "plain", ErrorCode::kPermissionDenied, "may execute"},
      {folder + "no_first_line", ErrorCode::kInvalidArgument, "#!/bin/sh"},
      {folder + "no_interpreter", ErrorCode::kNotFound, "interpreter"},
      {folder, ErrorCode::kPermissionDenied, "may execute"},
      {"no-such-program", ErrorCode::kNotFound, "in PATH (/usr/bin:/bin)"},
  };
  for (const Row& row : rows) {
    const Error error = StartError(Command({row.program}));
    EXPECT_EQ(error.code, row.code) << error.message;
    EXPECT_THAT(error.message, AllOf(HasSubstr(row.program), HasSubstr(row.hint)));
  }
}

TEST_F(SubprocessTest, AFailedStartLeavesNoZombie) {
  StartError(Command({Path("none").string()}));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(SubprocessTest, AMissingWorkingFolderIsNamed) {
  SubprocessOptions options = Command({"/bin/true"});
  options.working_folder = Path("gone");
  const Error error = StartError(options);
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, AllOf(HasSubstr("/bin/true"), HasSubstr(Path("gone").string())));
}

TEST_F(SubprocessTest, RefusesWhatCannotBePassedOn) {
  SubprocessOptions nul_in_value = Command({"/bin/true"});
  nul_in_value.environment["A"] = std::string("x\0y", 3);
  SubprocessOptions equals_in_name = Command({"/bin/true"});
  equals_in_name.environment["A=B"] = "x";
  SubprocessOptions no_name = Command({"/bin/true"});
  no_name.environment[""] = "x";
  const SubprocessOptions rows[] = {nul_in_value,  equals_in_name,
                                    no_name,       Command({}),
                                    Command({""}), Command({"/bin/true", std::string("x\0y", 3)})};
  for (const SubprocessOptions& options : rows) {
    EXPECT_EQ(StartError(options).code, ErrorCode::kInvalidArgument);
  }
  const SubprocessOptions too_long = Command({"/bin/true", std::string(4 << 20, 'x')});
  EXPECT_EQ(StartError(too_long).code, ErrorCode::kTooLarge);
  SubprocessOptions closed = Command({"/bin/true"});
  closed.stdout_fd = 12345;
  EXPECT_THAT(StartError(closed).message, HasSubstr("Bad file descriptor"));
}

TEST_F(SubprocessTest, LooksNamesUpInTheChildsOwnPath) {
  Write("only-here", "#!/bin/sh\necho found\n", 0755);
  SubprocessOptions options = Command({"only-here"});
  EXPECT_EQ(StartError(options).code, ErrorCode::kNotFound);
  options.environment["PATH"] = "/nowhere:" + folder_.path().string();
  options.working_folder = "/";
  EXPECT_EQ(Run(options).output, "found\n");

  options = Command({"true"});
  options.environment.clear();
  EXPECT_EQ(Run(options).status.code, 0) << "without PATH, the system's own folders";
}

TEST_F(SubprocessTest, WaitsForAProgramThatIsBeingWritten) {
  fs::copy_file("/bin/true", Path("tool"));
  Result<Fd> writer = OpenFile(Path("tool"), O_WRONLY);
  ASSERT_TRUE(writer);
  std::thread closer([&writer] {
    std::this_thread::sleep_for(milliseconds(20));
    *writer = Fd();
  });
  Result<Subprocess> child = Subprocess::Start(Command({Path("tool").string()}));
  closer.join();
  ASSERT_TRUE(child) << child.error().message;
  EXPECT_EQ(child->Wait()->code, 0);
}

TEST_F(SubprocessTest, ManyThreadsMayStartPrograms) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 25; ++i) {
        const std::string word = std::to_string(t) + "/" + std::to_string(i);
        EXPECT_EQ(Run(Command({"echo", word})).output, word + "\n");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SubprocessTest, CapturesBothOutputs) {
  const CapturedRun run = Run(Shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(run.output, "out\n");
  EXPECT_EQ(run.errors, "err\n");
  EXPECT_EQ(run.status.code, 3);
}

TEST_F(SubprocessTest, CapturesUpToTheLimitAndLetsTheProgramFinish) {
  const SubprocessOptions options =
      Shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 5");
  const Result<CapturedRun> cut = RunAndCapture(options, kPlenty, 1'000);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->output.size(), 1'000U);
  EXPECT_EQ(cut->errors.size(), 1'000U);
  EXPECT_EQ(cut->status.code, 5);
  EXPECT_EQ(RunAndCapture(options, kPlenty, 10'000'000)->output.size(), 3'000'000U);
}

TEST_F(SubprocessTest, CapturesAProgramThatClosesItsOutputsFirst) {
  EXPECT_EQ(Run(Shell("echo x; exec 1>&- 2>&-; read nothing; exit 4")).status.code, 4);
}

TEST_F(SubprocessTest, DoesNotWaitForWhatAProgramLeavesBehind) {
  const Result<CapturedRun> run = RunAndCapture(Shell("sleep 600 & echo $!"), kPlenty);
  ASSERT_TRUE(run) << run.error().message;
  const pid_t left_behind = std::stoi(run->output);
  EXPECT_EQ(kill(left_behind, SIGKILL), 0) << "it runs and holds the output open";
}

TEST_F(SubprocessTest, StopsAProgramAfterItsTime) {
  const Result<CapturedRun> run = RunAndCapture(Command({"sleep", "600"}), milliseconds(20));
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, ErrorCode::kDeadline);
  EXPECT_EQ(run.error().message, "sleep did not end within 20 ms and was stopped.");
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "it is reaped";
}

TEST_F(SubprocessTest, IsNotHeldUpByOutputWithoutEnd) {
  EXPECT_EQ(RunAndCapture(Command({"cat", "/dev/zero"}), milliseconds(20)).error().code,
            ErrorCode::kDeadline);
  const Result<CapturedRun> run = RunAndCapture(Shell("cat /dev/zero & echo $! >&2"), kPlenty);
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_GT(std::stoi(run->errors), 0);
}

TEST_F(SubprocessTest, StopsItsWholeSessionWhenItHasOne) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  // Each process of the session holds the pipe's writing end as its standard input.
  SubprocessOptions options = Shell("sleep 600 <&0 & sleep 600 <&0 & wait");
  options.stdin_fd = writer.get();
  options.new_session = true;
  EXPECT_EQ(RunAndCapture(options, milliseconds(100)).error().code, ErrorCode::kDeadline);
  writer = Fd();
  pollfd wait{reader.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 60'000), 1) << "nobody holds it any more";
}

TEST_F(SubprocessTest, FindsProgramsAsAShellDoes) {
  ASSERT_TRUE(MakeFolders(Path("first/tool")));
  ASSERT_TRUE(MakeFolders(Path("second")));
  ASSERT_TRUE(MakeFolders(Path("third")));
  Write("second/tool", "", 0644);
  Write("third/tool", "", 0755);
  const std::string search =
      Path("first").string() + "::" + Path("second").string() + ":" + Path("third").string();
  EXPECT_EQ(FindProgram("tool", search), Path("third/tool"))
      << "neither a folder nor a file without permission is a program";
  EXPECT_EQ(FindProgram("no-tool", search), std::nullopt);
  EXPECT_EQ(FindProgram("", search), std::nullopt);
  EXPECT_EQ(FindProgram("tool", ""), std::nullopt);
  EXPECT_EQ(FindProgram(Path("third/tool").string(), ""), Path("third/tool"));
  EXPECT_EQ(FindProgram(Path("second/tool").string(), ""), std::nullopt);
}

}  // namespace
}  // namespace roost
