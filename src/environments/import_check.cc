#include "environments/import_check.h"

#include <nlohmann/json.hpp>

namespace roost::environments {

// Which modules a distribution has: the one of its own name if there is one; otherwise all that it
// lists, without private ones and those that are packaged by mistake again and again ("tests").
const std::string_view kImportCheckScript = R"PY(
import importlib, json, re, sys, time, traceback

try:
    from importlib import metadata
except ImportError:
    try:
        import importlib_metadata as metadata
    except ImportError:
        metadata = None

STRAY = {"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks",
         "benchmark", "scripts", "tools", "setup", "conftest"}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def listed_modules(top_level, files):
    if top_level and top_level.strip():
        return {line.strip().replace("/", ".") for line in top_level.split("\n") if line.strip()}
    modules = set()
    for file in files:
        parts = str(file).split("/")
        if parts[0].endswith((".dist-info", ".egg-info", ".data")) or parts[0] in ("..", "."):
            continue
        if parts[-1].endswith((".py", ".so")):
            modules.add(parts[0].split(".")[0])
    return modules


def modules_of(distribution):
    if metadata is None:
        top_level = distribution.get_metadata("top_level.txt") if distribution.has_metadata(
            "top_level.txt") else distribution.project_name.replace("-", "_")
        files = []
    else:
        top_level, files = distribution.read_text("top_level.txt"), distribution.files or []
    modules = listed_modules(top_level, files)
    own = [m for m in modules if normalized(m) == normalized(name_of(distribution))]
    if own:
        return own
    return sorted(m for m in modules if m not in STRAY and not m.startswith("_")
                  and all(part.isidentifier() for part in m.split(".")))


def name_of(distribution):
    if metadata is None:
        return distribution.project_name
    return distribution.metadata["Name"] or ""


def all_distributions():
    if metadata is None:
        import pkg_resources
        return list(pkg_resources.working_set)
    return list(metadata.distributions())


def main():
    with open(sys.argv[1]) as file:
        asked = json.load(file)
    installed = {}
    for distribution in all_distributions():
        installed.setdefault(normalized(name_of(distribution)), distribution)
    failed = []
    names = [(name, True) for name in asked["names"]]
    names += [(name, False) for name in asked["if_there"]]
    done = set()
    for name, required in names:
        if name in done:
            continue
        done.add(name)
        distribution = installed.get(normalized(name))
        if distribution is None:
            if required:
                failed.append(name)
                print("The package %s was named but is not installed." % name)
            continue
        for module in modules_of(distribution):
            sys.stdout.write("import %s ... " % module)
            sys.stdout.flush()
            begin = time.time()
            try:
                importlib.import_module(module)
                print("%.1f s" % (time.time() - begin))
            except BaseException:
                failed.append(module)
                print("failed")
                traceback.print_exc(file=sys.stdout)
    packages = {name: str(found.version) for name, found in installed.items() if name}
    with open(sys.argv[2], "w") as file:
        json.dump({"python": "%d.%d.%d" % tuple(sys.version_info[:3]), "packages": packages}, file)
    if failed:
        print("Not importable: " + ", ".join(failed))
        sys.stdout.flush()
        sys.exit(1)


main()
)PY";

std::string ImportCheckQuestion(const std::vector<std::string>& names,
                                const std::vector<std::string>& if_there) {
  return nlohmann::json({{"names", names}, {"if_there", if_there}}).dump();
}

Result<ImportCheckAnswer> ReadImportCheckAnswer(std::string_view text) {
  const auto answer = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || !answer.contains("python") || !answer["python"].is_string() ||
      !answer.contains("packages") || !answer["packages"].is_object()) {
    return Fail(ErrorCode::kInternal, "The import check did not write what it promises.");
  }
  ImportCheckAnswer read;
  read.python_version = answer["python"].get<std::string>();
  for (const auto& [name, version] : answer["packages"].items()) {
    if (version.is_string()) read.packages[name] = version.get<std::string>();
  }
  return read;
}

}  // namespace roost::environments
