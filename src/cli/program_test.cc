// The commands as a whole: what the parser makes of them, completion scripts, and what `serve`
// checks before it starts.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/python_choice.h"
#include "cli/serve_options.h"

namespace roost::cli {
namespace {

using testing::HasSubstr;

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() : app_("Roost", "roost") { AddAllCommands(app_, context_); }
  int Main(std::vector<std::string> words) {
    words.insert(words.begin(), "roost");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return cli::Main(static_cast<int>(argv.size()), argv.data());
  }
  Context context_;
  CLI::App app_;
};

TEST_F(ProgramTest, UsageErrorsEndWithTwo) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"runs", "--limit", "many"},
           {"show"},
           {"submit", "--cpu", "3", "train.py", "--server", "http://127.0.0.1:1"},
           {"logs", "latest", "--follow", "--fold"},
           {"restore", "/backup"},
           {"completion", "csh"}}) {
    EXPECT_EQ(Main(words), 2) << testing::PrintToString(words);
  }
}

TEST_F(ProgramTest, AServerThatIsNotThereEndsWithEight) {
  EXPECT_EQ(Main({"runs", "--server", "http://127.0.0.1:1", "--token", "x"}), 8);
}

TEST_F(ProgramTest, EveryCommandHasAHelpLine) {
  std::vector<CLI::App*> open = app_.get_subcommands([](CLI::App*) { return true; });
  EXPECT_GT(open.size(), 20U);
  while (!open.empty()) {
    CLI::App* command = open.back();
    open.pop_back();
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
    for (CLI::App* below : command->get_subcommands([](CLI::App*) { return true; })) {
      open.push_back(below);
    }
  }
}

TEST_F(ProgramTest, BashCompletesCommandsAndOptions) {
  const auto script = CompletionScript(app_, "bash");
  ASSERT_TRUE(script);
  const auto complete = [&](const std::string& words, int index) {
    SubprocessOptions bash;
    bash.argv = {"bash", "-c",
                 *script + "\nCOMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(index) +
                     "; _roost; printf '%s ' \"${COMPREPLY[@]}\""};
    bash.environment = CurrentEnvironment();
    bash.working_folder = "/";
    const auto run = RunAndCapture(bash, std::chrono::seconds(100));
    return run ? run->output + run->errors : run.error().message;
  };
  EXPECT_EQ(complete("roost exp", 1), "export experiments ");
  EXPECT_EQ(complete("roost submit --max", 2), "--max-snapshot-mb --max-snapshot-files ");
  EXPECT_EQ(complete("roost models reg", 2), "register ");
  EXPECT_EQ(complete("roost models register --fr", 3), "--framework --framework-version ");
}

TEST_F(ProgramTest, CompletionScriptsParse) {
  const struct {
    const char *shell, *option;
  } cases[] = {{"bash", "-n"}, {"zsh", "-n"}, {"fish", "--no-execute"}};
  TempFolder folder;
  for (const auto& one : cases) {
    const auto script = CompletionScript(app_, one.shell);
    ASSERT_TRUE(script);
    EXPECT_THAT(*script, HasSubstr("download"));
    if (!FindProgram(one.shell, CurrentEnvironment()["PATH"])) continue;
    ASSERT_TRUE(WriteFileAtomic(folder.path() / one.shell, *script));
    SubprocessOptions check;
    check.argv = {one.shell, one.option, (folder.path() / one.shell).string()};
    check.environment = CurrentEnvironment();
    const auto run = RunAndCapture(check, std::chrono::seconds(100));
    ASSERT_TRUE(run);
    EXPECT_EQ(run->status.code, 0) << one.shell << ": " << run->errors;
  }
}

TEST(PythonChoiceTest, PrefersTheActiveEnvironment) {
  TempFolder folder;
  const auto program = [&](const std::string& name) {
    const fs::path path = folder.path() / name;
    EXPECT_TRUE(MakeFolders(path.parent_path()));
    EXPECT_TRUE(WriteFileAtomic(path, "#!/bin/sh\n", 0755));
    return path.string();
  };
  const std::string venv = program("venv/bin/python");
  const std::string conda = program("conda/bin/python");
  const std::string system = program("bin/python3");
  std::map<std::string, std::string> environment = {
      {"PATH", (folder.path() / "bin").string()},
      {"VIRTUAL_ENV", (folder.path() / "venv").string()},
      {"CONDA_PREFIX", (folder.path() / "conda").string()}};
  EXPECT_EQ(ChoosePython("", environment).value(), venv);
  environment.erase("VIRTUAL_ENV");
  EXPECT_EQ(ChoosePython("", environment).value(), conda);
  environment.erase("CONDA_PREFIX");
  EXPECT_EQ(ChoosePython("", environment).value(), system);
  EXPECT_EQ(ChoosePython("python3", environment).value(), system);
  EXPECT_FALSE(ChoosePython("python4", environment));
  EXPECT_EQ(ChoosePython("", {}).value(), "");
}

TEST(CheckPortTest, TakenPortsAreToldBeforeTheStart) {
  const Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  ::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &length);
  const int taken = ntohs(address.sin_port);

  const auto checked = CheckPort("127.0.0.1", taken, false);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(checked.error().message, HasSubstr("--port"));

  const auto any = CheckPort("127.0.0.1", 0, true);
  ASSERT_TRUE(any);
  EXPECT_GT(*any, 0);
  EXPECT_NE(*any, taken);
  EXPECT_FALSE(CheckPort("127.0.0.1", 70000, true));
  EXPECT_FALSE(CheckPort("no such host!", 0, true));
}

TEST(FindPartsTest, TheShimIsFoundBesideTheProgramFirst) {
  TempFolder folder;
  ASSERT_TRUE(MakeFolders(folder.path() / "bin"));
  ASSERT_TRUE(MakeFolders(folder.path() / "libexec/roost"));
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "libexec/roost/roost-shim", "", 0755));
  EXPECT_EQ(FindShim(folder.path() / "bin").value(), folder.path() / "libexec/roost/roost-shim");
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "bin/roost-shim", "", 0755));
  EXPECT_EQ(FindShim(folder.path() / "bin").value(), folder.path() / "bin/roost-shim");
  ASSERT_TRUE(MakeFolders(folder.path() / "share/roost/python"));
  EXPECT_EQ(FindSdk(folder.path() / "bin"), folder.path() / "share/roost/python");
  ASSERT_TRUE(WriteFileAtomic(folder.path() / "bin/roost-trainer", "", 0755));
  EXPECT_EQ(FindTrainer(folder.path() / "bin"), folder.path() / "bin/roost-trainer");
}

}  // namespace
}  // namespace roost::cli
