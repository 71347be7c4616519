#include "environments/pip_configuration.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace roost::environments {
namespace {

std::string ValueOf(const std::map<std::string, std::string>& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

struct Setting {
  const char* key;       // in pip's files; PIP_KEY in variables
  const char* uv_name;   // the variable that uv reads
  const char* uv_other;  // another name of the same; set: pip's is not looked at
  char separator;        // of uv's lists
};
constexpr std::array kSettings = {
    Setting{"index-url", "UV_DEFAULT_INDEX", "UV_INDEX_URL", ' '},
    Setting{"extra-index-url", "UV_EXTRA_INDEX_URL", "UV_INDEX", ' '},
    Setting{"find-links", "UV_FIND_LINKS", "UV_FIND_LINKS", ','},
    Setting{"no-index", "UV_NO_INDEX", "UV_NO_INDEX", ' '},
    Setting{"trusted-host", "UV_INSECURE_HOST", "UV_INSECURE_HOST", ' '},
    Setting{"cert", "SSL_CERT_FILE", "SSL_CERT_FILE", ' '}};

std::string VariableOf(std::string key) {
  for (char& c : key) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return "PIP_" + key;
}

// pip's lists are words.
std::string JoinWords(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ' && c != '\t' && c != '\n') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return Join(words, std::string(1, separator));
}

}  // namespace

std::map<std::string, std::string> ParsePipConfiguration(std::string_view text) {
  std::map<std::string, std::string> global, install;
  std::map<std::string, std::string>* section = nullptr;
  std::string key;
  for (const std::string& line : Split(text, '\n')) {
    const std::string_view trimmed = Trim(line);
    if (trimmed.empty() || trimmed.front() == '#' || trimmed.front() == ';') continue;
    if (trimmed.front() == '[') {
      section = trimmed == "[global]" ? &global : trimmed == "[install]" ? &install : nullptr;
      key.clear();
      continue;
    }
    if (section == nullptr) continue;
    const bool goes_on = (line.front() == ' ' || line.front() == '\t') && !key.empty();
    if (goes_on) {
      (*section)[key] += " " + std::string(trimmed);
      continue;
    }
    const auto equals = trimmed.find_first_of("=:");
    if (equals == std::string_view::npos) continue;
    key = Trim(trimmed.substr(0, equals));
    std::replace(key.begin(), key.end(), '_', '-');
    (*section)[key] = Trim(trimmed.substr(equals + 1));
  }
  for (auto& [name, value] : install) global[name] = std::move(value);
  return global;
}

std::vector<fs::path> PipConfigurationFiles(const std::map<std::string, std::string>& variables) {
  const std::string chosen = ValueOf(variables, "PIP_CONFIG_FILE");
  if (chosen == "/dev/null") return {};  // pip's own way to say: none
  std::vector<fs::path> files = {"/etc/xdg/pip/pip.conf", "/etc/pip.conf"};
  const std::string home = ValueOf(variables, "HOME");
  if (!home.empty()) files.emplace_back(home + "/.pip/pip.conf");
  const std::string config = ValueOf(variables, "XDG_CONFIG_HOME");
  if (!config.empty()) {
    files.emplace_back(config + "/pip/pip.conf");
  } else if (!home.empty()) {
    files.emplace_back(home + "/.config/pip/pip.conf");
  }
  if (!chosen.empty()) files.emplace_back(chosen);
  return files;
}

std::map<std::string, std::string> UvVariablesOfPip(
    const std::map<std::string, std::string>& variables) {
  std::map<std::string, std::string> settings;
  for (const fs::path& file : PipConfigurationFiles(variables)) {
    const auto text = ReadFile(file);
    if (!text) continue;
    for (auto& [key, value] : ParsePipConfiguration(*text)) settings[key] = std::move(value);
  }
  std::map<std::string, std::string> for_uv;
  for (const Setting& setting : kSettings) {
    const std::string of_variable = ValueOf(variables, VariableOf(setting.key));
    const std::string value = of_variable.empty() ? settings[setting.key] : of_variable;
    const bool has_own = variables.count(setting.uv_name) + variables.count(setting.uv_other) > 0;
    if (!value.empty() && !has_own) for_uv[setting.uv_name] = JoinWords(value, setting.separator);
  }
  return for_uv;
}

}  // namespace roost::environments
