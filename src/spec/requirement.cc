#include "spec/requirement.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "spec/text.h"
#include "spec/version_spec.h"

namespace roost::spec {
namespace {

bool IsNameCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_' || c == '.';
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

// The option's long name and whether a value follows. Others would read files of the user's machine
// (-r, -c, -e) or install elsewhere.
struct KnownOption {
  std::string_view name;
  std::string_view other;
  bool has_value;
};
constexpr std::array<KnownOption, 9> kOptions = {{{"--index-url", "-i", true},
                                                  {"--extra-index-url", "", true},
                                                  {"--find-links", "-f", true},
                                                  {"--trusted-host", "", true},
                                                  {"--no-binary", "", true},
                                                  {"--only-binary", "", true},
                                                  {"--no-index", "", false},
                                                  {"--prefer-binary", "", false},
                                                  {"--pre", "", false}}};

std::string TakeName(std::string_view& rest) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), IsNameCharacter);
  const std::string name(rest.begin(), end);
  rest = Trim(rest.substr(name.size()));
  return name;
}

bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), IsNameCharacter) &&
         std::string_view("-_.").find(name.front()) == std::string_view::npos &&
         std::string_view("-_.").find(name.back()) == std::string_view::npos;
}

Error NoRequirement(std::string_view line, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          "'" + ToValidUtf8(line) + "' is no requirement that pip takes: " + std::string(why),
          {}};
}

// A comment begins at the line's start or after a blank, so that addresses keep their fragments.
std::string_view WithoutComment(std::string_view line) {
  for (auto at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || IsBlank(line[at - 1])) return Trim(line.substr(0, at));
  }
  return Trim(line);
}

bool IsAddress(std::string_view text) {
  return text.find("://") != std::string_view::npos || text.starts_with('/');
}

// The distribution that an address gives, where its text says so.
std::string NameOfAddress(std::string_view address) {
  const auto egg = address.find("#egg=");
  if (egg != std::string_view::npos) {
    std::string_view rest = address.substr(egg + 5);
    return NormalizePackageName(TakeName(rest));
  }
  const std::string_view path = address.substr(0, address.find_first_of("#?"));
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (!file.ends_with(".whl")) return "";
  return NormalizePackageName(file.substr(0, file.find('-')));
}

Result<std::vector<std::string>> TakeExtras(std::string_view line, std::string_view& rest) {
  std::vector<std::string> extras;
  if (!rest.starts_with('[')) return extras;
  const auto end = rest.find(']');
  if (end == std::string_view::npos) return Fail(NoRequirement(line, "a ']' is missing"));
  for (const std::string& part : Split(rest.substr(1, end - 1), ',')) {
    if (Trim(part).empty() && end == 1) break;
    if (!IsName(Trim(part))) return Fail(NoRequirement(line, "an extra in [...] has no name"));
    extras.push_back(NormalizePackageName(Trim(part)));
  }
  std::sort(extras.begin(), extras.end());
  extras.erase(std::unique(extras.begin(), extras.end()), extras.end());
  rest = Trim(rest.substr(end + 1));
  return extras;
}

// Cuts "--hash=..." words off the end of the line.
Result<std::string> TakeHashes(std::string_view line, std::string_view& rest) {
  const auto at = rest.find(" --");
  if (at == std::string_view::npos) return std::string();
  std::vector<std::string> hashes;
  for (const std::string& word : Split(rest.substr(at + 1), ' ')) {
    if (word.empty()) continue;
    if (!word.starts_with("--hash=")) {
      return Fail(NoRequirement(line, "of options behind a name only --hash=... is taken"));
    }
    hashes.push_back(word);
  }
  std::sort(hashes.begin(), hashes.end());
  rest = Trim(rest.substr(0, at));
  return Join(hashes, " ");
}

