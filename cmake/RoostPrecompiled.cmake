# The third parties' headers that most files include, compiled once for modules and once for tests. Ours
# are not among them, so that a change of one rebuilds only its users.
set(pch_headers <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <optional>
    <string> <string_view> <utility> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>
    <tl/expected.hpp>)
file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc.new "// Only its precompiled header is used.\n")
file(COPY_FILE ${CMAKE_BINARY_DIR}/pch/empty.cc.new ${CMAKE_BINARY_DIR}/pch/empty.cc ONLY_IF_DIFFERENT)

function(roost_add_pch name)
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cc)
  target_link_libraries(${name} PRIVATE roost_options fmt::fmt tl::expected nlohmann_json::nlohmann_json
                                        spdlog::spdlog_header_only ${ARGN})
  set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
endfunction()

# Tests spend their time in what they test: optimising them costs more than it saves.
set(ROOST_TEST_OPTIONS -O0)

roost_add_pch(roost_pch)
target_precompile_headers(roost_pch PRIVATE ${pch_headers})
if(ROOST_TESTS)
  roost_add_pch(roost_test_pch GTest::gmock)
  target_compile_options(roost_test_pch PRIVATE ${ROOST_TEST_OPTIONS})
  target_precompile_headers(roost_test_pch PRIVATE ${pch_headers} <gmock/gmock.h> <gtest/gtest.h>)
endif()

function(roost_use_pch target pch)
  target_precompile_headers(${target} REUSE_FROM ${pch})
  if(pch STREQUAL "roost_test_pch")
    target_compile_options(${target} PRIVATE ${ROOST_TEST_OPTIONS})
  endif()
endfunction()
