#pragma once

#include <array>
#include <string_view>

namespace roost::spec {

// The words of readable run names.
inline constexpr std::array<std::string_view, 74> kAdjectives = {
    "amber",  "bold",   "brave",   "breezy",   "bright", "brisk",  "calm",   "clear",  "clever",
    "cosmic", "crisp",  "curious", "daring",   "deft",   "eager",  "early",  "fair",   "fancy",
    "fleet",  "fond",   "frank",   "fresh",    "gentle", "glad",   "golden", "grand",  "happy",
    "hardy",  "honest", "humble",  "jolly",    "keen",   "kind",   "lively", "loyal",  "lucid",
    "lucky",  "mellow", "merry",   "mighty",   "modest", "neat",   "nimble", "noble",  "patient",
    "placid", "plucky", "polite",  "proud",    "quick",  "quiet",  "ready",  "robust", "sharp",
    "shiny",  "silent", "silver",  "sincere",  "smart",  "snug",   "solid",  "steady", "sturdy",
    "sunny",  "swift",  "tidy",    "tranquil", "trusty", "upbeat", "vivid",  "warm",   "wise",
    "witty",  "zesty"};
inline constexpr std::array<std::string_view, 80> kNouns = {
    "acorn",   "badger",  "beaver",  "birch",  "bison",  "brook",  "canyon",  "cedar",
    "cheetah", "comet",   "coral",   "crane",  "creek",  "delta",  "dolphin", "dune",
    "eagle",   "ember",   "falcon",  "fern",   "finch",  "fjord",  "forest",  "fox",
    "glacier", "grove",   "harbor",  "hawk",   "heron",  "hill",   "island",  "ivy",
    "jaguar",  "juniper", "kestrel", "koala",  "lagoon", "lake",   "lark",    "lemur",
    "lily",    "lynx",    "maple",   "marmot", "meadow", "meteor", "moss",    "mountain",
    "nebula",  "oak",     "ocean",   "orchid", "osprey", "otter",  "owl",     "panda",
    "pebble",  "pine",    "planet",  "puffin", "quartz", "raven",  "reef",    "river",
    "robin",   "sequoia", "sparrow", "spruce", "star",   "stream", "summit",  "swan",
    "thistle", "tiger",   "tulip",   "valley", "violet", "walrus", "willow",  "wren"};

}  // namespace roost::spec