Result<PipOption> ParseOption(std::string_view line) {
  const auto end = line.find_first_of(" \t=");
  const std::string_view name = line.substr(0, end);
  const std::string_view value =
      end == std::string_view::npos ? std::string_view() : Trim(line.substr(end + 1));
  for (const KnownOption& option : kOptions) {
    if (name != option.name && (option.other.empty() || name != option.other)) continue;
    if (option.has_value == value.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  std::string(option.name) +
                      (option.has_value ? " needs a value behind it" : " takes no value"));
    }
    return PipOption{std::string(option.name), std::string(value)};
  }
  std::vector<std::string> known;
  for (const KnownOption& option : kOptions) known.emplace_back(option.name);
  return Fail(ErrorCode::kInvalidArgument,
              "the option '" + ToValidUtf8(name) + "' is not taken; taken are " +
                  Join(known, ", ") +
                  ". In place of a file (-r, -c, -e) list its lines, or give a package's address");
}

}  // namespace

std::string NormalizePackageName(std::string_view name) {
  std::string normalized;
  for (char c : name) {
    const bool separates = c == '-' || c == '_' || c == '.';
    if (separates && !normalized.empty() && normalized.back() == '-') continue;
    normalized += separates ? '-' : Lower(c);
  }
  return normalized;
}

Result<Requirement> ParseRequirement(std::string_view line) {
  Requirement made;
  std::string_view rest = Trim(line);
  ROOST_ASSIGN(made.hashes, TakeHashes(line, rest));
  if (IsAddress(rest) && rest.find(" @ ") == std::string_view::npos) {
    // The marker of an address stands behind a blank, since ';' is a part of addresses.
    const auto semicolon = rest.find(" ;");
    made.address = Trim(rest.substr(0, semicolon));
    if (semicolon != std::string_view::npos) made.marker = Trim(rest.substr(semicolon + 2));
    if (std::any_of(made.address.begin(), made.address.end(), IsBlank)) {
      return Fail(NoRequirement(line, "the address holds a blank"));
    }
    made.name = NameOfAddress(made.address);
    return made;
  }
  made.name = TakeName(rest);
  if (!IsName(made.name)) {
    return Fail(NoRequirement(line,
                              "it begins with no package name (a path must be absolute, since "
                              "environments are built outside of the submitted folder)"));
  }
  made.name = NormalizePackageName(made.name);
  ROOST_ASSIGN(made.extras, TakeExtras(line, rest));
  if (rest.starts_with('@')) {
    const auto semicolon = rest.find(" ;");
    made.address =
        Trim(rest.substr(1, semicolon == std::string_view::npos ? semicolon : semicolon - 1));
    if (semicolon != std::string_view::npos) made.marker = Trim(rest.substr(semicolon + 2));
    if (!IsAddress(made.address) ||
        std::any_of(made.address.begin(), made.address.end(), IsBlank)) {
      return Fail(NoRequirement(line, "an address must follow '@'"));
    }
    return made;
  }
  const auto semicolon = rest.find(';');
  if (semicolon != std::string_view::npos) made.marker = Trim(rest.substr(semicolon + 1));
  std::string_view versions = Trim(rest.substr(0, semicolon));
  if (versions.starts_with('(') && versions.ends_with(')')) {
    versions = Trim(versions.substr(1, versions.size() - 2));
  }
  const Result<VersionSpec> spec = VersionSpec::Parse(versions);
  if (!spec) return Fail(NoRequirement(line, spec.error().message));
  made.versions = spec->ToText();
  return made;
}

std::string Requirement::ToText() const {
  std::string text = name;
  if (!extras.empty()) text += "[" + Join(extras, ",") + "]";
  text += versions;
  if (!address.empty()) {
    // A name that the address tells by itself is not written twice.
    const bool told = extras.empty() && name == NameOfAddress(address);
    text = told ? address : text + " @ " + address;
  }
  if (!marker.empty()) text += (address.empty() ? "; " : " ; ") + marker;
  if (!hashes.empty()) text += " " + hashes;
  return text;
}

