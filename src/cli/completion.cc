#include "cli/completion.h"

#include <fmt/format.h>

#include <vector>

#include "base/strings.h"

namespace roost::cli {
namespace {

// "runs restore": its own words to complete.
struct CommandWords {
  std::string path;  // "" for `roost` itself
  std::string help;
  std::vector<std::pair<std::string, std::string>> commands;  // name, help
  std::vector<std::pair<std::string, std::string>> options;   // "--limit", help
};

void Collect(const CLI::App& app, const std::string& path, std::vector<CommandWords>& all) {
  CommandWords words{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.options.emplace_back("--" + name, option->get_description());
    }
  }
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) {
    words.commands.emplace_back(command->get_name(), command->get_description());
  }
  all.push_back(std::move(words));
  for (const CLI::App* command : commands) {
    Collect(*command, (path.empty() ? "" : path + " ") + command->get_name(), all);
  }
}

std::string Names(const std::vector<std::pair<std::string, std::string>>& words) {
  std::vector<std::string> names;
  for (const auto& [name, help] : words) names.push_back(name);
  return Join(names, " ");
}

// Inside single quotes of a shell.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string Bash(const std::vector<CommandWords>& all) {
  std::string cases;
  for (const CommandWords& command : all) {
    cases += fmt::format("    {}) commands={}; options={} ;;\n", Quoted(command.path),
                         Quoted(Names(command.commands)), Quoted(Names(command.options)));
  }
  return fmt::format(R"(# bash completion for roost
_roost() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" commands="" options="" word
  _roost_words() {{
    commands="" options=""
    case "$1" in
{}    esac
  }}
  _roost_words ""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " $commands " in
      *" $word "*) path="${{path:+$path }}$word"; _roost_words "$path" ;;
    esac
  done
  if [[ "$current" == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$commands" && -z "$path" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current"; compgen -f -- "$current")
  fi
}}
complete -o filenames -F _roost roost
)",
                     cases);
}

std::string Zsh(const std::vector<CommandWords>& all) {
  std::string cases;
  for (const CommandWords& command : all) {
    std::string commands;
    for (const auto& [name, help] : command.commands) commands += " " + Quoted(name + ":" + help);
    std::string options;
    for (const auto& [name, help] : command.options) options += " " + Quoted(name + ":" + help);
    cases += fmt::format("    {}) commands=({}); options=({}) ;;\n", Quoted(command.path), commands,
                         options);
  }
  return fmt::format(R"(#compdef roost
# zsh completion for roost
_roost_words() {{
  commands=() options=()
  case "$1" in
{}  esac
}}
_roost() {{
  local -a commands options
  local path_so_far="" word
  _roost_words ""
  for word in "${{words[@]:1:$((CURRENT - 2))}}"; do
    if (( ${{commands[(I)${{word}}:*]}} )); then
      path_so_far="${{path_so_far:+$path_so_far }}$word"
      _roost_words "$path_so_far"
    fi
  done
  if [[ "${{words[CURRENT]}}" == -* ]]; then
    _describe 'option' options
  else
    (( ${{#commands}} )) && _describe 'command' commands
    [[ -n "$path_so_far" ]] && _files
  fi
}}
# Loaded by zsh as the function's body, or sourced by a user.
if [[ "${{funcstack[1]}}" == _roost ]]; then
  _roost "$@"
else
  compdef _roost roost
fi
)",
                     cases);
}

std::string Fish(const std::vector<CommandWords>& all) {
  std::string text =
      "# fish completion for roost\n"
      "function __roost_at\n"
      "  set -l path (string match -v -- '-*' (commandline -opc)[2..])\n"
      "  set -l wanted (string split ' ' -- $argv[1])\n"
      "  test -z \"$argv[1]\"; and set wanted\n"
      "  test (count $path) -ge (count $wanted); or return 1\n"
      "  for i in (seq (count $wanted))\n"
      "    test $path[$i] = $wanted[$i]; or return 1\n"
      "  end\n"
      "  test \"$argv[2]\" != exact; or test (count $path) -eq (count $wanted)\n"
      "end\n";
  for (const CommandWords& command : all) {
    for (const auto& [name, help] : command.commands) {
      text += fmt::format("complete -c roost -f -n {} -a {} -d {}\n",
                          Quoted("__roost_at \"" + command.path + "\" exact"), Quoted(name),
                          Quoted(help));
    }
    for (const auto& [name, help] : command.options) {
      text +=
          fmt::format("complete -c roost -n {} -l {} -d {}\n",
                      Quoted("__roost_at \"" + command.path + "\""), name.substr(2), Quoted(help));
    }
  }
  return text;
}

}  // namespace

Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell) {
  std::vector<CommandWords> all;
  Collect(app, "", all);
  if (shell == "bash") return Bash(all);
  if (shell == "zsh") return Zsh(all);
  if (shell == "fish") return Fish(all);
  return Fail(ErrorCode::kInvalidArgument,
              "There is no completion for '" + shell + "': choose bash, zsh or fish.");
}

}  // namespace roost::cli