PipList ParsePipList(const std::vector<std::string>& lines, std::vector<PipListProblem>* problems) {
  PipList list;
  const auto complain = [&](std::size_t index, const Error& error) {
    if (problems != nullptr) problems->push_back({index, error.message});
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (HasControlCharacters(WithoutComment(lines[i]))) {
      complain(i, NoRequirement(lines[i], "it holds control characters"));
      continue;
    }
    const std::string_view line = WithoutComment(lines[i]);
    if (line.empty()) continue;
    if (line.starts_with('-')) {
      if (Result<PipOption> option = ParseOption(line); option) {
        list.options.push_back(std::move(*option));
      } else {
        complain(i, option.error());
      }
    } else if (Result<Requirement> requirement = ParseRequirement(line); requirement) {
      list.requirements.push_back(std::move(*requirement));
    } else {
      complain(i, requirement.error());
    }
  }
  return list;
}

Result<CondaSpec> ParseCondaSpec(std::string_view text) {
  const auto unreadable = [&](std::string_view why) {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + ToValidUtf8(text) + "' is no package that conda takes: " + std::string(why));
  };
  CondaSpec spec;
  std::string_view rest = Trim(text);
  if (HasControlCharacters(rest)) return unreadable("it holds control characters");
  if (const auto colons = rest.find("::"); colons != std::string_view::npos) {
    spec.channel = Trim(rest.substr(0, colons));
    rest = Trim(rest.substr(colons + 2));
    if (spec.channel.empty()) return unreadable("no channel stands before '::'");
    if (spec.channel.starts_with('-')) return unreadable("a channel does not begin with '-'");
  }
  spec.name = Lowered(TakeName(rest));
  if (spec.name.empty() || spec.name.front() == '-' || spec.name.front() == '.') {
    return unreadable("it begins with no package name");
  }
  if (rest.starts_with('[')) {
    if (!rest.ends_with(']')) return unreadable("a ']' is missing");
    spec.brackets = rest;
    return spec;
  }
  // "=1.6", "=1.6=py36_0", "==1.6.0", ">=1.18, <2" or, with blanks, "1.6.0 py36_0".
  const auto is_operator = [](char c) {
    return std::string_view("=<>!~").find(c) != std::string_view::npos;
  };
  std::string_view version = rest;
  if (!rest.empty() && !is_operator(rest.front())) {
    const auto blank = rest.find_first_of(" \t=");
    version = rest.substr(0, blank);
    if (blank != std::string_view::npos) spec.build = Trim(rest.substr(blank + 1));
    const bool pattern = version.find('*') != std::string_view::npos ||
                         version.find_first_of(",|<>") != std::string_view::npos;
    // Behind a blank stands the exact version.
    spec.versions = pattern ? "=" + std::string(version) : "==" + std::string(version);
    if (version == "*") spec.versions = "=*";
  } else {
    const auto begin = std::find_if_not(version.begin(), version.end(), is_operator);
    const auto at = version.find('=', static_cast<std::size_t>(begin - version.begin()));
    const bool ranges = version.find(',') != std::string_view::npos;
    if (at != std::string_view::npos && !ranges) {
      spec.build = Trim(version.substr(at + 1));
      version = Trim(version.substr(0, at));
    }
    for (char c : version) {
      if (!IsBlank(c)) spec.versions += c;
    }
    if (begin == version.end() && !version.empty()) return unreadable("its version is missing");
  }
  if (spec.build.find_first_of(" \t") != std::string::npos) {
    return unreadable("too much stands behind its version");
  }
  const auto is_fine = [&](char c) {
    return IsNameCharacter(c) || is_operator(c) ||
           std::string_view("*,|+_()").find(c) != std::string_view::npos;
  };
  if (!std::all_of(spec.versions.begin(), spec.versions.end(), is_fine)) {
    return unreadable("its version is not readable");
  }
  return spec;
}

std::string CondaSpec::ToText() const {
  std::string text = channel.empty() ? name : channel + "::" + name;
  text += brackets + versions;
  if (!build.empty()) text += (versions.empty() ? "=*=" : "=") + build;
  return text;
}

}  // namespace roost::spec
